"""A translator without a model: it writes each word backwards."""

import time

import numpy as np

from translator.config import SearchConfig
from translator.errors import UserError
from translator.text_translator import TextTranslator
from translator.translations import Hypothesis, SentenceTranslation


class FakeTranslator(TextTranslator):
    """Notes what it was asked. Breaks at "bug", refuses "refuse", dozes at "slow", and
    sleeps at "asleep"."""

    max_characters = 500
    card = "---\nlicense: cc-by-2.0\n---\n# A fake model\n\nWrites backwards.\n"

    def __init__(self, source_language="en", target_language="es", name="fake"):
        super().__init__(name, source_language, target_language, SearchConfig())
        self.calls = []

    def translate(self, texts, search=None, num_hypotheses=1):
        self.calls.append((texts, search, num_hypotheses))
        for text in texts:
            text.encode("utf-8")  # as the real one must
        return super().translate(texts, search, num_hypotheses)

    def search_sentences(self, sentences, search=None, num_hypotheses=1):
        return [self._sentence(sentence, num_hypotheses) for sentence in sentences]

    def _sentence(self, text, num_hypotheses):
        if "slow" in text:
            time.sleep(0.005)
        if "asleep" in text:
            time.sleep(1.5)
        if "bug" in text:
            raise RuntimeError("secret detail")
        if "refuse" in text:
            raise UserError(f"cannot translate <b>{text}</b>.")
        source = [f"▁{word}" for word in text.split()] + ["</s>"]
        target = [f"▁{word[::-1]}" for word in text.split()] + ["</s>"]
        rng = np.random.default_rng(len(text))
        # The second word of each sentence is doubtful, the third more than that.
        doubts = [0.0, 1.0, 2.0]
        log_probs = np.array([-doubts[i] if i < 3 else 0.0 for i in range(len(target))])
        hypotheses = [
            Hypothesis(
                text=" ".join(word[::-1] for word in text.split()) + "!" * rank,
                score=-0.25 - rank,
                log_prob=-1.0 - rank,
                tokens=target,
                attention_weights=rng.dirichlet(np.ones(len(source)), len(target)),
                is_finished=True,
                token_log_probs=log_probs,
            )
            for rank in range(num_hypotheses)
        ]
        return SentenceTranslation(text, source, hypotheses)
