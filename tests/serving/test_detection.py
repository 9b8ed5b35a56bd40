"""Languages told apart, and texts that are not in the one expected."""

import pytest

from translator.serving.detection import Detector, detector_of

TEXTS = {
    "en": "The bakery beside the bridge opens at seven.",
    "es": "La panadería junto al puente abre a las siete.",
    "fr": "La boulangerie près du pont ouvre à sept heures.",
    "de": "Die Bäckerei neben der Brücke öffnet um sieben.",
}


@pytest.fixture(scope="module")
def detector():
    return Detector(TEXTS, "en")


@pytest.mark.parametrize("language", TEXTS)
def test_a_language_is_found(detector, language):
    found = detector.detect(TEXTS[language])
    assert found["language"] == language and found["confidence"] > 99
    others = [code for code in TEXTS if code != language]
    assert detector.detect(TEXTS[language], others)["confidence"] < 1


def test_what_has_no_letters_is_of_the_default_language(detector):
    for text in ("", "12:30 🙂"):
        assert detector.detect(text) == {"confidence": 0.0, "language": "en"}
        assert detector.detect(text, ["fr", "de"])["language"] == "de"
    unknown = Detector(["tlh"], "tlh")
    assert unknown.detect(TEXTS["en"]) == {"confidence": 0.0, "language": "tlh"}


@pytest.mark.parametrize("expected", TEXTS)
@pytest.mark.parametrize("language", TEXTS)
def test_another_language_than_expected(detector, language, expected):
    """Catches: a hint at a text that is as it should be, or at the wrong language."""
    other = detector.find_other(TEXTS[language], expected)
    assert other == (None if language == expected else language)


@pytest.mark.parametrize(
    ("text", "expected", "other"),
    [
        ("La panetteria accanto al ponte apre alle sette.", "en", ""),
        ("Panadería abierta", "en", None),
        ("12 + 30 = 42 🙂", "en", None),
        ("", "en", None),
        (TEXTS["es"], "en-GB", "es"),
        (TEXTS["es"], "es_MX", None),
        (TEXTS["es"], "tlh", None),
        ("xkcd qwrt zzpl", "en", ""),
    ],
)
def test_doubts_that_cannot_be_told_from_others(detector, text, expected, other):
    """Catches: a language named that the server does not know; doubts at two words, or
    where the expected language is unknown."""
    assert detector.find_other(text, expected) == other


def test_the_languages_are_those_of_the_models():
    class Model:
        source_language, target_language = "en", "eo"

    detector = detector_of([Model()])
    assert (detector.languages, detector.default) == ({"en", "eo"}, "en")
