"""A translator whose network copies the source, token by token."""

import numpy as np

from translator.array_search import Continuations
from translator.config import make_config
from translator.placeholders import NO_NAMES, PLACEHOLDERS
from translator.subword_translator import SubwordTranslator
from translator.tokenizer import Tokenizer

_TEXTS = (
    "Where is the red house? It is near the old river.",
    "Nobody sings in the morning, and 12 men drink coffee at night.",
    "WE ATE 345 PEARS AND 6789 ORANGES!",
)
_TOKENIZER = Tokenizer.train(_TEXTS, 350, placeholders=PLACEHOLDERS)


class CopyTranslator(SubwordTranslator):
    """Its hypotheses differ by one token: that in the place of EOS, if it is not EOS.

    Args:
        loses: Placeholders that the network writes as a space.
        source_language: Code of the language it reads.
        capital_rule: As of `SubwordTranslator`.

    Attributes:
        asked: The texts that the network got.
    """

    def __init__(self, loses="", source_language="en", capital_rule=NO_NAMES):
        data = {"source_language": source_language, "target_language": "es"}
        super().__init__(
            _TOKENIZER, make_config("tiny", options=data), "copy", "", capital_rule
        )
        self.asked = []
        [self._space] = _TOKENIZER.ids(["▁"])
        self._loses = _TOKENIZER.ids(loses)

    def search_batch(self, source_ids, search):
        return self.search_behind(source_ids, search)

    def begin(self, source_ids):
        self.asked += [self.tokenizer.decode(row) for row in source_ids.tolist()]
        written = np.where(
            np.isin(source_ids, self._loses), self._space, source_ids
        )  # (B, S)
        all_ids = np.arange(self.tokenizer.vocabulary_size)

        def step(rows, position, num_best):
            place = min(position, source_ids.shape[1] - 1)
            wanted = written[rows.sentences, place]
            log_probs = np.full((len(wanted), len(all_ids)), -9.0, np.float32)
            log_probs[np.arange(len(wanted)), wanted] = -0.01
            ids = np.argsort(-log_probs, axis=1, kind="stable")[:, :num_best]
            weights = np.eye(source_ids.shape[1], dtype=np.float32)[[place]]
            return Continuations(
                np.take_along_axis(log_probs, ids, axis=1),
                ids,
                weights.repeat(len(wanted), axis=0),
                position + 1,
            )

        return step, 0
