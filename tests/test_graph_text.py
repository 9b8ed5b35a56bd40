"""Sentences and capitals in the graph: as Python finds them."""

import random

import numpy as np
import pytest
import tensorflow as tf
from test_text import random_texts

from translator import graph_text
from translator.text import (
    capital_letters,
    fold_capitals,
    normalize_text,
    split_sentences,
    unwrap,
)

# What the rules of `text` know, and what must not be taken for it.
PARTS = (
    "Mr. No. no. J. I. z.B. a.m. P.M. p.n. e.g. U.S.A. x1. 5. 12. 123. ². ½. S.r. sr. ."
    " Hello hello WORLD Ünï ǅ ß ΣΑΣ ! ? ... … 。 ?. !\" .' ) ( « ¿ - — – ; , ،"
    " ； 7 É. ª 😀 *** _ # fig. PÁG. İ Ⓐ ⓐ \u0345 \x00 \uffff"
    " 本 です。 」 「 （ ） गया। डॉ. ქი. ca. I\u0323. e\u0301 IŞI ？ ። ״"
    " 1) (23) ４) 1000) • > * -- [x] [ ] + ##"
).split(" ")
SPACES = [
    *[" "] * 12,
    "",
    "",
    "  ",
    "\t",
    *["\n"] * 3,
    "\r\n",
    "\u2028",
    "\x1f",
    "\u2003",
    "\x85",
]


def texts_of_parts(seed: int, count: int) -> list[str]:
    """Texts of few or many parts, some of them of one kind alone."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        parts = rng.sample(PARTS, rng.randrange(1, 9)) if rng.random() < 0.4 else PARTS
        length = rng.choice([3, 9, 150])
        texts.append(
            "".join(rng.choice(parts) + rng.choice(SPACES) for _ in range(length))
        )
    return texts


def long_texts(seed: int, count: int) -> list[str]:
    """Sentences that must be cut: at marks, commas, spaces, or anywhere."""
    rng = random.Random(seed)
    marks = ["; ", ": ", " – ", "—", ", ", "、", ". x", "。"]
    return [
        "".join(
            "é" * rng.randrange(1, 90) + rng.choice([" ", " ", "", rng.choice(marks)])
            for _ in range(30)
        )
        for _ in range(count)
    ]


@tf.function(autograph=False)
def split(text, max_characters):
    texts = graph_text.split_sentences(text, max_characters)
    kept = tf.boolean_mask(texts.rows, texts.is_sentence)
    numbered = tf.strings.as_string(tf.range(tf.size(kept)))
    return texts.sentences, kept, texts.join(texts.sentences), texts.join(numbered)


@tf.function(autograph=False)
def fold(sentences, language):
    return graph_text.fold_capitals(sentences, language)


def strings(tensor) -> list[str]:
    return [text.decode() for text in tensor.numpy()]


@pytest.mark.parametrize(("seed", "longest"), [(0, 200), (1, 200), (2, 45)])
@pytest.mark.parametrize("make", [random_texts, texts_of_parts, long_texts])
def test_sentences_are_pythons(make, seed, longest):
    """Catches: an abbreviation, a mark or a kind of white space that is missing; a cut
    one character off; a place that another match has used up.
    """
    # No lone surrogates: TensorFlow's strings are UTF-8.
    texts = [text.encode("utf-8", "replace").decode() for text in make(seed, 200)]
    sentences, rows, same, numbered = split(tf.constant(["", *texts]), longest)
    sentences, place = np.array([*strings(sentences), None]), 0
    assert strings(same) == ["", *texts]
    for row, text in enumerate(texts, start=1):
        expected = split_sentences(text, longest)
        assert sentences[:-1][rows == row].tolist() == expected.sentences
        numbers = [str(place + i) for i in range(len(expected.sentences))]
        assert strings(numbered)[row] == expected.join(numbers)
        place += len(numbers)


def test_sentences_may_be_longer_than_re2_counts():
    """Catches: a repetition of more than 1,000 characters in a pattern."""
    text = f"{'many words, ' * 600}few"
    sentences, *_ = split(tf.constant([text]), 6_000)
    assert strings(sentences) == split_sentences(text, 6_000).sentences
    assert len(sentences) == 2


@pytest.mark.parametrize(("seed", "language"), [(0, ""), (1, "tr-TR"), (2, "en")])
def test_capitals_are_pythons(seed, language):
    """Catches: Roman numerals, ǅ or Ⓐ taken for what they are not; a first letter lost;
    a text that ends at a NUL.
    """
    rng = random.Random(seed)
    words = ["WHERE", "IS", "Is", "It", "ǅ", "ß", "NASA", "É,", "(Yes)", "4", "ΑΣ", "İ",
             "Ⅳ", "Ⓐ", "x", "日本", "e\u0301", "E\u0301", "*", "A\x00B",
             "IŞIK", "İYİ", "ქი"]  # fmt: skip
    chosen = [rng.sample(words, rng.randrange(1, 6)) for _ in range(60)]
    sentences = [
        rng.choice([" ", "\u3000"]).join(rng.choices(own, k=rng.randrange(1, 7)))
        for own in chosen
    ]
    folded, is_upper = fold(tf.constant(sentences), language)
    capitals = graph_text.capital_letters(tf.constant(["iki ɓé", "ß"]), language)
    assert strings(capitals) == [capital_letters(t, language) for t in ("iki ɓé", "ß")]
    for sentence, ours, upper in zip(
        sentences, strings(folded), is_upper.numpy(), strict=True
    ):
        expected, expected_upper = fold_capitals(sentence, language)
        assert normalize_text(ours) == normalize_text(expected)
        assert upper == expected_upper


def test_marks_around_sentences_are_pythons():
    """Catches: a mark that one of them takes off, and the other leaves."""
    rng = random.Random(5)
    parts = [*'()[]"“”„«»*‘’ ', "\xa0", "\n", "We sing.", "é"]
    sentences = [
        "".join(rng.choice(parts) for _ in range(rng.randrange(1, 10))).strip() or "x"
        for _ in range(3_000)
    ]
    found = tf.function(graph_text.unwrap)(tf.constant(sentences))
    texts = ([text.decode() for text in part.numpy()] for part in found)
    found = zip(*texts, strict=True)
    assert list(found) == list(map(unwrap, sentences))
    assert ["".join(unwrap(sentence)) for sentence in sentences] == sentences


def test_scores_are_the_means_of_a_texts_sentences():
    """Catches: means over all texts; not a number for blank text."""
    texts = graph_text.split_sentences(tf.constant(["Go. Stop.", " ", "Go."]))
    means = texts.mean_scores(tf.constant([-1.0, -2.0, -4.0]))
    assert means.numpy().tolist() == [-1.5, 0.0, -4.0]
