"""HTML as texts to translate, and the tags around and inside of them, which stay.

A block, such as a paragraph, is translated as one text, without the tags inside of it.
Then each is put around the words that come from those it stood around, as the attention
tells: see `alignment`.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from translator.alignment import link_words, words_of
from translator.translations import SentenceTranslation, Translation

# A comment, a tag (whose quoted values may hold >), or the text up to the next one.
_PART = re.compile(
    r"<!--.*?(?:-->|$)|<[!/?a-zA-Z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>|<|[^<]+", re.DOTALL
)
_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)(.*)>$", re.DOTALL)
_KEPT_TAGS = frozenset(("script", "style", "code", "pre", "kbd", "samp", "textarea"))
_KEPT_ATTRIBUTE = re.compile(
    r"(?<![\w-])(?:translate\s*=\s*[\"']?no\b"
    r"|class\s*=\s*(?:[\"'][^\"']*\bnotranslate\b|notranslate\b))",
    re.IGNORECASE,
)
_SPACE_OR_QUOTE = re.compile(r"[\s\"']")
_VOID_TAGS = frozenset(
    "area base br col embed hr img input link meta source track wbr".split()
)
# What stands inside of a sentence; all others are its ends.
_INLINE_TAGS = frozenset(
    "a abbr b bdi bdo big cite code data del dfn em font i img ins kbd label mark q s "
    "samp small span strike strong sub sup time tt u var wbr".split()
)
# Characters of what is kept inside of a sentence; more is no name or word.
_LONGEST_KEPT = 40
_WORD = re.compile(r"[^\W_]+")
_BETWEEN_SPACES = re.compile(r"\S+")
# A line end in HTML is a space.
_LINE_END = re.compile(r"(?<![ \t])[ \t]*[\r\n]\s*")
# Words of one translation with at most so many others in between belong together.
_LARGEST_GAP = 1
# Tags inside of one block; more are no text that somebody wrote.
_MOST_TAGS = 100


class Span(NamedTuple):
    """A pair of tags in a block, around characters `start` to `end` of its text, or a
    tag that has no partner, such as an image.

    Attributes:
        start: Of the text.
        end: Of the text.
        opening: The tag.
        closing: Its partner.
        kept: What stands between them, where it is not to be translated.
    """

    start: int
    end: int
    opening: str
    closing: str
    kept: str = ""


class Block(NamedTuple):
    """A text that no tag ends, and the tags inside of it.

    Attributes:
        text: Character references resolved, line ends made spaces.
        spans: In the order of their opening tags.
        items: Texts and tags as they came, the texts in even places.
    """

    text: str
    spans: list[Span]
    items: list[str]


class Markup(NamedTuple):
    """HTML, cut into blocks and what stays as it is."""

    parts: list[str | Block]

    @property
    def blocks(self) -> list[Block]:
        return [part for part in self.parts if isinstance(part, Block)]

    def join(self, rendered: Sequence[str]) -> str:
        """Returns the HTML with other HTML in the place of each block."""
        remaining = iter(rendered)
        return "".join(
            next(remaining) if isinstance(part, Block) else part for part in self.parts
        )


def split_markup(text: str) -> Markup:
    """Cuts HTML into blocks.

    Comments, white space alone, and what is inside of code, scripts, styles,
    `translate="no"` and `class="notranslate"` stay as they are; a few words of them
    may stand inside of a sentence.

    Example:
        >>> [block] = split_markup("<p>Salt &amp; <b>bread</b></p>").blocks
        >>> block.text, block.spans[0][:4]
        ('Salt & bread', (7, 12, '<b>', '</b>'))
    """
    parts: list[str | Block] = []
    items = [""]  # of the block that is not complete yet
    open_tags = _OpenTags()
    found = _PART.findall(text)
    last_kept = -1  # of the part of a sentence that is kept
    for place, part in enumerate(found):
        is_tag = part.startswith("<")
        is_kept = open_tags.is_kept
        name = open_tags.follow(part) if is_tag else ""
        if (
            not is_kept
            and open_tags.is_kept
            and _is_few_words(found[place : place + 3])
        ):
            last_kept = place + 2
        is_kept = (is_kept or open_tags.is_kept) and place > last_kept
        if is_kept or (is_tag and name not in _INLINE_TAGS):
            parts += _blocks_of(items)
            parts.append(part)
            items = [""]
        elif is_tag:
            items += part, ""
        else:
            items[-1] = part
    return Markup([*parts, *_blocks_of(items)])


def _is_few_words(parts: list[str]) -> bool:
    """Whether some parts are a pair of tags that may stand inside of a sentence, around
    a few words."""
    if len(parts) < 3 or parts[1].startswith("<") or not _TAG.match(parts[2]):
        return False
    is_end, name = _kind_of(parts[2])
    is_pair = is_end and name == _kind_of(parts[0])[1] and name in _INLINE_TAGS
    return is_pair and len(parts[1]) <= _LONGEST_KEPT and _has_words(_text_of(parts[1]))


def _blocks_of(items: list[str]) -> Iterator[str | Block]:
    """Yields what stands between two tags that end a block: as one, but cut at tags
    without a partner, and with too many tags at all of them."""
    if not any(_is_translated(items, place) for place in range(0, len(items), 2)):
        yield "".join(items)
        return
    tags = items[1::2]
    cuts = _unpaired(tags) if len(tags) <= _MOST_TAGS else range(len(tags))
    if cuts:
        start = 0
        for place in cuts:
            yield from _blocks_of(items[2 * start : 2 * place + 1])
            yield tags[place]
            start = place + 1
        yield from _blocks_of(items[2 * start :])
        return
    start = items[0][: len(items[0]) - len(items[0].lstrip())]
    items = [items[0].lstrip(), *items[1:]]
    end = items[-1][len(items[-1].rstrip()) :]
    items[-1] = items[-1].rstrip()
    yield start
    yield Block("".join(map(_text_of, items[::2])), _spans(items), items)
    yield end


def _is_translated(items: list[str], place: int) -> bool:
    """Whether an item of a block is a text with words, and not one that is kept."""
    if place % 2 or (place and _keeps(items[place - 1])):
        return False
    return _has_words(_unescape(items[place]))


def _keeps(tag: str) -> bool:
    """Whether what stands behind a tag is not to be translated."""
    is_end, name, rest = _TAG.match(tag).groups()
    is_kept = name.lower() in _KEPT_TAGS or _KEPT_ATTRIBUTE.search(rest)
    return not is_end and bool(is_kept)


def _text_of(item: str) -> str:
    return _LINE_END.sub(" ", _unescape(item))


def _unescape(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character's number with thousands of digits
        return text


def _unpaired(tags: list[str]) -> list[int]:
    """Returns the places of opening and closing tags without a partner."""
    found: list[int] = []
    open_tags: list[tuple[str, int]] = []  # name and place
    for place, (is_end, name) in enumerate(map(_kind_of, tags)):
        if name in _VOID_TAGS:
            continue
        if not is_end:
            open_tags.append((name, place))
        elif name in (own for own, _ in open_tags):
            while open_tags[-1][0] != name:
                found.append(open_tags.pop()[1])
            open_tags.pop()
        else:
            found.append(place)
    return sorted([*found, *(place for _, place in open_tags)])


def _kind_of(tag: str) -> tuple[bool, str]:
    """Returns whether a tag is a closing one, and its name."""
    is_end, name, _ = _TAG.match(tag).groups()
    return bool(is_end), name.lower()


def _spans(items: list[str]) -> list[Span]:
    """Returns the tags of a block, as pairs; none lacks a partner that it needs."""
    spans: list[Span] = []
    open_places: list[int] = []
    position = 0
    for place in range(1, len(items), 2):
        position += len(_text_of(items[place - 1]))
        tag = items[place]
        is_end, name = _kind_of(tag)
        if is_end:
            own = open_places.pop()
            spans[own] = spans[own]._replace(end=position, closing=tag)
            continue
        if name not in _VOID_TAGS:
            open_places.append(len(spans))
        kept = items[place + 1] if _keeps(tag) else ""
        spans.append(Span(position, position, tag, "", kept))
    return spans


class _OpenTags:
    """The tags that are open at a place, and whether what is inside of them is kept."""

    def __init__(self):
        self._tags: list[tuple[str, bool]] = []  # name, and whether its content is kept
        self._counts: Counter[str] = Counter()

    @property
    def is_kept(self) -> bool:
        return bool(self._tags) and self._tags[-1][1]

    def follow(self, tag: str) -> str:
        """Notes that a tag was opened or closed; returns its name, if it has one."""
        found = _TAG.match(tag)
        if not found:
            return ""
        is_end, name, rest = bool(found[1]), found[2].lower(), found[3]
        if is_end:
            # One that was never opened is not looked for: with many that takes long.
            while self._counts[name]:
                last, _ = self._tags.pop()
                self._counts[last] -= 1
                if last == name:
                    break
        elif name in _VOID_TAGS:
            return name
        elif rest.endswith("/") and not _ends_in_value(rest):
            return ""
        else:
            self._tags.append((name, self.is_kept or _keeps(tag)))
            self._counts[name] += 1
        return name


def _ends_in_value(attributes: str) -> bool:
    """Whether the last of a tag's attributes has a value without quotes, such as an
    address: a slash at its end is of that."""
    last = _SPACE_OR_QUOTE.split(attributes)[-1]
    before = attributes[: len(attributes) - len(last)]
    return "=" in last[:-1] or before.rstrip().endswith("=")


# ---- the tags of a block around the words of its translation


def pieces_of(block: Block) -> list[str]:
    """Returns the texts between a block's tags, to translate them one by one."""
    return [
        _text_of(item)
        for place, item in enumerate(block.items)
        if _is_translated(block.items, place)
    ]


def join_pieces(block: Block, translations: Sequence[str]) -> str:
    """Returns a block's HTML with each of its `pieces_of` translated by itself."""
    remaining = iter(translations)
    return "".join(
        html.escape(next(remaining), quote=False)
        if _is_translated(block.items, place)
        else item
        for place, item in enumerate(block.items)
    )


def place_tags(block: Block, translation: Translation) -> str | None:
    """Returns the HTML of a block's translation, its tags around the words that come
    from those they stood around.

    None if that is not known, or two tags would cross: then the texts between them have
    to be translated one by one.
    """
    if not block.spans:
        return html.escape(translation.text, quote=False)
    if translation.source_text != block.text:  # it was not printable
        return None
    for largest_gap in (_LARGEST_GAP, 0):
        places = _Places(translation, largest_gap)
        ranges = [places.find(span.start, span.end) for span in block.spans]
        ranges = [
            _range_of_kept(block.text, span, translation.text, own)
            if own and span.kept
            else own
            for span, own in zip(block.spans, ranges, strict=True)
        ]
        if None in ranges:
            return None
        # At first only what was inside of others may be.
        may_nest = not largest_gap
        rendered = _render(translation.text, block.spans, ranges, may_nest)
        if rendered is not None:
            return rendered
    return None


class _Places:
    """Where the parts of a text are in its translation.

    Args:
        translation: Of the text.
        largest_gap: Words of other origin that may stand among those of one part.
    """

    def __init__(self, translation: Translation, largest_gap: int):
        self._translation = translation
        self._largest_gap = largest_gap
        # Of each sentence: where it begins, and where its translation does.
        self._sentences: list[tuple[SentenceTranslation, int, int]] = []
        source_start = target_start = 0
        for sentence in translation.sentences:
            source, target = sentence.source_text, sentence.hypotheses[0].text
            source_start = translation.source_text.index(source, source_start)
            target_start = translation.text.index(target, target_start)
            self._sentences.append((sentence, source_start, target_start))
            source_start += len(source)
            target_start += len(target)

    def find(self, start: int, end: int) -> tuple[int, int] | None:
        """Maps a range of the text to one of its translation; one without a word to the
        point before the next word. None if that is not known."""
        text = self._translation.source_text
        if not _has_words(text[start:end]):
            word = _WORD.search(text, end)
            if not word:
                return (len(self._translation.text),) * 2
            found = self.find(*word.span())
            return found and (found[0], found[0])
        found = []
        for sentence, source_start, target_start in self._sentences:
            first = max(start - source_start, 0)
            last = max(min(end - source_start, len(sentence.source_text)), 0)
            if _has_words(sentence.source_text[first:last]):
                own = self._find_in_sentence(sentence, first, last)
                if own is None:
                    return None
                found.append((target_start + own[0], target_start + own[1]))
        return min(own[0] for own in found), max(own[1] for own in found)

    def _find_in_sentence(
        self, sentence: SentenceTranslation, first: int, last: int
    ) -> tuple[int, int] | None:
        source, target = sentence.source_text, sentence.hypotheses[0].text
        start, end = 0, len(target)
        if _has_words(source[:first] + source[last:]):
            links = link_words(sentence)
            if links is None:
                return None
            words = [
                place
                for place, word in enumerate(_BETWEEN_SPACES.finditer(source))
                if _has_words(source[max(word.start(), first) : min(word.end(), last)])
            ]
            [own] = np.isin(links.argmax(axis=1), words).nonzero()
            if not len(own):  # then the word that comes from them more than others do
                own = [links[:, words].sum(axis=1).argmax()]
            run = _longest_run([*own], self._largest_gap)
            target_words = words_of(target)
            start, end = target_words[run[0]][0], target_words[run[-1]][1]
        # Marks at the end come along if one was inside; and so do those in front, as ¿
        # belongs to ?.
        inside = source[first:last].strip()
        if not inside[-1].isalnum() or not _has_words(target[start:end]):
            return start, end
        while not target[end - 1].isalnum():
            end -= 1
        while inside[0].isalnum() and not target[start].isalnum():
            start += 1
        return start, end


def _range_of_kept(
    source: str, span: Span, target: str, words: tuple[int, int]
) -> tuple[int, int] | None:
    """Returns where exactly, within some words, what is kept is to be; None if that is
    not known, as they also come from what is glued to it."""
    inside = source[span.start : span.end]
    place = target.find(inside, *words)
    if place >= 0:
        return place, place + len(inside)
    before = re.search(r"\S*$", source[: span.start])[0]
    after = re.match(r"\S*", source[span.end :])[0]
    is_word = inside[0].isalnum() and inside[-1].isalnum()
    return words if is_word and not _has_words(before + after) else None


def _has_words(text: str) -> bool:
    return any(map(str.isalnum, text))


def _longest_run(places: list[int], largest_gap: int) -> list[int]:
    """Returns those of some ascending places that stand together, the most of them."""
    runs = [places[:1]]
    for before, place in pairwise(places):
        if place - before > 1 + largest_gap:
            runs.append([])
        runs[-1].append(place)
    return max(runs, key=len)


def _render(
    text: str,
    spans: Sequence[Span],
    ranges: Sequence[tuple[int, int]],
    may_nest: bool,
) -> str | None:
    """Puts tags around ranges of a text; None if two would cross.

    Args:
        text: The text.
        spans: The tags.
        ranges: Of each.
        may_nest: Whether a tag may get into one that it was not inside of.
    """
    ranges = [*ranges]
    parents = [_parent_of(place, spans) for place in range(len(spans))]
    # A tag goes around all that was inside of it: from the innermost on.
    for place in reversed(range(len(spans))):
        if (parent := parents[place]) is not None:
            (start, end), (first, last) = ranges[parent], ranges[place]
            ranges[parent] = min(start, first), max(end, last)
    # The outer one first; of two around the same words, the one that was opened first.
    order = sorted(range(len(spans)), key=lambda i: (ranges[i][0], -ranges[i][1], i))
    pieces, open_places, position = [], [], 0

    def close_until(end: int) -> None:
        nonlocal position
        while open_places and ranges[open_places[-1]][1] <= end:
            place = open_places.pop()
            pieces.append(html.escape(text[position : ranges[place][1]], quote=False))
            pieces.append(spans[place].closing)
            position = ranges[place][1]

    for place in order:
        start, end = ranges[place]
        close_until(start if end > start else start - 1)
        if open_places and ranges[open_places[-1]][1] < end:
            return None
        if open_places and open_places[-1] != parents[place] and end > start:
            if not may_nest:
                return None
        if start < position:  # inside of what is kept
            return None
        pieces.append(html.escape(text[position:start], quote=False))
        pieces.append(spans[place].opening)
        position = start
        if kept := spans[place].kept:
            pieces += kept, spans[place].closing
            position = end
        else:
            open_places.append(place)
    close_until(len(text))
    pieces.append(html.escape(text[position:], quote=False))
    return "".join(pieces)


def _parent_of(place: int, spans: Sequence[Span]) -> int | None:
    """Returns the innermost span around another one."""
    start, end, *_ = spans[place]
    around = [
        i for i in range(place) if spans[i].start <= start and end <= spans[i].end
    ]
    return around[-1] if around else None
