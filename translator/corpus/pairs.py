"""A sentence pair, and a file of many pairs with random access."""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import Struct
from typing import IO, NamedTuple

import numpy as np

_OFFSET = Struct("<q")


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


class PairFile:
    """Pairs on disk, read by position.

    Memory does not grow with the number of pairs: the text is mapped, not loaded, and
    so is the table of offsets. Pairs hold no tab and no line feed, so a pair is the
    line `source TAB target LF`.

    Args:
        path: The text, as `write_pairs` made it.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self._offsets = np.load(_offsets_path(self.path), mmap_mode="r")
        self._text: mmap.mmap | None = None
        if len(self):
            with self.path.open("rb") as file:
                self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __iter__(self) -> Iterator[Pair]:
        with self.path.open("rb") as file:
            for line in file:
                yield _parse(line)

    def take(self, indices: np.ndarray) -> list[Pair]:
        """Returns the pairs at these positions, in this order."""
        indices = np.asarray(indices, np.int64)
        if indices.size and not (0 <= indices.min() and indices.max() < len(self)):
            raise IndexError(
                f"indices must lie in [0, {len(self)}). "
                f"Received: {indices.min()} to {indices.max()}"
            )
        starts, ends = self._offsets[indices], self._offsets[indices + 1]
        return [
            _parse(self._text[start:end])
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]


def write_pairs(path: Path, pairs: Iterable[Pair]) -> int:
    """Writes the pairs as they come, for `PairFile`, and returns their number.

    The byte offset of each line, and that of the end, go to `NAME.offsets.npy` beside
    the text, as int64.

    Example:
        >>> import tempfile
        >>> pairs = [Pair("one", "uno"), Pair("two", "dos")]
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = Path(directory) / "train.tsv"
        ...     write_pairs(path, pairs), PairFile(path).take(np.array([1]))
        (2, [Pair(source='two', target='dos')])
    """
    position = count = 0
    with path.open("wb") as text, _offsets_path(path).open("wb") as offsets:
        # NumPy leaves room in the header for the length to grow in place.
        _write_header(offsets, 0)
        offsets.write(_OFFSET.pack(0))
        for pair in pairs:
            position += text.write(f"{pair.source}\t{pair.target}\n".encode())
            offsets.write(_OFFSET.pack(position))
            count += 1
        offsets.seek(0)
        _write_header(offsets, count + 1)
    return count


def _parse(line: bytes) -> Pair:
    source, target = line[:-1].decode().split("\t")
    return Pair(source, target)


def _offsets_path(path: Path) -> Path:
    return path.with_suffix(".offsets.npy")


def _write_header(file: IO[bytes], count: int) -> None:
    header = {"descr": "<i8", "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, header)
