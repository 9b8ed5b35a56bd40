"""A file of text, translated into one of the same form, some texts at a time.

UTF-8, with or without a byte order mark, and UTF-16 with one are read, and written as
they were read. Lines may end in LF, CRLF or CR.
"""

import codecs
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from translator.disk import writing
from translator.errors import UserError
from translator.files.lines import Part, read_text
from translator.files.subtitles import read_subtitles
from translator.files.tables import NUM_SAMPLE_LINES, Table
from translator.translations import Translation

TABLES = (".csv", ".tsv")
# Endings of the names of files that can be translated.
FORMATS = (".txt", *TABLES, ".srt")

# Texts translated together: enough to keep two cores busy, and done in a second.
MAX_TEXTS = 128
# Characters of a piece, for each text that it may have.
_CHARACTERS_PER_TEXT = 64
# Parts that wait to be written with those of a piece.
_MAX_PARTS = 1_000
# Characters that tell the language of a file.
_SAMPLE_CHARACTERS = 2_000
# Byte order mark -> encoding. Text without one is UTF-8.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class Progress(NamedTuple):
    """How much of a file is translated, in characters."""

    done: int
    total: int


@dataclass
class Piece:
    """Texts of a file that are translated together.

    Attributes:
        texts: Some, or a long one.
        progress: How far the file is with them.
        translations: To be filled, one for each text.
    """

    texts: list[str]
    progress: Progress
    translations: list[str] = field(default_factory=list)


def has_format(path: Path) -> bool:
    """Whether the name of a file says that it can be translated."""
    return path.suffix.lower() in FORMATS


def translated_name(path: Path, language: str) -> str:
    """Returns what to call the translation of a file.

    Example:
        >>> translated_name(Path("films/two_cooks.srt"), "es")
        'two_cooks.es.srt'
    """
    return f"{path.stem}.{language}{path.suffix}"


class Document:
    """A file that can be translated. All of it is read once, to be checked.

    Args:
        path: The file; the ending of its name, one of `FORMATS`, tells what it is.
        max_characters: Longest line, cell or subtitle.
        column: Of a table, the only one to translate: its name, or its number from 1.
            Default: all cells that hold letters.
        has_header: Of a table, whether the first row has the columns' names, which stay
            as they are. Default: whether it looks like it.
        name: What to call the file in errors. Default: its path.

    Attributes:
        num_characters: Characters of all its texts.
        sample: The first of them, some sentences in a line.

    Raises:
        UserError: A file that cannot be read or is no text, or a text that is too long,
            with its line.

    Example:
        >>> document = Document(path, max_characters=10_000)       # doctest: +SKIP
        >>> for progress in document.translate(translator.translate, target):
        ...     show(progress.done / progress.total)               # doctest: +SKIP
    """

    def __init__(
        self,
        path: Path,
        max_characters: int,
        column: str = "",
        has_header: bool | None = None,
        name: str = "",
    ):
        self.path = path
        self.name = name or str(path)
        self._format = path.suffix.lower()
        if self._format not in FORMATS:
            raise UserError(
                f"{self.name} is of no format that can be translated. These are: "
                f"{', '.join(FORMATS)}."
            )
        if (column or has_header is not None) and self._format not in TABLES:
            raise UserError(
                f"{self.name} has no columns and no header. Leave these options out."
            )
        self._mark, self._encoding = self._find_encoding()
        if self._format in TABLES:
            with self._lines() as lines:
                sample = list(islice(lines, NUM_SAMPLE_LINES))
            is_csv = self._format == ".csv"
            self._table = Table.guess(sample, is_csv, column, has_header)
        self.num_characters = 0
        self.sample = ""
        self._check(max_characters)

    def translate(
        self,
        translate: Callable[[list[str]], Sequence[Translation]],
        target: Path | BinaryIO,
    ) -> Iterator[Progress]:
        """Translates the file, and tells how far it is each time it is farther.

        The target is there when the iterator has come to its end. One that is dropped
        or closed before leaves no file behind.

        Args:
            translate: Such as `Translator.translate`.
            target: The file to write, or where to write its bytes.
        """
        with closing(self.pieces(target)) as pieces:
            for piece in pieces:
                piece.translations = [found.text for found in translate(piece.texts)]
                yield piece.progress

    def pieces(
        self, target: Path | BinaryIO, max_texts: int = MAX_TEXTS
    ) -> Iterator[Piece]:
        """Yields pieces, whose translations are to be filled in before the next.

        This is `translate` for those that cannot wait for a translator.

        Args:
            target: The file to write, or where to write its bytes.
            max_texts: Most texts in a piece; fewer, if they are long.
        """
        done = 0
        opened = writing(target) if isinstance(target, Path) else nullcontext(target)
        with opened as stream, self._lines() as lines:
            stream.write(self._mark)
            for parts in _groups(self._read(lines), max_texts):
                texts = [text for part in parts for text in part.texts]
                translations: list[str] = []
                for some in _cut(texts, max_texts):
                    done += sum(map(len, some))
                    piece = Piece(some, Progress(done, self.num_characters))
                    yield piece
                    translations += piece.translations
                remaining = iter(translations)
                for part in parts:
                    own = list(islice(remaining, len(part.texts)))
                    stream.write(part.join(own).encode(self._encoding))

    def _check(self, max_characters: int) -> None:
        """Reads all of it, and notes how much there is to translate."""
        with self._lines() as lines:
            for part in self._read(lines):
                for text in part.texts:
                    if len(text) > max_characters:
                        raise UserError(
                            f"line {lines.number}: it has {len(text):,} characters; at "
                            f"most {max_characters:,} are accepted. Split it and try "
                            "again."
                        )
                    self.num_characters += len(text)
                    if len(self.sample) < _SAMPLE_CHARACTERS:
                        self.sample += f"{text} "

    def _find_encoding(self) -> tuple[bytes, str]:
        """Returns the byte order mark, which may be none, and the encoding."""
        try:
            with self.path.open("rb") as stream:
                start = stream.read(max(map(len, _MARKS)))
        except OSError as error:
            raise UserError(f"cannot read {self.name}: {error.strerror}.") from None
        for mark, encoding in _MARKS.items():
            if start.startswith(mark):
                return mark, encoding
        return b"", "utf-8"

    @contextmanager
    def _lines(self) -> Iterator["_Lines"]:
        """Opens the file behind its mark; errors get its name."""
        with self.path.open("rb") as stream:
            stream.seek(len(self._mark))
            lines = _Lines(stream, self._encoding)
            try:
                yield lines
            except UserError as error:
                raise UserError(f"{self.name}, {error}") from None

    def _read(self, lines: Iterable[str]) -> Iterator[Part]:
        if self._format in TABLES:
            return self._table.read(lines)
        return (read_subtitles if self._format == ".srt" else read_text)(lines)


class _Lines:
    """Lines with their line ends, checked and counted.

    Args:
        stream: Its bytes.
        encoding: What they should be.

    Attributes:
        number: Of the line that was read last, from 1.
    """

    def __init__(self, stream: BinaryIO, encoding: str):
        # What is wrong becomes lone surrogates: so its line is known.
        errors = "surrogateescape" if encoding == "utf-8" else "surrogatepass"
        self._lines = io.TextIOWrapper(stream, encoding, errors, newline="")
        self._encoding = encoding
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = next(self._lines)
            line.encode()
        except UnicodeError:
            raise UserError(
                f"line {self.number + 1}: this is not {self._encoding[:6].upper()}. "
                "Save it as UTF-8 in an editor, or convert it by iconv."
            ) from None
        self.number += 1
        if "\0" in line:
            raise UserError(
                f"line {self.number}: a NUL character, so this is no text, or not "
                "UTF-8. Save it as UTF-8 in an editor, or convert it by iconv."
            )
        return line


def _groups(parts: Iterable[Part], max_texts: int) -> Iterator[list[Part]]:
    """Yields parts that are translated, and then written, together."""
    group: list[Part] = []
    num_texts = num_characters = 0
    for part in parts:
        group.append(part)
        num_texts += len(part.texts)
        num_characters += sum(map(len, part.texts))
        is_long = num_characters >= max_texts * _CHARACTERS_PER_TEXT
        if num_texts >= max_texts or is_long or len(group) >= _MAX_PARTS:
            yield group
            group, num_texts, num_characters = [], 0, 0
    if group:
        yield group


def _cut(texts: Sequence[str], max_texts: int) -> Iterator[list[str]]:
    """Yields so many texts at a time that a piece may have."""
    some: list[str] = []
    num_characters = 0
    for text in texts:
        num_characters += len(text)
        is_long = num_characters > max_texts * _CHARACTERS_PER_TEXT
        if some and (len(some) == max_texts or is_long):
            yield some
            some, num_characters = [], len(text)
        some.append(text)
    if some:
        yield some
