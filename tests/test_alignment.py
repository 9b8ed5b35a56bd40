"""Which words belong together, from weights that are made up."""

import numpy as np
import pytest

from translator.alignment import link_words
from translator.translations import Hypothesis, SentenceTranslation


def translation(source, source_tokens, target, tokens, weights):
    weights = np.array(weights, np.float32)
    best = Hypothesis(target, -1.0, -1.0, tokens, weights, True)
    return SentenceTranslation(source, source_tokens, [best])


def test_subwords_are_summed_into_words():
    """Catches: places of subwords taken for those of words; the end counted as one."""
    found = link_words(
        translation(
            *("old boats", ["▁old", "▁bo", "ats", "</s>"]),
            *("viejos barcos", ["▁vie", "jos", "▁barcos", "</s>"]),
            [
                [0.6, 0.2, 0.2, 0],
                [0, 0.2, 0.2, 0.6],
                [0.1, 0.5, 0.3, 0.1],
                [0, 0, 0, 1],
            ],
        )
    )
    # Looks of viejos: 0.6 at old, 0.8 at boats; of barcos: 0.1 and 0.8.
    expected = [[0.36 / 0.7, 0.64 / 1.6], [0.01 / 0.7, 0.64 / 1.6]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.argmax(axis=1).tolist() == [0, 1]


def test_a_word_that_many_look_at_is_not_the_origin_of_all():
    looks = [[0.3, 0.0, 0.7], [0.4, 0.0, 0.6], [0.0, 0.45, 0.55]]
    weights = np.zeros((4, 4))
    weights[:3, :3] = looks
    found = link_words(
        translation(
            *("a b c", ["▁a", "▁b", "▁c", "</s>"]),
            *("x y z", ["▁x", "▁y", "▁z", "</s>"]),
            weights,
        )
    )
    assert found.argmax(axis=1).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("source", "tokens", "weights"),
    [
        ("a b", ["▁x", "</s>"], np.zeros((0, 0))),
        ("a b c", ["▁x", "</s>"], np.zeros((2, 3))),
        ("a b", ["▁x", "▁y", "</s>"], np.zeros((3, 3))),
        ("", [], np.zeros((0, 0))),
    ],
    ids=["no attention", "other source words", "other target words", "blank"],
)
def test_what_is_not_known(source, tokens, weights):
    """Catches: words of one text counted through another."""
    source_tokens = ["▁a", "▁b", "</s>"] if source else []
    target = "x" if source else ""
    assert (
        link_words(translation(source, source_tokens, target, tokens, weights)) is None
    )
