"""Subtitles (.srt): what is said is translated; numbers, times and tags stay."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from translator.files.lines import Kept, Part, has_letters, one_line, split_end

_TIME = re.compile(r"\s*\d+:\d\d:\d\d[,.]\d+\s*-->")
_TAG = r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}"  # <i>, </font>, {\an8}
_TAGS = re.compile(_TAG)
_SPEAKER = re.compile(rf"(?:{_TAG}|\s)*[-–—]")
# Tags, and the dash before what somebody says.
_PIECE = re.compile(rf"({_TAG}|(?:^|(?<=[>}}]))\s*[-–—]\s*)")
# A tag that ends with a line and goes on with the next.
_REOPENED = re.compile(r"</(\w+)>(\s+)<\1>")
_WORD = re.compile(rf"(?:{_TAG}|\S)+")


def read_subtitles(lines: Iterable[str]) -> Iterator[Part]:
    """Yields what is said, one person's lines together, and all between.

    Lines that begin with a dash are of different people. Blank lines and times end
    what is said; the number before a time belongs to it.
    """
    said: list[str] = []
    for line in lines:
        is_time = bool(_TIME.match(line))
        if line.strip() and not is_time:
            said.append(line)
            continue
        has_number = is_time and said and said[-1].strip().isdigit()
        number = said.pop() if has_number else ""
        yield from _speeches(said)
        said = []
        yield Kept(number + line)
    yield from _speeches(said)


def _speeches(lines: list[str]) -> Iterator[Part]:
    starts = [n for n, line in enumerate(lines) if n and _SPEAKER.match(line)]
    for start, end in zip([0, *starts], [*starts, len(lines)], strict=True):
        if lines:
            yield _Speech(lines[start:end])


@dataclass(frozen=True)
class _Speech:
    """Lines of one person, as they stand in the file."""

    lines: list[str]

    @property
    def texts(self) -> Sequence[str]:
        return [piece for piece in self._pieces() if _is_text(piece)]

    def join(self, translations: Sequence[str]) -> str:
        if list(translations) == self.texts:
            return "".join(self.lines)
        remaining = iter(translations)
        pieces = [
            one_line(next(remaining)) if _is_text(piece) else piece
            for piece in self._pieces()
        ]
        wrapped = wrap("".join(pieces), len(self.lines))
        ends = [split_end(line)[1] for line in self.lines]
        ends = [*ends[: len(wrapped) - 1], ends[-1]]
        return "".join(map("".join, zip(wrapped, ends, strict=True)))

    def _pieces(self) -> list[str]:
        """All in one line, cut at its tags."""
        line = ""
        for own in map(str.strip, self.lines):
            line += own if _is_wide(line[-1:]) and _is_wide(own[:1]) else f" {own}"
        line = line.strip()
        return [piece for piece in _PIECE.split(_REOPENED.sub(r"\2", line)) if piece]


def _is_wide(character: str) -> bool:
    """Whether it is one of Chinese or Japanese, that have no spaces between words."""
    return bool(character) and east_asian_width(character) in "WF"


def _is_text(piece: str) -> bool:
    return not _TAGS.fullmatch(piece) and has_letters(piece)


def wrap(text: str, num_lines: int) -> list[str]:
    """Breaks a text at spaces into lines of about one length; tags have none.

    Returns:
        So many lines, or fewer if there are fewer words; at least one.

    Example:
        >>> wrap("<i>I do not know where he is.</i>", 2)
        ['<i>I do not know', 'where he is.</i>']
    """
    words = _WORD.findall(text)
    lengths = [len(_TAGS.sub("", word)) + 1 for word in words]
    lines, start, remaining = [], 0, sum(lengths)
    while num_lines > 1 and len(words) - start > 1:
        goal = remaining / num_lines
        end, length = start + 1, lengths[start]
        # Another word, if the line's end then is nearer to where it should be.
        most = len(words) - num_lines + 1
        while end < most and length + lengths[end] / 2 <= goal:
            length += lengths[end]
            end += 1
        lines.append(" ".join(words[start:end]))
        start, remaining, num_lines = end, remaining - length, num_lines - 1
    return [*lines, " ".join(words[start:])]
