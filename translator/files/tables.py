"""Tables (.csv, .tsv): cells are translated; delimiters, quotes and line ends stay.

CSV is read as RFC 4180 has it: a cell may stand in quotes, a quote in it is doubled,
and it may then hold delimiters and line ends. The delimiter is a comma, semicolon, tab
or bar. Quotes within a cell that does not begin with one are characters like others.
TSV knows no quotes.

A cell that a spreadsheet would take for a formula gets an apostrophe, whether it was
translated or not: see `defuse_formula`. One that begins with = is not translated.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from translator.errors import UserError
from translator.files.lines import Kept, Part, has_letters, split_end

# Semicolons are rarer in text than commas: they say more when all rows have as many. No
# spreadsheet tries the others by itself.
_DELIMITERS = ";,\t|"
# Lines from which the form of a table is guessed.
NUM_SAMPLE_LINES = 50
# Cells of a row: as many as Excel takes. And columns by which a header is known.
_MOST_CELLS = 16_384
_MOST_COMPARED = 1_000
_SEPARATOR_LINE = re.compile(r"sep=([^\"\r\n])[\r\n]*")  # as Excel writes it
_QUOTED = re.compile(r'[^"]*(?:""[^"]*)*')
_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
# What begins a formula, full-width characters included; +34 (0) 600-12 does not.
_FORMULA = re.compile(r"\s*(?:[=@＝＠]|[+\-＋－](?![\d\s.,:()%/+-]*$))")


def defuse_formula(text: str) -> str:
    """Returns a cell's text so that no spreadsheet runs it.

    With an apostrophe before it if it begins with = or @, or with + or - and is not a
    number of any kind. Source: OWASP, "CSV Injection".

    Example:
        >>> defuse_formula("=HYPERLINK(A1)"), defuse_formula("-12.5")
        ("'=HYPERLINK(A1)", '-12.5')
    """
    # Quotes before it are no part of it to a program that reads them as a cell's.
    return f"'{text}" if _FORMULA.match(text.lstrip('" ')) else text


@dataclass(frozen=True)
class _Cell:
    """A cell as it stands in the file, and what it says."""

    raw: str
    text: str

    @property
    def is_quoted(self) -> bool:
        return self.raw != self.text


@dataclass(frozen=True)
class Table:
    """The form of a table.

    Attributes:
        delimiter: Between two cells.
        has_quotes: Whether a cell may stand in quotes.
        has_header: Whether the first row has the columns' names, which stay.
        has_separator_line: Whether a line such as `sep=;` stands before it.
        column: Place of the only column to translate, from 0; None: all with letters.
    """

    delimiter: str
    has_quotes: bool
    has_header: bool
    has_separator_line: bool = False
    column: int | None = None

    @classmethod
    def guess(
        cls,
        sample: Sequence[str],
        has_quotes: bool,
        column: str = "",
        has_header: bool | None = None,
    ) -> "Table":
        """Guesses the form of a table.

        Args:
            sample: Its first lines.
            has_quotes: Whether it is CSV; TSV has tabs and no quotes.
            column: The only one to translate: its name, or its number from 1.
            has_header: Default: whether the first row looks like one.

        Raises:
            UserError: There is no such column.
        """
        separator = _SEPARATOR_LINE.fullmatch(sample[0]) if sample else None
        if has_quotes and separator:
            delimiter = separator[1]
            sample = sample[1:]
        else:
            delimiter = _guess_delimiter(sample) if has_quotes else "\t"
        rows = _sample_rows(sample, delimiter, has_quotes)
        if has_header is None:
            has_header = bool(column) and column in rows[0] or _has_header(rows)
        return cls(
            delimiter,
            has_quotes,
            has_header,
            bool(has_quotes and separator),
            _find_column(column, rows, has_header) if column else None,
        )

    def read(self, lines: Iterable[str]) -> Iterator[Part]:
        """Yields the rows.

        Raises:
            UserError: A quoted cell without an end.
        """
        lines = iter(lines)
        if self.has_separator_line:
            yield Kept(next(lines))
        rows = _read_rows(lines, self.delimiter, self.has_quotes)
        is_before_header = self.has_header
        for cells, end in rows:
            chosen = [] if is_before_header else self._chosen(cells)
            yield _Row(self, cells, end, chosen)
            is_before_header &= not any(cell.text.strip() for cell in cells)

    def _chosen(self, cells: list[_Cell]) -> list[int]:
        places = range(len(cells)) if self.column is None else [self.column]
        return [n for n in places if n < len(cells) and _is_text(cells[n].text)]

    def write(self, cell: _Cell, text: str) -> str:
        """Returns a text as it may stand in the file, in place of what a cell said."""
        text = defuse_formula(text)
        if text == cell.text:
            return cell.raw
        if not self.has_quotes:
            return re.sub(r"[\t\r\n]+", " ", text)
        if cell.is_quoted or any(mark in text for mark in f'"\r\n{self.delimiter}'):
            return '"' + text.replace('"', '""') + '"'
        return text


@dataclass(frozen=True)
class _Row:
    """A row, and the places of the cells to translate."""

    table: Table
    cells: list[_Cell]
    end: str
    chosen: list[int]

    @property
    def texts(self) -> Sequence[str]:
        return [self.cells[place].text for place in self.chosen]

    def join(self, translations: Sequence[str]) -> str:
        texts = [cell.text for cell in self.cells]
        for place, translation in zip(self.chosen, translations, strict=True):
            texts[place] = translation
        cells = map(self.table.write, self.cells, texts)
        return self.table.delimiter.join(cells) + self.end


class _Reader:
    """Reads CSV, cell by cell.

    Args:
        lines: With their line ends.
        delimiter: Between two cells.
    """

    def __init__(self, lines: Iterable[str], delimiter: str):
        self._lines = iter(lines)
        self._delimiter = delimiter
        self._plain = re.compile(rf"[^\r\n{re.escape(delimiter)}]*")
        self._number = 0
        self._line = ""
        self._position = 0

    def rows(self) -> Iterator[tuple[list[_Cell], str]]:
        """Yields the cells and the line end of each row."""
        while self._next_line():
            cells = [self._cell()]
            while self._line.startswith(self._delimiter, self._position):
                self._position += 1
                cells.append(self._cell())
                _check_width(cells, self._number)
            yield cells, self._line[self._position :]

    def _next_line(self) -> bool:
        self._line = next(self._lines, "")
        self._number += 1
        self._position = 0
        return bool(self._line)

    def _cell(self) -> _Cell:
        is_quoted = self._line.startswith('"', self._position)
        quoted = self._quoted() if is_quoted else ""
        rest = self._plain.match(self._line, self._position)[0]
        self._position += len(rest)
        if quoted and not rest:
            return _Cell(quoted, quoted[1:-1].replace('""', '"'))
        return _Cell(quoted + rest, quoted + rest)

    def _quoted(self) -> str:
        """Reads from one quote to the other, over as many lines as that takes."""
        first, start = self._number, self._position
        self._position += 1
        parts = []
        while (end := _QUOTED.match(self._line, self._position).end()) == len(
            self._line
        ):
            parts.append(self._line[start:])
            start = 0
            if not self._next_line():
                raise UserError(
                    f"line {first}: a cell in quotes has no end. Close it, or double "
                    "the quotes that are part of a text."
                )
        self._position = end + 1
        return "".join([*parts, self._line[start : end + 1]])


def _read_rows(
    lines: Iterable[str], delimiter: str, has_quotes: bool
) -> Iterator[tuple[list[_Cell], str]]:
    """Yields the cells and the line end of each row."""
    if has_quotes:
        yield from _Reader(lines, delimiter).rows()
        return
    for number, line in enumerate(lines, 1):
        row, end = split_end(line)
        cells = [_Cell(text, text) for text in row.split(delimiter, _MOST_CELLS)]
        _check_width(cells, number)
        yield cells, end


def _check_width(cells: list[_Cell], number: int) -> None:
    if len(cells) > _MOST_CELLS:
        raise UserError(
            f"line {number} has more than {_MOST_CELLS:,} cells, which no spreadsheet "
            "takes. Is it a table?"
        )


def _sample_rows(
    sample: list[str], delimiter: str, has_quotes: bool
) -> list[list[str]]:
    """Returns the texts of all rows that are not blank, or else of one that is."""
    rows: list[list[str]] = []
    with suppress(UserError):  # the sample may end within a cell
        for cells, _ in _read_rows(sample, delimiter, has_quotes):
            rows.append([cell.text.strip() for cell in cells])
    return [row for row in rows if any(row)] or [[""]]


def _is_text(text: str) -> bool:
    return has_letters(text) and not text.lstrip().startswith("=")


def _guess_delimiter(sample: list[str]) -> str:
    """The character that gives most rows the same number of cells."""

    def agreement(delimiter: str) -> float:
        counts = Counter(map(len, _sample_rows(sample, delimiter, True)))
        most = max((counts[count] for count in counts if count > 1), default=0)
        return most / counts.total()

    agreements = {delimiter: agreement(delimiter) for delimiter in _DELIMITERS}
    best = max(agreements, key=agreements.__getitem__)
    return best if agreements[best] else ","


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row has names: in small letters, unlike other rows, or above
    a column of numbers.
    """
    names, *others = rows
    names = [name for name in names if name]
    if not others or not all(map(has_letters, names)):
        return False
    if _are_names(names) and not any(map(_are_names, others)):
        return True
    for place, name in enumerate(rows[0][:_MOST_COMPARED]):
        cells = [row[place] for row in others if len(row) > place and row[place]]
        if name and cells and not any(map(has_letters, cells)):
            return True
    return False


def _are_names(row: list[str]) -> bool:
    return all(_NAME.fullmatch(text) for text in row)


def _find_column(column: str, rows: list[list[str]], has_header: bool) -> int:
    names = rows[0] if has_header else []
    if column in names:
        return names.index(column)
    count = max(map(len, rows))
    if column.isdecimal() and 1 <= int(column) <= count:
        return int(column) - 1
    names = ", ".join(rows[0])
    names = names if len(names) <= 80 else f"{names[:77]}..."
    raise UserError(
        f"there is no column {column!r}. Choose one of: 1 to {count}, or {names}."
    )
