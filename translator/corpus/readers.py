"""Sentence pairs from files, one at a time.

Formats, each plain or `.gz`: lines `source TAB target` (further columns are ignored),
two line-aligned files, JSON lines. A `.zip` holds one text of the first kind. Text is
UTF-8, with or without a byte order mark, or UTF-16 with one, as spreadsheets write it;
lines end in LF or CRLF.
"""

import codecs
import gzip
import io
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import IO

from translator.corpus.pairs import Pair
from translator.errors import UserError
from translator.languages import UNKNOWN_LANGUAGE

# A longer line is not a sentence; reading it whole would let a small compressed file
# fill the memory.
MAX_LINE_BYTES = 1 << 20
# The archives of the registry hold texts of 13 MB and compress by a factor of 3.
MAX_MEMBER_BYTES = 4 << 30
MAX_COMPRESSION = 200

# Two letters and perhaps a region, such as pt_BR: three letters could be .txt or .tok.
_LANGUAGE = "([a-z]{2}(?:[-_][A-Z][A-Za-z]+)?)"
_LANGUAGES = re.compile(f"{_LANGUAGE}-{_LANGUAGE}")
_COMPRESSION_SUFFIXES = (".gz", ".zip")
# Lines that tell whether the first column holds sentences, and who wrote them.
_NUM_SAMPLE_LINES = 1_000
# Cells with a comma that tell whether a spreadsheet wrote them.
_FEWEST_CELLS = 3
_READ_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile)
_ZIP_MARK = b"PK\x03\x04"  # of .xlsx, too
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_pairs(
    paths: Sequence[Path],
    languages: tuple[str, str] = ("", ""),
    member: str = "",
) -> Iterator[Pair]:
    """Yields the pairs of one file, or of two line-aligned files.

    Args:
        paths: One file with both sides, or the source file and the target file.
        languages: Codes of the two sides. JSON lines may use them as keys.
        member: Name of the text inside a `.zip`. Default: its only text.

    Raises:
        UserError: A file is missing, empty, damaged, not UTF-8 or not of its format;
            the message names the file and the line.
    """
    for path in paths:
        if not path.is_file():
            raise UserError(f"there is no file {path}.")
    match [Path(path) for path in paths]:
        case [path] if _format(path) == ".jsonl":
            return _read_jsonl(path, languages)
        case [path]:
            return _read_columns(path, member)
        case [source_path, target_path]:
            return _read_aligned(source_path, target_path)
    raise UserError(
        f"a corpus is one file or two line-aligned files. Received: {len(paths)} files."
    )


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a text of one language, plain or `.gz`, whole in memory.

    Raises:
        UserError: As `read_pairs`.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}.")
    return [line for _, line in _read_lines(path)]


def guess_languages(paths: Sequence[Path]) -> tuple[str, str]:
    """Returns the two codes that the names tell: `train.en` and `train.es` or
    `pairs.en-es.tsv`; an empty code where they do not.

    Example:
        >>> guess_languages([Path("train.en.gz"), Path("train.pt_BR.gz")])
        ('en', 'pt-BR')
        >>> guess_languages([Path("news.en-es.tsv")])
        ('en', 'es')
        >>> guess_languages([Path("pairs.tsv")])
        ('', '')
    """
    if len(paths) == 2:
        name = "-".join(_format(path).removeprefix(".") for path in paths)
    else:
        name = Path(_strip_compression(paths[0].name)).stem.rpartition(".")[2]
    if not (match := _LANGUAGES.fullmatch(name)) or match[1] == match[2]:
        return "", ""
    source, target = (code.replace("_", "-") for code in match.groups())
    return source, target


def _strip_compression(name: str) -> str:
    for suffix in _COMPRESSION_SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _format(path: Path) -> str:
    return Path(_strip_compression(path.name)).suffix


def _read_columns(path: Path, member: str) -> Iterator[Pair]:
    rows = _rows(path, member)
    sample = list(islice(rows, _NUM_SAMPLE_LINES))
    if sample and all(len(row) > 2 and row[0].strip().isdigit() for row in sample):
        first = ", ".join(row[0] for row in sample[:3])
        kept = "2,4" if all(row[2].strip().isdigit() for row in sample) else "2,3"
        raise UserError(
            f"{path}: the first column holds numbers ({first}), where the sentences of "
            "the source language should be. Keep the two columns of sentences, such as "
            f"by: cut -f{kept}."
        )
    has_quotes = _is_of_spreadsheet(cell for row in sample for cell in row[:2])
    for row in chain(sample, rows):
        source, target = (_unquote(cell, has_quotes) for cell in row[:2])
        yield Pair(source, target)


def _is_of_spreadsheet(cells: Iterable[str]) -> bool:
    """Whether all cells with a comma are between quotation marks, as Excel's text with
    tabs has them."""
    with_comma = [cell for cell in cells if "," in cell]
    return len(with_comma) >= _FEWEST_CELLS and all(map(_is_quoted, with_comma))


def _is_quoted(cell: str) -> bool:
    """Whether there are quotation marks around a cell, and all inside are doubled."""
    inner = cell[1:-1].replace('""', "")
    return len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner


def _unquote(cell: str, is_of_spreadsheet: bool) -> str:
    """Returns a cell without the quotation marks that a spreadsheet put around it:
    without one, they are the sentence's own unless those inside are doubled."""
    inner = cell[1:-1]
    if _is_quoted(cell) and (is_of_spreadsheet or '""' in inner):
        return inner.replace('""', '"')
    return cell


def _rows(path: Path, member: str) -> Iterator[list[str]]:
    """Yields the columns of each line, at least two."""
    for number, line in _read_lines(path, member):
        if not line:
            continue
        columns = line.split("\t")
        if len(columns) < 2:
            advice = ""
            if path.suffix == ".csv" or line.count('"') > 1:
                advice = " Of a spreadsheet, save the two columns as text with tabs."
            raise UserError(
                f"{path}, line {number}: expected two columns with a tab between them. "
                f"Received: {_shorten(line)}.{advice}"
            )
        yield columns


def _read_aligned(source_path: Path, target_path: Path) -> Iterator[Pair]:
    number = 0
    lines = zip_longest(_read_lines(source_path), _read_lines(target_path))
    for number, (source, target) in enumerate(lines, 1):
        if source is None or target is None:
            short, long = source_path, target_path
            if target is None:
                short, long = long, short
            raise UserError(
                f"{short} ends before line {number}, {long} does not: the two files "
                "must have one line for each pair, in the same order."
            )
        yield Pair(source[1], target[1])


def _read_jsonl(path: Path, languages: tuple[str, str]) -> Iterator[Pair]:
    for number, line in _read_lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        for keys in (("source", "target"), languages):
            if isinstance(record, dict) and all(
                isinstance(record.get(key), str) for key in keys
            ):
                yield Pair(record[keys[0]], record[keys[1]])
                break
        else:
            wanted = '{"source": "...", "target": "..."}'
            if UNKNOWN_LANGUAGE in languages:
                wanted += " or, with --source-language and --target-language, theirs"
            else:
                wanted += f' or {{"{languages[0]}": "...", "{languages[1]}": "..."}}'
            raise UserError(
                f"{path}, line {number}: expected {wanted}. Received: {_shorten(line)}."
            )


def _read_lines(path: Path, member: str = "") -> Iterator[tuple[int, str]]:
    """Yields (number, text without its line end), the numbers counting from 1."""
    number = 0
    with _open(path, member) as file:
        while line := _read_line(file, path, number + 1):
            number += 1
            yield number, _decode(line, path, number)
    if not number:
        raise UserError(f"{path} is empty: expected a pair of sentences in each line.")


def _read_line(file: "IO[bytes] | _Utf16Lines", path: Path, number: int) -> bytes:
    try:
        line = file.readline(MAX_LINE_BYTES + 1)
    except (*_READ_ERRORS, UnicodeDecodeError) as error:
        raise UserError(f"{path}, line {number}: cannot read it: {error}.") from None
    if len(line) > MAX_LINE_BYTES:
        raise UserError(
            f"{path}, line {number}: longer than {MAX_LINE_BYTES} bytes. "
            "Expected one sentence a line."
        )
    return line


def _decode(line: bytes, path: Path, number: int) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x} in "
            f"column {error.start + 1}). Convert the file to UTF-8."
        ) from None
    if number == 1:
        text = text.removeprefix("\ufeff")
    return text.removesuffix("\n").removesuffix("\r")


@contextmanager
def _open(path: Path, member: str) -> Iterator["IO[bytes] | _Utf16Lines"]:
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                with archive.open(_find_member(archive, path, member)) as file:
                    yield file
            return
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == _ZIP_MARK:
                raise UserError(
                    f"{path} is a spreadsheet or an archive, and no text. Save the two "
                    "columns of sentences as text with tabs."
                )
            yield _Utf16Lines(file) if start[:2] in _UTF16_MARKS else file
    except (*_READ_ERRORS, NotImplementedError) as error:
        raise UserError(f"cannot read {path}: {error}.") from None


class _Utf16Lines:
    """Lines of a file in UTF-16, whose byte order mark tells which, in UTF-8."""

    def __init__(self, file: IO[bytes]):
        self._file = io.TextIOWrapper(file, "utf-16", newline="\n")

    def readline(self, size: int) -> bytes:
        return self._file.readline(size).encode()


def _find_member(archive: zipfile.ZipFile, path: Path, member: str) -> zipfile.ZipInfo:
    """Returns the text to read. It is streamed, never unpacked to a path of its own
    choosing, so names such as `../x` have no effect."""
    texts = [
        info
        for info in archive.infolist()
        if (info.filename == member if member else _looks_like_text(info.filename))
    ]
    if len(texts) != 1:
        names = ", ".join(info.filename for info in texts) or "none"
        raise UserError(
            f"{path}: expected one text {member or '(.txt or .tsv)'} inside. "
            f"Received: {_shorten(names)}."
        )
    info = texts[0]
    if stat.S_ISLNK(info.external_attr >> 16) or info.is_dir():
        raise UserError(f"{path}: {info.filename} is not a plain file.")
    if info.flag_bits & 1:
        raise UserError(f"{path}: {info.filename} is encrypted. Unpack it yourself.")
    # `zipfile` stops at the size stated here, so a false one cannot let more through.
    limit = min(MAX_MEMBER_BYTES, MAX_COMPRESSION * max(info.compress_size, 1))
    if info.file_size > limit:
        raise UserError(
            f"{path}: {info.filename} unpacks to {info.file_size} bytes, more than "
            f"the {limit} that are plausible for text."
        )
    return info


def _looks_like_text(name: str) -> bool:
    path = Path(name)
    hidden = any(part.startswith(("_", ".")) for part in path.parts)
    return path.suffix in (".txt", ".tsv") and not hidden


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
