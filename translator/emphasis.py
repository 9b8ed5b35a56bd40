"""Markdown inside of a sentence: marks around words, and links.

Corpora hold none of it, so a network makes a mess of it. It is taken out of a sentence,
and put around those words of the translation that come from the ones that it stood
around, as attention tells: see `alignment`.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from translator.alignment import words_of

# **words**, *words*, ~~words~~, with others inside; _some words_, as _one_ is a name in
# a program; a link or an image.
_MARKED = re.compile(
    r"(?P<before>(?:^|\s)[(\"'“«¿¡]*)(?:"  # at the start of a word
    r"(?P<link>!?\[)(?P<shown>[^\[\]]{0,200}\w[^\[\]]{0,200})(?P<address>\]\([^\s()]+\))"
    r"|(?P<mark>\*{1,3}|~~)(?=[^\s*~])"
    r"(?P<words>(?:(?!(?P=mark)).){1,200}(?<!\s))(?P=mark)(?![\w*~])"
    r"|(?P<line>__|_)(?=[^\s_])(?P<some>[^_]{1,100} [^_]{0,100}[^\s_])(?P=line)(?!\w)"
    r")"
)
_ANY_MARK = re.compile(r"\]\([^\s()]*\)?|!?\[|\*+|~~|\b_|_\b")
_LETTERS = re.compile(r"\w(?:.*\w)?", re.DOTALL)
# Words of a translation with at most so many others in between belong together.
_LARGEST_GAP = 1


class Mark(NamedTuple):
    """A pair of marks around words of a sentence.

    Fields:
        opening: Before the first of them.
        closing: Behind the last one.
        first: Place of the first word, of those between spaces.
        last: Place of the last one.
        with_before: Whether the first has signs in front of its letters that are
            inside.
        with_after: Whether the last has some behind its letters.
    """

    opening: str
    closing: str
    first: int
    last: int
    with_before: bool = False
    with_after: bool = False


def take_marks(sentence: str) -> tuple[str, list[Mark]]:
    """Returns a sentence without the marks inside of it, and these, the outer first.

    Example:
        >>> plain, [mark] = take_marks("The **red** house")
        >>> plain, mark.opening, mark.first
        ('The red house', '**', 1)
    """
    plain, spans = _take(sentence)
    starts = [word.start() for word in re.finditer(r"\S+", plain)]
    return plain, [
        Mark(
            opening,
            closing,
            *(max(0, bisect_right(starts, place) - 1) for place in span),
            *(not plain[place].isalnum() for place in span),
        )
        for opening, closing, *span in spans
    ]


def _take(text: str) -> tuple[str, list[tuple[str, str, int, int]]]:
    """Returns a text without marks, and the first and the last character of each."""
    plain, spans, end = "", [], 0
    for found in _MARKED.finditer(text):
        plain += text[end : found.end("before")]
        opening = found["link"] or found["mark"] or found["line"]
        inner, own = _take(found["shown"] or found["words"] or found["some"])
        own = [(opening, found["address"] or opening, 0, len(inner) - 1), *own]
        start = len(plain)
        spans += [(*marks, start + first, start + last) for *marks, first, last in own]
        plain += inner
        end = found.end()
    return plain + text[end:], spans


def drop_marks(beginning: str) -> str:
    """Returns the beginning of a translation without marks, whole or not."""
    return _ANY_MARK.sub("", beginning)


def put_marks(text: str, marks: Sequence[Mark], links: np.ndarray | None) -> str:
    """Returns a translation with the marks around its words.

    Args:
        text: The translation.
        marks: Of `take_marks`.
        links: Of `alignment.link_words`. Without them, or where no word comes from
            those that a mark stood around, emphasis is lost, and of a link its address
            stands at the end.
    """
    words = words_of(text)
    origins = None if links is None else links.argmax(axis=1)
    inserted: list[tuple[int, int, str]] = []
    at_end = []
    for rank, mark in enumerate(marks):
        run = _words_from(origins, mark)
        if not run:
            if mark.closing.startswith("]"):
                at_end.append(f" {mark.closing[1:]}")
            continue
        start, end = words[run[0]][0], words[run[-1]][1]
        if letters := _LETTERS.search(text[start:end]):  # seldom around a full stop
            end = end if mark.with_after else start + letters.end()
            start = start if mark.with_before else start + letters.start()
        inserted += (start, rank, mark.opening), (end, -rank, mark.closing)
    pieces, place = [], 0
    for position, _, piece in sorted(inserted):
        pieces += text[place:position], piece
        place = position
    return "".join((*pieces, text[place:], *at_end))


def _words_from(origins: np.ndarray | None, mark: Mark) -> list[int]:
    """Returns the longest run of words that come from those of a mark."""
    if origins is None:
        return []
    places = [
        place
        for place, origin in enumerate(origins.tolist())
        if mark.first <= origin <= mark.last
    ]
    number = 0
    runs: dict[int, list[int]] = {}
    for place, previous in zip(places, [None, *places], strict=False):
        if previous is not None and place - previous > 1 + _LARGEST_GAP:
            number += 1
        runs.setdefault(number, []).append(place)
    return max(runs.values(), key=len, default=[])
