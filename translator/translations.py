"""What a translator answers: texts, their sentences, the hypotheses of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from translator.config import SearchConfig
from translator.placeholders import PLACEHOLDERS
from translator.text import SplitText


@dataclass(frozen=True)
class Hypothesis:
    """One translation that the search found.

    Attributes:
        text: The translation.
        score: `log_prob / length ** length_penalty`, what hypotheses are ranked by.
        log_prob: Natural-log probability of all its tokens, at most 0.
        tokens: Its subwords, `▁` where a word starts, `</s>` at the end; a character of
            `PLACEHOLDERS` where something was copied.
        attention_weights: float32, shape `(len(tokens), len(source_tokens))`; each
            row sums to 1: where the model looked when it wrote the token.
        is_finished: Whether the model ended it, rather than the longest length.
        token_log_probs: float32, shape `(len(tokens),)`: natural-log probability of
            each token, given those before it. None where it is not known.
    """

    text: str
    score: float
    log_prob: float
    tokens: list[str]
    attention_weights: np.ndarray = field(compare=False)  # what follows from the rest
    is_finished: bool
    token_log_probs: np.ndarray | None = field(default=None, compare=False)


@dataclass(frozen=True)
class SentenceTranslation:
    """A sentence and its hypotheses, the best first.

    Attributes:
        source_text: The sentence as it was given.
        source_tokens: Its subwords, `</s>` at the end.
        hypotheses: At least one: those that lost nothing of what is copied, then the
            others; each sorted by score.
    """

    source_text: str
    source_tokens: list[str]
    hypotheses: list[Hypothesis]

    @property
    def is_protected(self) -> bool:
        """Whether placeholders stood in what the network got, or it got nothing: they
        do not where it lost one, or where there was nothing to copy."""
        tokens = self.source_tokens
        return not (tokens and set(PLACEHOLDERS).isdisjoint(tokens))


@dataclass(frozen=True)
class Translation:
    """A text, its translation, and the sentences it is made of.

    Attributes:
        source_text: The text as it was given.
        parts: The text in sentences, and what stands around their translations.
        sentences: One entry a sentence; empty for blank text.
    """

    source_text: str
    parts: SplitText
    sentences: list[SentenceTranslation]

    @cached_property
    def text(self) -> str:
        """The translation, with the white space between sentences as it was."""
        return self.parts.join([own.hypotheses[0].text for own in self.sentences])

    @property
    def is_finished(self) -> bool:
        """Whether no sentence's translation was cut off at the longest allowed."""
        return all(own.hypotheses[0].is_finished for own in self.sentences)

    @property
    def score(self) -> float:
        """Mean score of the sentences' best hypotheses; 0 for blank text."""
        scores = [sentence.hypotheses[0].score for sentence in self.sentences]
        return float(np.mean(scores)) if scores else 0.0


class AnyTranslator(Protocol):
    """What has the `translate` of `text_translator.TextTranslator`."""

    def translate(
        self, texts: Sequence[str], search: SearchConfig | None = None
    ) -> Sequence[Translation]: ...


def blank_translation(sentence: str, text: str = "") -> SentenceTranslation:
    """A translation for certain, without a token: that of a blank sentence."""
    none = np.zeros((0, 0), np.float32)
    hypothesis = Hypothesis(
        text, 0.0, 0.0, [], none, True, token_log_probs=none.ravel()
    )
    return SentenceTranslation(sentence, [], [hypothesis])
