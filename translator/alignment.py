"""Which words of a sentence those of its translation come from, as attention tells.

Source: Bahdanau et al. 2015, section 5.2.1: the weights are a soft alignment; Liang et
al. 2006, "Alignment by Agreement": what both directions say is more often right.
"""

import re
from collections.abc import Sequence

import numpy as np

from translator.tokenizer import WORD_START
from translator.translations import SentenceTranslation

_END = "</s>"


def link_words(translation: SentenceTranslation) -> np.ndarray | None:
    """Returns how much each word of a sentence's best translation comes from each word
    of the sentence; the largest of a row is the most likely one.

    Words are what stands between spaces. Where A(j, i) is how much the subwords of
    source word i were looked at while word j was written, the link is
    A(j, i) * A(j, i) / sum_j A(j, i). So a word that many look at, such as the last
    one, is not the origin of all of them.

    Returns:
        float64, shape `(num_target_words, num_source_words)`, at least 0. None if it is
        not known: without attention, or where words were lost or joined on the way.
    """
    hypothesis = translation.hypotheses[0]
    source = _word_places(translation.source_tokens)
    target = _word_places(hypothesis.tokens)
    num_source, num_target = (places.max(initial=-1) + 1 for places in (source, target))
    weights = hypothesis.attention_weights
    if (
        weights.shape != (len(target), len(source))
        or num_source != len(translation.source_text.split())
        or num_target != len(words_of(hypothesis.text))
        or not num_source
    ):
        return None
    looks = np.zeros((num_target, num_source))
    rows, columns = target >= 0, source >= 0
    np.add.at(
        looks,
        (target[rows][:, None], source[columns][None]),
        weights[rows][:, columns],
    )
    return looks * looks / (looks.sum(axis=0) + 1e-9)


def words_of(translation: str) -> list[tuple[int, int]]:
    """Returns where the words of a translation begin and end: what stands between plain
    spaces, as others are inside of numbers."""
    return [word.span() for word in re.finditer("[^ ]+", translation)]


def _word_places(tokens: Sequence[str]) -> np.ndarray:
    """Returns the place of the word that each subword belongs to; -1 for the end."""
    places, place = [], -1
    for token in tokens:
        place += token.startswith(WORD_START) or place < 0
        places.append(-1 if token == _END else place)
    return np.array(places, np.int64)
