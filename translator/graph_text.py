r"""`text` as a TensorFlow graph: sentences and capitals for programs without Python.

Here RE2 does what Python's regular expressions do in `text`. It looks neither ahead nor
behind, and large classes of characters exceed its memory. So each text first gets a
shape: the same number of characters, but one character stands for all that Python's
methods say the same of. Patterns work on shapes, and lengths lead back to the text.

The answers are those of `text`, but for two rarities: small and capital letters are
those of TensorFlow's ICU, which may know other scripts than Python's tables do; and
abbreviations with ligatures, or of more than 23 characters, are told apart otherwise.

Shapes: B texts, P pieces of all texts, N sentences of all texts.
"""

import functools
import re
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

import tensorflow as tf

from translator.text import (
    BEFORE_NUMBERS,
    BULLET,
    CLOSING,
    CUT_PATTERNS,
    LINE_ENDS,
    MARKED,
    MARKS,
    MAX_SENTENCE_CHARACTERS,
    MAX_WRAPS,
    OPENING,
    TITLES,
    TURKIC_LANGUAGES,
    WIDE_MARKS,
    WITHOUT_CAPITALS,
    WRAP_PATTERNS,
    is_cased,
    is_combining,
    is_small,
    main_language,
)

# Between the pieces of a shape, which has no other such character.
_CUT = "\uffff"
_ABBREVIATIONS = "".join(TITLES | BEFORE_NUMBERS)
# What stands for itself in a shape, besides ASCII.
_KEPT = {
    *"".join(map(chr, range(128))),
    *(MARKS + CLOSING + OPENING + LINE_ENDS + "¿¡İı•–—" + "".join(CUT_PATTERNS)),
    *(_ABBREVIATIONS + _ABBREVIATIONS.upper()),
}


class SplitTexts(NamedTuple):
    """Texts in pieces: sentences, and what stands around them.

    Attributes:
        pieces: Strings, shape `(P,)`.
        rows: int64 `(P,)`: the number of the text that each is of.
        is_sentence: bool `(P,)`: whether it has a letter or a digit; then it has no
            white space at its ends.
        num_texts: int64, B.
        begins_cased, ends_cased: bool `(P,)`: see `text.is_cased`.
    """

    pieces: tf.Tensor
    rows: tf.Tensor
    is_sentence: tf.Tensor
    num_texts: tf.Tensor
    begins_cased: tf.Tensor
    ends_cased: tf.Tensor

    @property
    def sentences(self):
        """Strings, shape `(N,)`."""
        return tf.boolean_mask(self.pieces, self.is_sentence)

    def join(self, translations, gap=""):
        """Returns texts `(B,)` with a translation `(N,)` in each sentence's place, and
        a gap between two that nothing stands between."""
        places = tf.where(self.is_sentence)[:, 0]
        rows = tf.gather(self.rows, places)
        is_next = (places[1:] == places[:-1] + 1) & (rows[1:] == rows[:-1])
        ends, begins = (
            tf.gather(own, places) for own in (self.ends_cased, self.begins_cased)
        )
        is_next &= ~(ends[:-1] & begins[1:])
        gaps = tf.where(tf.pad(is_next, [[0, 1]]), gap, "")[: tf.size(places)]
        translations = tf.strings.join([translations, gaps])
        pieces = tf.tensor_scatter_nd_update(
            self.pieces, tf.where(self.is_sentence), translations
        )
        return tf.strings.unsorted_segment_join(pieces, self.rows, self.num_texts)

    def mean_scores(self, scores):
        """Returns texts' means `(B,)` of their sentences' scores `(N,)`; of none, 0."""
        rows = tf.boolean_mask(self.rows, self.is_sentence)
        return tf.math.unsorted_segment_mean(scores, rows, self.num_texts)


class Exchange(NamedTuple):
    """Which character stands for each.

    Attributes:
        starts: Code points where ranges begin, in their order.
        values: The code point that stands for all of each range.
    """

    starts: list[int]
    values: list[int]


def make_exchange(stand_in: Callable[[str], str]) -> Exchange:
    """Asks of every character which one stands for it."""
    starts, values = [], []
    for code in range(sys.maxunicode + 1):
        value = ord(stand_in(chr(code)))
        if not values or value != values[-1]:
            starts.append(code)
            values.append(value)
    return Exchange(starts, values)


def exchange(codes, table: Exchange):
    """Returns the texts `(B,)` of ragged code points, with other characters."""
    places = tf.searchsorted(table.starts, codes.flat_values, side="right") - 1
    return tf.strings.unicode_encode(
        codes.with_flat_values(tf.gather(table.values, places)), "UTF-8"
    )


def split_sentences(text, max_characters: int = MAX_SENTENCE_CHARACTERS) -> SplitTexts:
    """Cuts texts, valid UTF-8 of shape `(B,)`, as `text.split_sentences` does."""
    codes = tf.strings.unicode_decode(text, "UTF-8")  # (B, characters)
    shapes = _split(_cut_sentences(_shape(codes)))
    shapes = _split_further(shapes, _cut_long(shapes.values, max_characters))
    space = _characters(str.isspace)
    edges = _replace(shapes.values, f"^{space}+", rf"\0{_CUT}")
    shapes = _split_further(shapes, _replace(edges, f"{space}+$", rf"{_CUT}\0"))
    bullets = f"(?:{BULLET}{space}+)+"
    cut = _replace(shapes.values, f"^({bullets})", rf"\1{_CUT}")
    shapes = _split_further(shapes, cut)
    cased = _characters(is_cased)
    lengths = tf.strings.length(shapes.values, "UTF8_CHAR")
    pieces = tf.RaggedTensor.from_row_lengths(codes.values, lengths)
    return SplitTexts(
        tf.strings.unicode_encode(pieces, "UTF-8"),
        shapes.value_rowids(),
        _matches(shapes.values, f"(?s).*{_characters(str.isalnum)}.*")
        & ~_matches(shapes.values, f"{bullets}|{BULLET}"),
        shapes.nrows(),
        _matches(shapes.values, f"(?s){cased}.*"),
        _matches(shapes.values, f"(?s).*{cased}"),
    )


def unwrap(sentences):
    """Returns the marks before sentences `(N,)`, the sentences, and the marks behind
    them, as `text.unwrap` does."""
    nothing = tf.zeros_like(sentences)  # empty strings
    marked = tf.where(_matches(sentences, MARKED))

    def take_off():
        parts = _unwrap_marked(tf.gather_nd(sentences, marked))
        return tuple(
            tf.tensor_scatter_nd_update(whole, marked, part)
            for whole, part in zip((nothing, sentences, nothing), parts, strict=True)
        )

    is_any = tf.size(marked) > 0
    return tf.cond(is_any, take_off, lambda: (nothing, sentences, nothing))


def _unwrap_marked(sentences):
    """As `unwrap`, of those that begin or end with a mark."""
    before = after = tf.zeros_like(sentences)
    for _ in range(MAX_WRAPS):
        is_open = tf.ones_like(sentences, tf.bool)
        for pattern in WRAP_PATTERNS:
            is_own = is_open & tf.strings.regex_full_match(sentences, pattern)
            opening, inner, closing = (
                tf.where(is_own, _replace(sentences, f"^{pattern}$", group), default)
                for group, default in ((r"\1", ""), (r"\2", sentences), (r"\3", ""))
            )
            before, after = before + opening, closing + after
            sentences, is_open = inner, is_open & ~is_own
    return before, sentences, after


def fold_capitals(sentences, language: str = ""):
    """Folds sentences `(N,)` as `text.fold_capitals` does.

    Args:
        sentences: Valid UTF-8.
        language: Code of their language, if it is known.

    Returns:
        The sentences, and bool `(N,)`: whether each was all capitals.
    """
    shapes = _shape(tf.strings.unicode_decode(sentences, "UTF-8"))
    letter, space = _characters(str.isalpha), _characters(str.isspace)
    no_letter = _characters(lambda c: not c.isalpha())
    has_words = _matches(shapes, f"(?s).*{letter}.*{space}.*{letter}.*")
    capital = _characters(lambda c: c.isupper() or not c.isalpha())
    is_upper = has_words & _matches(shapes, f"{capital}*")
    has_many_words = _matches(shapes, f"(?s)(?:.*{letter}.*{space}){{3}}.*{letter}.*")
    before = _characters(lambda c: not c.isalpha() and not c.isspace())
    small = _characters(lambda c: c.isalpha() and not c.isupper())
    is_capitalized = ~_matches(shapes, f"(?s)(?:.*{space})?{before}*{small}.*")
    head = _replace(shapes, f"(?s)^({no_letter}*{letter}).*", r"\1")
    length = tf.strings.length(head, "UTF8_CHAR")
    head = tf.strings.substr(sentences, tf.zeros_like(length), length, "UTF8_CHAR")
    # ICU would take a NUL for the end; normalisation drops it anyway.
    rest = _replace(_drop(sentences, head), r"\x00", "")
    rest = _small_letters(rest, language)
    is_folded = is_upper | (has_many_words & is_capitalized)
    return tf.where(is_folded, tf.strings.join([head, rest]), sentences), is_upper


def capital_letters(texts, language: str = ""):
    """Returns texts in capitals, as `text.capital_letters` does."""
    language = main_language(language)
    if language in WITHOUT_CAPITALS:
        return texts
    if language in TURKIC_LANGUAGES:
        texts = _replace(texts, "i", "İ")
    return tf.strings.upper(texts, "utf-8")


def _small_letters(texts, language: str):
    if main_language(language) in TURKIC_LANGUAGES:
        texts = _replace(texts, "I", "ı")
    return tf.strings.lower(_replace(texts, "İ", "i"), "utf-8")


def _cut_sentences(shapes):
    """Puts cuts around line ends, and around the white space between sentences."""
    space = _characters(lambda c: c.isspace() and c not in LINE_ENDS)
    first = _characters(lambda c: _is_word(c) and not is_small(c))
    no_word = _characters(lambda c: not (_is_word(c) or is_combining(c) or c == "."))
    mark = _characters(is_combining)
    start = rf"[¿¡]|[{OPENING}]{{0,6}}{space}?{first}|[{OPENING}]{{7}}{first}"
    only_opening = _characters(
        lambda c: re.match(f"[{OPENING}]", c) and not re.match(f"[{CLOSING}]", c)
    )
    opened = (
        rf"{only_opening}[{OPENING}]{{0,5}}{space}?{first}"
        rf"|{only_opening}[{OPENING}]{{6}}{first}"
    )
    closing = f"[{CLOSING}]{{0,23}}"
    shapes = _replace(
        shapes, rf"([{MARKS}]{closing})({space}+(?:{start}))", rf"\1{_CUT}\2"
    )
    for end, start in (
        (f"[{WIDE_MARKS}]", rf"[¿¡]|{first}|{opened}"),
        (f"[{WIDE_MARKS}][{CLOSING}]", opened),
    ):
        shapes = _replace(shapes, f"({end})({start})", rf"\1{_CUT}\2")
    for words, after in _abbreviations():
        words = rf"((?:^|{_CUT}|{no_word}){mark}*(?:{words})\.{closing})"
        shapes = _replace(shapes, f"{words}{_CUT}({after})", r"\1\2")
    shapes = _replace(shapes, f"{_CUT}({space}+)", rf"{_CUT}\1{_CUT}")
    return _replace(shapes, f"[{LINE_ENDS}]+", rf"{_CUT}\0{_CUT}")


def _abbreviations() -> list[tuple[str, str]]:
    """Patterns of words whose full stop ends no sentence, and of what follows it."""
    space, digit = _characters(str.isspace), _marked(_characters(str.isdigit))
    letter = _marked(_characters(_is_letter))
    no_p = _marked(_characters(lambda c: _is_letter(c) and c not in "AaPp"))
    no_m = _marked(_characters(lambda c: _is_letter(c) and c not in "Mm"))
    dot = _marked(r"\.")
    words = (
        f"{digit}{{1,2}}",
        _marked(_characters(lambda c: _is_word(c) and c != "I")),
        # Letters with dots, but not "a.m" and "p.m".
        rf"{letter}{{1,2}}(?:{dot}{letter}{{1,2}}){{2,}}",
        rf"(?:{letter}{{2}}|{no_p}){dot}{letter}{{1,2}}",
        rf"{_marked('[AaPp]')}{dot}(?:{letter}{{2}}|{no_m})",
        _any_of(TITLES),
    )
    after = f"{space}+{_characters(str.isdigit)}"
    return [("|".join(words), ""), (_any_of(BEFORE_NUMBERS), after)]


def _any_of(words: Iterable[str]) -> str:
    """Pattern of any of some words, in small letters or capitals."""
    return f"(?i:{'|'.join(''.join(map(_marked, word)) for word in sorted(words))})"


def _marked(character: str) -> str:
    """Pattern of a character with any combining ones."""
    return f"(?:{character}{_characters(is_combining)}*)"


def _cut_long(shapes, limit: int):
    """Puts cuts into shapes `(P,)` that are longer than a sentence should be."""
    pattern = _best_cut()
    first = limit // 4  # characters that are not looked at: RE2 counts only to 1,000

    def is_long(remaining):
        return tf.strings.length(remaining, "UTF8_CHAR") > limit

    def cut_one(done, remaining):
        window = tf.strings.substr(remaining, 0, limit, "UTF8_CHAR")
        head = tf.strings.substr(window, 0, first, "UTF8_CHAR")
        tail = _replace(_drop(window, head), pattern, r"\1")
        head = tf.where(is_long(remaining), tf.strings.join([head, tail]), "")
        cut = tf.where(is_long(remaining), _CUT, "")
        rest = _drop(remaining, head)
        return tf.strings.join([done, head, cut]), rest

    done, remaining = tf.while_loop(
        lambda _, remaining: tf.reduce_any(is_long(remaining)),
        cut_one,
        (tf.fill(tf.shape(shapes), ""), shapes),
    )
    return tf.strings.join([done, remaining])


def _best_cut() -> str:
    """Pattern of a part of a long shape; its group is what to cut off."""
    space = _characters(str.isspace)
    kinds = [pattern.replace(r"\s", space) for pattern in CUT_PATTERNS]
    return f"(?s)^({'|'.join(f'.*(?:{kind})' for kind in kinds)}).*"


def _drop(text, head):
    """Returns what is behind a text's start."""
    length = tf.strings.length(text)
    return tf.strings.substr(text, tf.strings.length(head), length)


def _split(shapes):
    return tf.strings.split(shapes, _CUT)


def _split_further(pieces, shapes):
    """Splits the shapes that belong in the place of a ragged tensor's pieces."""
    return pieces.with_flat_values(_split(shapes)).merge_dims(1, 2)


def _replace(text, pattern: str, replacement: str):
    return tf.strings.regex_replace(text, pattern, replacement)


def _matches(text, pattern: str):
    return tf.strings.regex_full_match(text, pattern)


def _shape(codes):
    """Returns the shapes of texts, given their ragged code points."""
    return exchange(codes, _shape_table())


@functools.cache
def _shape_table() -> Exchange:
    first_of_kind: dict[tuple, str] = {}
    return make_exchange(
        lambda c: c if c in _KEPT else first_of_kind.setdefault(_kind(c), c)
    )


def _kind(character: str) -> tuple[bool, ...]:
    """All that `text` asks Python of a character."""
    return (
        character.isspace(),
        character.isalpha(),
        character.isalnum(),
        character.isdecimal(),
        character.isdigit(),
        character.islower(),
        character.isupper(),
        is_small(character),
        is_combining(character),
    )


def _characters(belongs: Callable[[str], bool]) -> str:
    """Returns the class, for RE2, of the characters of shapes that belong to it."""
    alphabet = map(chr, sorted({*_shape_table().values}))
    return "[" + "".join(rf"\x{{{ord(c):x}}}" for c in alphabet if belongs(c)) + "]"


def _is_word(character: str) -> bool:
    r"""Python's `\w`."""
    return character.isalnum() or character == "_"


def _is_letter(character: str) -> bool:
    r"""Python's `[^\W\d]`."""
    return _is_word(character) and not character.isdecimal()
