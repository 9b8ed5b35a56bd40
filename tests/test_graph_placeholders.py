"""Placeholders in the graph: as Python puts them."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from test_graph_text import strings
from test_placeholders import EXAMPLES, NUMBERS_REWRITTEN

from translator import graph_placeholders
from translator.placeholders import (
    PLACEHOLDERS,
    drop_placeholders,
    has_words,
    is_intact,
    protect,
    restore,
)

# What the pattern knows, and what must not be taken for it.
PARTS = (
    "Rita Ünsal ǅana 日本 ١٢٣ ½ m² 21st 100,000 1,23.4 192.168 1,2 and/or Ana/Rita "
    "` `a {a} { } {{ }} ${ %s 9%s %1$d %( $A --x a--x *.t a+b C++ C# => \\ | ~ § ™ → "
    "me@ @me # &#39; R&D a_ _1 http:// :// www. .com a.b.org ~/ ../.. C:\\ C: 👩 "
    "\u200d \ufe0f \u20e3 1\u20e3 “ » ( ) . , ; - _ / \x00 \x04 \x7f \ufdd1 \ufdef"
).split(" ")
SPACES = [" ", " ", " ", "", "\u00a0", ", ", "; "]
TEXTS = st.lists(
    st.tuples(
        st.text(max_size=9) | st.sampled_from(EXAMPLES) | st.sampled_from(PARTS),
        st.sampled_from(SPACES),
    ),
    max_size=20,
).map(lambda parts: "".join(map("".join, parts)))


def is_unknown(word: str, is_first: bool) -> bool:
    return len(word) > 4 + 2 * is_first


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
def protect_some(sentences):
    found = graph_placeholders.protect(
        sentences,
        lambda words, is_first: (
            tf.strings.length(words, "UTF8_CHAR") > 4 + 2 * tf.cast(is_first, tf.int32)
        ),
    )
    plain = graph_placeholders.protect(sentences)
    back = graph_placeholders.restore(found.text, found.originals)
    return *found, *plain, found.is_copy, back


def sentences_of(found, originals) -> list[tuple[str, dict[str, str]]]:
    return [
        (
            text,
            {
                own: original
                for own, original in zip(PLACEHOLDERS, strings(row), strict=True)
                if original
            },
        )
        for text, row in zip(strings(found), originals, strict=True)
    ]


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_things_are_pythons(texts):
    """Catches: a kind of character that is taken for another; a thing that is found in
    a neighbour's sentence; names where nobody asks for them."""
    named, originals, plain, things, is_copy, back = protect_some(tf.constant(texts))
    found = sentences_of(named, originals)
    assert found == [protect(text, is_unknown=is_unknown) for text in texts]
    assert sentences_of(plain, things) == [protect(text) for text in texts]
    assert strings(back) == [drop_placeholders(text) for text in texts]
    assert is_copy.numpy().tolist() == [
        bool(own) and not has_words(text) for text, own in found
    ]


@pytest.mark.parametrize(
    "things", ["", "a_1", ("a_1", "🎉", "7\n89", "1.2"), ("", "", "789")]
)
def test_what_a_network_makes_of_them(things):
    """Catches: a placeholder that is there twice, or of which nobody asks, in an intact
    translation; text that is lost around a line end."""
    first, second, third, last = PLACEHOLDERS
    translations = [
        f"Ve {second}\na {last}{third} {first}.",
        f"{first}.",
        f"{first}{first}",
        f"\n{third}",
        f"{last} {second} Ve{first} {second}.",
        "",
    ]
    things = [things] if isinstance(things, str) else things
    padded = (*things, *[""] * (len(PLACEHOLDERS) - len(things)))
    originals = {
        own: thing for own, thing in zip(PLACEHOLDERS, padded, strict=True) if thing
    }
    own = graph_placeholders.ProtectedSentences(
        tf.constant(["?"]), tf.constant([padded])
    )
    expected = [not originals or is_intact(text, originals) for text in translations]
    assert own.is_intact(tf.constant([translations])).numpy().tolist() == [expected]
    intact = [text for text, yes in zip(translations, expected, strict=True) if yes]
    back = graph_placeholders.restore(
        tf.constant(intact), tf.constant([padded] * len(intact))
    )
    assert strings(back) == [restore(text, originals) for text in intact]


@pytest.mark.parametrize(("text", "source", "target", "expected"), NUMBERS_REWRITTEN)
def test_numbers_get_pythons_marks(text, source, target, expected):
    """Catches: a mark that stands for something else in a pattern."""
    texts = tf.constant([text, "x"])
    found = graph_placeholders.rewrite_numbers(texts, source, target)
    assert strings(found) == [expected, "x"]
