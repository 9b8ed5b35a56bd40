"""Which language a text is in, among those that a server knows.

By py3langid (Lui and Baldwin 2012, "langid.py"), a small naive Bayes classifier.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, TypedDict

from translator.text import main_language

# With fewer words, or above this probability, a text may be in the expected language
# for all that is known: of 6,900 development sentences 3 would be doubted, and 99.7% of
# those in another language.
_FEWEST_WORDS = 3
_DOUBTFUL = 0.001
# From which probability on it is told which language a text is in instead.
_LIKELY = 0.3


class Detection(TypedDict):
    """A language and how sure that is: 0 to 100."""

    confidence: float
    language: str


class Detector:
    """Tells languages apart. What it knows of them is loaded when it is first asked: it
    takes a second, and 80 MB.

    Args:
        languages: Codes to choose from; those that py3langid does not know are never
            found.
        default: The answer for a text without letters, at confidence 0.
    """

    def __init__(self, languages: Iterable[str], default: str):
        self.languages = frozenset(languages)
        self.default = default

    @cached_property
    def _identifier(self):
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=False)

    @cached_property
    def _known(self) -> frozenset[str]:
        return self.languages.intersection(self._identifier.labels)

    def detect(self, text: str, among: Collection[str] = ()) -> Detection:
        """Returns the most probable language of a text.

        Args:
            text: Any.
            among: Codes to choose from, with the confidence that they have among all;
                default, all.
        """
        default = self.default
        if among and default not in among:
            default = min(among)
        if any(map(str.isalpha, text)) and self._known:
            for language, probability in self._rank(text, self._known).items():
                if not among or language in among:
                    confidence = round(100 * probability, 1)
                    return {"confidence": confidence, "language": language}
        return {"confidence": 0.0, "language": default}

    def find_other(self, text: str, expected: str) -> str | None:
        """Returns the language of a text that is not in the expected one.

        Args:
            text: Any.
            expected: Code of a language.

        Returns:
            The code of another of its languages; "" if it is of none of them; None if
            the text may well be in the expected language.
        """
        expected = main_language(expected)
        if len(text.split()) < _FEWEST_WORDS or expected not in self._identifier.labels:
            return None
        probabilities = self._rank(text, self._identifier.labels)
        if not any(map(str.isalpha, text)) or probabilities[expected] >= _DOUBTFUL:
            return None
        others = (code for code in probabilities if code in self._known)
        likeliest = next(others, "")
        return likeliest if probabilities.get(likeliest, 0) >= _LIKELY else ""

    def _rank(self, text: str, languages: Collection[str]) -> dict[str, float]:
        """Returns the probability of each of some languages, the likeliest first."""
        scores = self._identifier.rank(text)
        scores = [(code, float(score)) for code, score in scores if code in languages]
        best = max(score for _, score in scores)
        total = sum(math.exp(score - best) for _, score in scores)
        return {code: math.exp(score - best) / total for code, score in scores}


def detector_of(models: Sequence[Any]) -> Detector:
    """Returns a detector of the languages that some models read and write."""
    pairs = [(model.source_language, model.target_language) for model in models]
    return Detector(chain.from_iterable(pairs), default=pairs[0][0] if pairs else "")
