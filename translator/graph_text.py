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
import sys
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from translator.text import (
    BEFORE_NUMBERS,
    CLOSING,
    CUT_PATTERNS,
    LINE_ENDS,
    MARKS,
    MAX_SENTENCE_CHARACTERS,
    OPENING,
    TITLES,
)

# Between the pieces of a shape, which has no other such character.
_CUT = "\uffff"
_ABBREVIATIONS = "".join(TITLES | BEFORE_NUMBERS)
# What stands for itself in a shape, besides ASCII.
_KEPT = {
    *"".join(map(chr, range(128))),
    *(MARKS + CLOSING + OPENING + LINE_ENDS + "¿¡" + "".join(CUT_PATTERNS)),
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
    """

    pieces: tf.Tensor
    rows: tf.Tensor
    is_sentence: tf.Tensor
    num_texts: tf.Tensor

    @property
    def sentences(self):
        """Strings, shape `(N,)`."""
        return tf.boolean_mask(self.pieces, self.is_sentence)

    def join(self, translations):
        """Returns texts `(B,)` with a translation `(N,)` in each sentence's place."""
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


def split_sentences(text) -> SplitTexts:
    """Cuts texts, valid UTF-8 of shape `(B,)`, as `text.split_sentences` does."""
    codes = tf.strings.unicode_decode(text, "UTF-8")  # (B, characters)
    shapes = _split(_cut_sentences(_shape(codes)))
    shapes = _split_further(shapes, _cut_long(shapes.values))
    space = _characters(str.isspace)
    edges = _replace(shapes.values, f"^{space}+", rf"\0{_CUT}")
    shapes = _split_further(shapes, _replace(edges, f"{space}+$", rf"{_CUT}\0"))
    lengths = tf.strings.length(shapes.values, "UTF8_CHAR")
    pieces = tf.RaggedTensor.from_row_lengths(codes.values, lengths)
    return SplitTexts(
        tf.strings.unicode_encode(pieces, "UTF-8"),
        shapes.value_rowids(),
        _matches(shapes.values, f"(?s).*{_characters(str.isalnum)}.*"),
        shapes.nrows(),
    )


def fold_capitals(sentences):
    """Folds sentences `(N,)` as `text.fold_capitals` does.

    Returns:
        The sentences, and bool `(N,)`: whether each was all capitals.
    """
    shapes = _shape(tf.strings.unicode_decode(sentences, "UTF-8"))
    letter, space = _characters(str.isalpha), _characters(str.isspace)
    no_letter = _characters(lambda c: not c.isalpha())
    has_words = _matches(shapes, f"(?s).*{letter}.*{space}.*{letter}.*")
    capital = _characters(str.isupper)
    # A single character that `istitle` is a capital, or a letter such as ǅ.
    no_small = _characters(lambda c: c.isupper() or not (c.islower() or c.istitle()))
    is_upper = has_words & _matches(shapes, f"{no_small}*{capital}{no_small}*")
    has_many_words = _matches(shapes, f"(?s)(?:.*{letter}.*{space}){{3}}.*{letter}.*")
    before = _characters(lambda c: not c.isalpha() and not c.isspace())
    small = _characters(lambda c: c.isalpha() and not c.isupper())
    is_capitalized = ~_matches(shapes, f"(?s)(?:.*{space})?{before}*{small}.*")
    head = _replace(shapes, f"(?s)^({no_letter}*{letter}).*", r"\1")
    length = tf.strings.length(head, "UTF8_CHAR")
    head = tf.strings.substr(sentences, tf.zeros_like(length), length, "UTF8_CHAR")
    # ICU would take a NUL for the end; normalisation drops it anyway.
    rest = _replace(_drop(sentences, head), r"\x00", "")
    rest = tf.strings.lower(rest, "utf-8")
    is_folded = is_upper | (has_many_words & is_capitalized)
    return tf.where(is_folded, tf.strings.join([head, rest]), sentences), is_upper


def _cut_sentences(shapes):
    """Puts cuts around line ends, and around the white space between sentences."""
    space = _characters(lambda c: c.isspace() and c not in LINE_ENDS)
    first = _characters(lambda c: _is_word(c) and not c.islower())
    no_word = _characters(lambda c: not _is_word(c) and c != ".")
    start = rf"[¿¡]|[{OPENING}]{{0,6}}{space}?{first}|[{OPENING}]{{7}}{first}"
    closing = f"[{CLOSING}]{{0,23}}"
    shapes = _replace(
        shapes, rf"([{MARKS}]{closing})({space}+(?:{start}))", rf"\1{_CUT}\2"
    )
    for words, after in _abbreviations():
        words = rf"((?:^|{no_word})(?:{words})\.{closing})"
        shapes = _replace(shapes, f"{words}{_CUT}({after})", r"\1\2")
    shapes = _replace(shapes, f"{_CUT}({space}+)", rf"{_CUT}\1{_CUT}")
    return _replace(shapes, f"[{LINE_ENDS}]+", rf"{_CUT}\0{_CUT}")


def _abbreviations() -> list[tuple[str, str]]:
    """Patterns of words whose full stop ends no sentence, and of what follows it."""
    space, digit = _characters(str.isspace), _characters(str.isdigit)
    letter = _characters(_is_letter)
    no_p = _characters(lambda c: _is_letter(c) and c not in "AaPp")
    no_m = _characters(lambda c: _is_letter(c) and c not in "Mm")
    words = (
        f"{digit}{{1,2}}",
        _characters(lambda c: _is_word(c) and c != "I"),
        # Letters with dots, but not "a.m" and "p.m".
        rf"{letter}{{1,2}}(?:\.{letter}{{1,2}}){{2,}}",
        rf"(?:{letter}{{2}}|{no_p})\.{letter}{{1,2}}",
        rf"[AaPp]\.(?:{letter}{{2}}|{no_m})",
        f"(?i:{'|'.join(sorted(TITLES))})",
    )
    before_numbers = f"(?i:{'|'.join(sorted(BEFORE_NUMBERS))})"
    return [("|".join(words), ""), (before_numbers, f"{space}+{digit}")]


def _cut_long(shapes):
    """Puts cuts into shapes `(P,)` that are longer than a sentence should be."""
    limit, pattern = MAX_SENTENCE_CHARACTERS, _best_cut()

    def is_long(remaining):
        return tf.strings.length(remaining, "UTF8_CHAR") > limit

    def cut_one(done, remaining):
        window = tf.strings.substr(remaining, 0, limit, "UTF8_CHAR")
        head = tf.where(is_long(remaining), _replace(window, pattern, r"\1"), "")
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
    """Pattern of the start of a long shape; its group is what to cut off."""
    space = _characters(str.isspace)
    some = f".{{{MAX_SENTENCE_CHARACTERS // 4},}}"
    kinds = [pattern.replace(r"\s", space) for pattern in CUT_PATTERNS]
    return f"(?s)^({'|'.join(f'{some}(?:{kind})' for kind in kinds)}).*"


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
        character.istitle(),
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
