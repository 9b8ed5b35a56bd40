"""What all translators share: whole texts, whatever runs the network."""

import numpy as np

from translator.config import SearchConfig
from translator.translations import Hypothesis, SentenceTranslation, TextTranslator


class Echo(TextTranslator):
    """Two hypotheses a sentence: in guillemets, and in hyphens."""

    def __init__(self):
        super().__init__("echo", "en", "es", SearchConfig())
        self.asked = []

    def translate_sentences(self, sentences, search=None, num_hypotheses=1):
        self.asked += sentences
        weights = np.zeros((0, 0), np.float32)
        return [
            SentenceTranslation(
                sentence,
                [],
                [
                    Hypothesis(f"{a}{sentence}{b}", -1.0, -2.0, [], weights, True)
                    for a, b in ("«»", "--")
                ],
            )
            for sentence in sentences
        ]


def test_capitals_are_translated_in_small_letters_and_come_back():
    """Catches: one hypothesis of several left small, the sentence as it was typed lost,
    capitals that spread to the sentence beside it.
    """
    translator = Echo()
    text = "WHERE IS IT?  There it is.\nWho Is That Man Here?"
    [translation] = translator.translate([text], num_hypotheses=2)
    assert translator.asked == [
        "Where is it?",
        "There it is.",
        "Who is that man here?",
    ]
    assert translation.text == (
        "«WHERE IS IT?»  «There it is.»\n«Who is that man here?»"
    )
    first, _, third = translation.sentences
    assert first.source_text == "WHERE IS IT?"
    assert [h.text for h in first.hypotheses] == ["«WHERE IS IT?»", "-WHERE IS IT?-"]
    assert third.source_text == "Who Is That Man Here?"


def test_sentences_are_translated_as_they_are():
    assert (
        Echo().translate_sentences(["STOP NOW"])[0].hypotheses[0].text == "«STOP NOW»"
    )
