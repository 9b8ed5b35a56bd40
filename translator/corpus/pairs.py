"""A sentence pair, and a file of many pairs with random access."""

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

    Memory does not grow with the number of pairs: text and offsets stay on disk, and
    are read, not mapped, for the pages of a mapping count as the process' own. Pairs
    hold no tab and no line feed, so a pair is the line `source TAB target LF`.

    Args:
        path: The text, as `write_pairs` made it.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        offsets = np.load(_offsets_path(self.path), mmap_mode="r")
        self._length = len(offsets) - 1
        self._first_offset: int = offsets.offset  # where the header ends

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Pair]:
        with self.path.open("rb") as file:
            for line in file:
                yield _parse(line)

    def sample(self, count: int) -> list[Pair]:
        """Returns at most so many pairs, from all over the file."""
        return self.take(spread(len(self), count))

    def take(self, indices: np.ndarray) -> list[Pair]:
        """Returns the pairs at these positions, in this order."""
        indices = np.asarray(indices, np.int64)
        if indices.size and not (0 <= indices.min() and indices.max() < len(self)):
            raise IndexError(
                f"indices must lie in [0, {len(self)}). "
                f"Received: {indices.min()} to {indices.max()}"
            )
        with self.path.open("rb") as text, _offsets_path(self.path).open("rb") as table:
            return [self._read(text, table, index) for index in indices.tolist()]

    def _read(self, text: IO[bytes], table: IO[bytes], index: int) -> Pair:
        table.seek(self._first_offset + index * _OFFSET.size)
        (start,) = _OFFSET.unpack(table.read(_OFFSET.size))
        text.seek(start)
        return _parse(text.readline())


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


def spread(size: int, count: int) -> np.ndarray:
    """Returns at most so many places of a list of that size, evenly apart."""
    return np.linspace(0, size - 1, min(count, size)).astype(np.int64)
