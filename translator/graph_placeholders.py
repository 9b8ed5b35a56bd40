"""`placeholders` as a TensorFlow graph, for programs without Python.

Shapes: N sentences, P pieces of all sentences, M words, C placeholders.
"""

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from translator.graph_text import Exchange, exchange, make_exchange
from translator.placeholders import (
    BEFORE_INNER,
    NUMBERS,
    PLACEHOLDERS,
    THINGS,
    TOKEN_PATTERN,
    UNCASED,
    NumberMarks,
    ascii_digit_of,
    marked_number_pattern,
    shape_of,
    surplus_pattern,
)

# Around the parts of a shape, which has no other such character.
_CUT = "\x04"
# Of each token: a thing, a number, a word that may be a name, or what stays; three of
# them empty.
_PARTS = f"\\1\\3{_CUT}\\4{_CUT}\\6{_CUT}\\2\\5\\7{_CUT}"
_IS_THING, _IS_NUMBER, _IS_NAME, _STAYS = range(4)


class ProtectedSentences(NamedTuple):
    """Sentences with placeholders, and what these stand for.

    Attributes:
        text: Strings, shape `(N,)`.
        originals: Strings, shape `(N, C)`, in the order of `PLACEHOLDERS`; empty where
            there is none.
    """

    text: tf.Tensor
    originals: tf.Tensor

    @property
    def is_copy(self):
        """bool `(N,)`: whether there is nothing in it to translate."""
        codes = tf.strings.unicode_decode(self.text, "UTF-8")
        shapes = exchange(codes, _shape_table())
        has_words = tf.strings.regex_full_match(shapes, f".*[A-Za-z{UNCASED}].*")
        return self.has_originals & ~has_words

    @property
    def has_originals(self):
        """bool `(N,)`: whether there are any placeholders."""
        return tf.reduce_any(self.originals != "", axis=1)

    def is_intact(self, translations):
        """Whether translations `(N, K)` have the placeholder of each original, once.

        As placeholders that stand for nothing are dropped, they do no harm where there
        are no originals at all.
        """
        is_intact = tf.ones_like(translations, tf.bool)
        for place, placeholder in enumerate(PLACEHOLDERS):
            other = f"[^{placeholder}]*"
            is_intact &= tf.where(
                self.originals[:, place, None] == "",
                tf.strings.regex_full_match(translations, other),
                tf.strings.regex_full_match(translations, other + placeholder + other),
            )
        return is_intact | ~self.has_originals[:, None]


def protect(
    sentences, is_unknown: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None
) -> ProtectedSentences:
    """Puts placeholders into sentences `(N,)`, as `placeholders.protect` does.

    Args:
        sentences: Valid UTF-8.
        is_unknown: Takes words with a capital `(M,)`, and which of them are first ones,
            bool `(M,)`; tells, bool `(M,)`, which are unknown names. Default, none is.
    """
    sentences = drop_placeholders(sentences)
    num_sentences = tf.size(sentences, tf.int64)
    codes = tf.strings.unicode_decode(sentences, "UTF-8")
    shapes = exchange(codes, _shape_table())  # (N,)
    parts = tf.strings.regex_replace(shapes, TOKEN_PATTERN, _PARTS)
    parts = tf.strings.split(parts, _CUT)  # (N, parts of a sentence)
    lengths = tf.strings.length(parts.flat_values, "UTF8_CHAR")
    rows = parts.value_rowids()  # (P,)
    firsts = tf.gather(parts.row_starts(), rows)
    pieces = tf.strings.unicode_encode(
        tf.RaggedTensor.from_row_lengths(codes.flat_values, lengths), "UTF-8"
    )
    kinds = (tf.range(tf.size(rows, tf.int64)) - firsts) % 4
    kinds = tf.where(lengths > 0, kinds, _STAYS)
    is_thing, is_number = kinds == _IS_THING, kinds == _IS_NUMBER
    if is_unknown:
        ends = tf.cumsum(lengths, exclusive=True)
        starts = ends - tf.gather(ends, firsts)
        # At the start of a sentence nothing stands before: two points for that.
        padded = tf.strings.join(["..", tf.gather(shapes, rows)])
        before = tf.strings.substr(padded, starts, tf.fill(tf.shape(starts), 2))
        is_first = ~tf.strings.regex_full_match(before, BEFORE_INNER)
        places = tf.where(kinds == _IS_NAME)
        unknown = is_unknown(
            tf.gather_nd(pieces, places), tf.gather_nd(is_first, places)
        )
        is_thing = tf.tensor_scatter_nd_update(is_thing, places, unknown)
    is_taken, columns = tf.zeros_like(is_thing), tf.zeros_like(rows)
    for is_own, is_other, first, size, end in (
        (is_thing, is_number, 0, len(THINGS), len(PLACEHOLDERS)),
        (is_number, is_thing, len(THINGS), len(NUMBERS), len(THINGS)),
    ):
        before = tf.cumsum(tf.cast(is_own, tf.int64), exclusive=True)
        before -= tf.gather(before, firsts)  # of its kind, in its sentence
        over = before - size
        others = tf.math.unsorted_segment_sum(
            tf.cast(is_other, tf.int64), rows, num_sentences
        )
        num_free = len(PLACEHOLDERS) - size - tf.gather(others, rows)
        is_taken |= is_own & ((over < 0) | (over < num_free))
        column = tf.where(over < 0, first + before, end - 1 - over)
        columns = tf.where(is_own, column, columns)
    taken, places = tf.boolean_mask(pieces, is_taken), tf.where(is_taken)
    columns, of_rows = tf.boolean_mask(columns, is_taken), tf.gather_nd(rows, places)
    pieces = tf.tensor_scatter_nd_update(
        pieces, places, tf.gather([*PLACEHOLDERS], columns)
    )
    return ProtectedSentences(
        tf.strings.unsorted_segment_join(pieces, rows, num_sentences),
        tf.tensor_scatter_nd_update(
            tf.fill([num_sentences, len(PLACEHOLDERS)], ""),
            tf.stack([of_rows, columns], axis=1),
            taken,
        ),
    )


def rewrite_numbers(texts, source: NumberMarks, target: NumberMarks):
    """Gives numbers among texts other marks: see `placeholders.rewrite_number`."""
    rewritten = texts
    for old, new in (
        (source.group, _CUT),
        (source.decimal, target.decimal),
        (_CUT, target.group),
    ):
        rewritten = tf.strings.regex_replace(rewritten, re.escape(old), new)
    is_number = tf.strings.regex_full_match(texts, marked_number_pattern(source))
    return tf.where(is_number, rewritten, texts)


def with_ascii_digits(texts):
    """Returns texts of any shape with 0 to 9 for the digits of other scripts: see
    `placeholders.with_ascii_digits`."""
    codes = tf.strings.unicode_decode(tf.reshape(texts, [-1]), "UTF-8")
    return tf.reshape(exchange(codes, _digit_table()), tf.shape(texts))


def restore(text, originals):
    """Puts the originals `(N, C)` back into texts `(N,)`, where each is once.

    Placeholders that stand for nothing are dropped, as `placeholders.restore` does.
    """
    for place, placeholder in enumerate(PLACEHOLDERS):
        original = originals[:, place]
        head = tf.strings.regex_replace(text, f"(?s){placeholder}.*", "")
        tail = tf.strings.regex_replace(text, f"(?s)^[^{placeholder}]*", "")
        tail = tf.strings.regex_replace(tail, placeholder, "")
        restored = tf.strings.join([head, original, tail])
        neat = tf.strings.regex_replace(text, surplus_pattern(placeholder), "")
        is_there = tf.strings.regex_full_match(text, f"(?s).*{placeholder}.*")
        text = tf.where(is_there & (original != ""), restored, neat)
    return text


def drop_placeholders(texts):
    """Returns texts `(N,)` without any: see `placeholders.drop_placeholders`."""
    return tf.strings.regex_replace(texts, f"[{PLACEHOLDERS}]", "")


@functools.cache
def _digit_table() -> Exchange:
    return make_exchange(ascii_digit_of)


@functools.cache
def _shape_table() -> Exchange:
    return make_exchange(shape_of)
