"""The parts of a file: lines of text, and what stays as it is.

A part has `texts`, what to translate of it, and `join(translations)`, which returns
what to write in its place.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Part(Protocol):
    """A part of a file."""

    @property
    def texts(self) -> Sequence[str]: ...

    def join(self, translations: Sequence[str]) -> str: ...


class Kept(NamedTuple):
    """A part without anything to translate."""

    raw: str

    @property
    def texts(self) -> Sequence[str]:
        return ()

    def join(self, translations: Sequence[str]) -> str:
        return self.raw


@dataclass(frozen=True)
class Line:
    """A line of text, and how it ends."""

    text: str
    end: str

    @property
    def texts(self) -> Sequence[str]:
        return (self.text,)

    def join(self, translations: Sequence[str]) -> str:
        [translation] = translations
        return one_line(translation) + self.end


def read_text(lines: Iterable[str]) -> Iterator[Part]:
    """Yields each line; blank ones are kept."""
    for line in lines:
        yield Line(*split_end(line)) if line.strip() else Kept(line)


def split_end(line: str) -> tuple[str, str]:
    """Cuts a line into what it says and its line end.

    Example:
        >>> split_end("Hello\\r\\n")
        ('Hello', '\\r\\n')
    """
    text = line.rstrip("\r\n")
    return text, line[len(text) :]


def one_line(text: str) -> str:
    """Returns a text that no reader of lines takes for two."""
    return re.sub(r"[\r\n]+", " ", text)


def has_letters(text: str) -> bool:
    """Whether a text holds a letter of any script: numbers need no translation."""
    return any(map(str.isalpha, text))
