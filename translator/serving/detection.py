"""Which language a text is in, among those that a server knows.

By py3langid (Lui and Baldwin 2012, "langid.py"), a small naive Bayes classifier.
"""

from collections.abc import Collection, Iterable
from typing import TypedDict


class Detection(TypedDict):
    """A language and how sure that is: 0 to 100."""

    confidence: float
    language: str


class Detector:
    """Tells languages apart.

    Args:
        languages: Codes to choose from; those that py3langid does not know are never
            found.
        default: The answer for a text without letters, at confidence 0.
    """

    def __init__(self, languages: Iterable[str], default: str):
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self.default = default
        self._identifier = LanguageIdentifier.from_model_file(
            MODEL_FILE, norm_probs=True
        )
        known = {*languages} & {*self._identifier.labels}
        if known:
            self._identifier.set_languages(known)
        self._is_known = bool(known)

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
        if not self._is_known or not any(map(str.isalpha, text)):
            return {"confidence": 0.0, "language": default}
        for language, probability in self._identifier.rank(text):
            if not among or language in among:
                confidence = round(100 * float(probability), 1)
                return {"confidence": confidence, "language": language}
        return {"confidence": 0.0, "language": default}
