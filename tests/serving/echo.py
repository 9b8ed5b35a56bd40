"""A translator for tests of what stands in front of one."""

import numpy as np

from translator.config import SearchConfig
from translator.text_translator import TextTranslator
from translator.translations import Hypothesis, SentenceTranslation


class Echo(TextTranslator):
    """Writes a sentence backwards, as its second best in capitals, and so on."""

    def __init__(self, source_language="en", target_language="es", is_fixed=False):
        name = f"{source_language}-{target_language}"
        search = SearchConfig(beam_size=4, length_penalty=1.0)
        super().__init__(name, source_language, target_language, search)
        self.is_search_fixed = is_fixed
        self.calls = []

    def search_sentences(self, sentences, search=None, num_hypotheses=1):
        self.calls.append((list(sentences), search, num_hypotheses))
        return [_echo(sentence, num_hypotheses) for sentence in sentences]


def _echo(sentence, count):
    if "crash" in sentence:
        raise RuntimeError("secret of the server")
    words = sentence.split()
    texts = [sentence[::-1], sentence.upper(), *(f"{sentence} {n}" for n in range(20))]
    weights = np.full((len(words), len(words)), 1 / max(1, len(words)), np.float32)
    return SentenceTranslation(
        sentence,
        words,
        [
            Hypothesis(text, -0.5 - rank, -1.0 - rank, words[::-1], weights, True)
            for rank, text in enumerate(texts[:count])
        ],
    )
