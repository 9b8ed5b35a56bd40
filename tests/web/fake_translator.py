"""A translator without a model: it writes each word backwards."""

from dataclasses import dataclass, field

import numpy as np

from translator.config import Config
from translator.errors import UserError


@dataclass
class FakeHypothesis:
    text: str
    score: float
    log_prob: float
    tokens: list[str]
    attention_weights: np.ndarray  # (T, S)
    is_finished: bool = True


@dataclass
class FakeSentence:
    source_text: str
    source_tokens: list[str]
    hypotheses: list[FakeHypothesis]


@dataclass
class FakeTranslation:
    source_text: str
    text: str
    sentences: list[FakeSentence] = field(default_factory=list)


class FakeTranslator:
    name = "fake"
    source_language = "en"
    target_language = "es"
    config = Config()
    search = config.search
    is_search_fixed = False
    max_characters = 500
    card = "---\nlicense: cc-by-2.0\n---\n# A fake model\n\nWrites backwards.\n"

    def __init__(self):
        self.calls = []

    def check_num_hypotheses(self, num_hypotheses, search):
        assert 1 <= num_hypotheses <= search.beam_size

    def translate(self, texts, search=None, num_hypotheses=1):
        self.calls.append((texts, search, num_hypotheses))
        return [self._translate(text, num_hypotheses) for text in texts]

    def _translate(self, text, num_hypotheses):
        text.encode("utf-8")  # as the real one must
        if "bug" in text:
            raise RuntimeError("secret detail")
        if "refuse" in text:
            raise UserError(f"cannot translate <b>{text}</b>.")
        pieces = [piece for piece in text.split(". ") if piece.strip()]
        sentences = [self._sentence(piece, num_hypotheses) for piece in pieces]
        best = [sentence.hypotheses[0].text for sentence in sentences]
        return FakeTranslation(text, ". ".join(best), sentences)

    def _sentence(self, text, num_hypotheses):
        source = [f"▁{word}" for word in text.split()] + ["</s>"]
        target = [f"▁{word[::-1]}" for word in text.split()] + ["</s>"]
        rng = np.random.default_rng(len(text))
        hypotheses = [
            FakeHypothesis(
                text=" ".join(word[::-1] for word in text.split()) + "!" * rank,
                score=-0.25 - rank,
                log_prob=-1.0 - rank,
                tokens=target,
                attention_weights=rng.dirichlet(np.ones(len(source)), len(target)),
            )
            for rank in range(num_hypotheses)
        ]
        return FakeSentence(text, source, hypotheses)
