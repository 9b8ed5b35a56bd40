"""What all translators share: whole texts, whatever runs the network."""

import numpy as np
import pytest
from copy_network import CopyTranslator
from hypothesis import given, settings
from hypothesis import strategies as st

from translator.config import SearchConfig
from translator.errors import UserError
from translator.placeholders import (
    NUMBERS,
    PLACEHOLDERS,
    THINGS,
    CapitalRule,
    protect,
    with_ascii_digits,
)
from translator.text import normalize_text
from translator.text_translator import PreparedSentence, TextTranslator
from translator.tokenizer import token_labels
from translator.translations import Hypothesis, SentenceTranslation


class Echo(TextTranslator):
    """Two hypotheses a sentence: in guillemets, and in hyphens."""

    def __init__(self):
        super().__init__("echo", "en", "es", SearchConfig())
        self.asked = []

    def search_sentences(self, sentences, search=None, num_hypotheses=1):
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


def test_sentences_are_not_split_further():
    """Catches: half of a sentence in the answer; capitals that the network gets."""
    translator = Echo()
    [found] = translator.translate_sentences(["STOP! NOW"])
    assert translator.asked == ["Stop! now"]
    assert found.hypotheses[0].text == "«STOP! NOW»"
    [found] = translator.search_sentences(["STOP! NOW"])
    assert found.hypotheses[0].text == "«STOP! NOW»"


FIRST, SECOND = THINGS
NUMBER, OTHER_NUMBER = NUMBERS
GREEDY = SearchConfig(beam_size=1)


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("Is it on www.example.com?", f"Is it on {FIRST}?", None),
        ("We ate 1234 🍐 at night.", f"We ate {NUMBER} {FIRST} at night.", None),
        ("Where is Oyelaran?", f"Where is {FIRST}?", None),
        ("Oyelaran is here.", "Oyelaran is here.", None),
        ("It is on Thursday.", "It is on Thursday.", None),
        ("WHERE IS OYELARAN ON a_b?", f"Where is oyelaran on {FIRST}?", None),
        (
            "Where Is Oyelaran On www.Example.com?",
            f"Where is oyelaran on {FIRST}?",
            "Where is oyelaran on www.Example.com?",
        ),
        ("x\u200b1", None, "x1"),
        (
            "It is 24,100.5 or 3.14.",
            f"It is {NUMBER} or {OTHER_NUMBER}.",
            "It is 24.100,5 or 3.14.",
        ),
        ("1,000!", None, "1.000!"),
        ("2 + 2 = 4", None, None),
        ("The **red *old* house**!", "The red old house!", None),
        ("A [b](c.org/d) in _all of it_?", "A b in all of it?", None),
        ("IT **IS** `a * b`.", f"It is {FIRST}.", None),
        ("Anna & I like R&D.", "Anna and I like R&D.", "Anna and I like R&D."),
        ("BREAD & TEA?", "Bread and tea?", "BREAD AND TEA?"),
        ("Press Ctrl+C, {name}!", f"Press {FIRST}, {SECOND}!", None),
        (f"Is {FIRST} on a_b?", f"Is on {FIRST}?", "Is on a_b?"),
    ],
)
def test_what_cannot_be_translated_goes_past_the_network(text, asked, expected):
    """Catches: things that are spelled, made small or made capitals; a name that is
    translated, or looked for where every word has a capital; a text's own character
    taken for a placeholder; a number of which Spaniards read another.
    """
    rule = CapitalRule(frozenset({"Thursday"}), inner=True)
    translator = CopyTranslator(capital_rule=rule)
    [translation] = translator.translate([text], GREEDY)
    assert translator.asked == ([] if asked is None else [asked])
    assert translation.text == (expected or text)


def test_tokens_stay_those_of_the_network():
    """Catches: probabilities or attention that are not those of the tokens shown."""
    [translation] = CopyTranslator().translate(["It is on www.example.com."], GREEDY)
    [sentence] = translation.sentences
    [hypothesis] = sentence.hypotheses
    assert hypothesis.tokens == sentence.source_tokens
    assert token_labels(hypothesis.tokens)[-3:] == ["(copy 1)", ".", "(end)"]
    size = len(hypothesis.tokens)
    assert hypothesis.token_log_probs.shape == (size,)
    assert hypothesis.attention_weights.shape == (size, size)


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_names_are_looked_for_where_the_rule_says(inner, first):
    """Catches: names taken out of German, where they are nouns; first words confused
    with others, as behind a quotation mark or an abbreviation."""
    rule = CapitalRule(frozenset({"Where", "Dr"}), inner, first)
    translator = CopyTranslator(capital_rule=rule)
    a, b = ("Oyelaran" if not first else own for own in THINGS)
    for sentence, asked in (
        ("Oyelaran is here.", f"{a} is here."),
        ('Where is "Oyelaran", Dr. Oyelaran?', f'Where is "{a}", Dr. {b}?'),
        ("Where is Oyelaran?", f"Where is {FIRST if inner else 'Oyelaran'}?"),
    ):
        translator.translate_sentences([sentence], GREEDY)
        assert translator.asked.pop() == asked


def test_what_is_only_copied_needs_no_network():
    """Catches: a network that is asked for nothing; a number of hypotheses that is not
    checked then."""
    translator = CopyTranslator()
    text = "http://example.org/a, (www.example.com)!\n"
    [translation] = translator.translate([text], GREEDY)
    assert translation.text == text and translator.asked == []
    with pytest.raises(UserError, match="number of hypotheses"):
        translator.translate([text], GREEDY, num_hypotheses=2)


def test_a_lost_placeholder_costs_another_translation():
    """Catches: a thing that is missing from the translation; the others translated
    again, or their order changed."""
    translator = CopyTranslator(loses=NUMBER)
    texts = ["We ate 1234 a_b.", "Where is a_b?", "Is it 345, or 6789?"]
    translations = translator.translate(texts, GREEDY)
    assert sorted(translator.asked[:3], key=len) == [
        f"Where is {FIRST}?",
        f"We ate {NUMBER} {FIRST}.",
        f"Is it {NUMBER}, or {OTHER_NUMBER}?",
    ]
    assert sorted(translator.asked[3:]) == sorted([texts[0], texts[2]])
    assert [translation.text for translation in translations] == texts


class Forgetful(TextTranslator):
    """The best hypothesis has no placeholder, the second one, the third it twice."""

    def __init__(self):
        super().__init__("forgetful", "en", "es", SearchConfig(beam_size=3))
        self.counts = []

    def prepare(self, sentence, is_protected=True):
        assert is_protected, "translated again though one is intact"
        text, originals = protect(sentence)
        return PreparedSentence(text, False, originals)

    def search_sentences(self, sentences, search=None, num_hypotheses=1):
        self.counts.append(num_hypotheses)
        weights = np.ones((1, 1), np.float32)
        return [
            SentenceTranslation(
                sentence,
                ["</s>"],
                [
                    Hypothesis(text, -rank, -rank, ["</s>"], weights, True)
                    for rank, text in enumerate(["Ve.", f"Ve a {FIRST}.", FIRST * 2])
                ][:num_hypotheses],
            )
            for sentence in sentences
        ]


def test_the_best_hypothesis_that_lost_nothing_comes_first():
    """Catches: a second translation, or a worse one, though the beam has an intact one;
    more hypotheses than were asked for."""
    translator = Forgetful()
    [translation] = translator.translate(["Go to www.example.com."])
    assert translation.text == "Ve a www.example.com."
    assert len(translation.sentences[0].hypotheses) == 1
    [translation] = translator.translate(["Go to www.example.com."], None, 3)
    found = [own.text for own in translation.sentences[0].hypotheses]
    assert found == ["Ve a www.example.com.", "Ve.", "www.example.com" * 2]
    translator.translate(["Go home."])
    assert translator.counts == [3, 3, 1]


def test_each_sentence_of_a_beginning_is_of_one_of_the_text():
    """Catches: a second sentence pressed into the first; sentences that are lost where
    the beginning has more of them."""
    asked = []

    class Begun(CopyTranslator):
        def search_sentences(self, sentences, search=None, count=1, prefixes=()):
            asked.append(prefixes)
            return super().search_sentences(sentences, search, count, prefixes)

    two, three = "Ana sings. Bo swims.", "Ana sings. Bo swims. Cy runs."
    Begun().complete(three, "Ana sings. Bo", GREEDY)
    Begun().complete(two, three, GREEDY)
    Begun().complete("Ana sings.", two, GREEDY)
    first, *_ = expected = ["Ana sings.", "Bo", ""]
    assert asked == [expected, [first, "Bo swims. Cy runs."], [two]]


class Stammering(Forgetful):
    """Says the same with other subwords, and nothing."""

    def search_sentences(self, sentences, search=None, num_hypotheses=1):
        weights = np.ones((1, 1), np.float32)
        found = [
            Hypothesis(text, -rank, -rank, ["</s>"], weights, True)
            for rank, text in enumerate(["Ve.", "", "Ve.", "Va.", "Va."])
        ]
        return [SentenceTranslation(s, [], found[:num_hypotheses]) for s in sentences]


def test_hypotheses_that_say_nothing_new_are_left_out():
    """Catches: a choice between two that are alike, or of nothing; one of them in place
    of another that the beam has."""
    search = SearchConfig(beam_size=4)
    [translation] = Stammering().translate(["Go."], search, 2)
    found = translation.sentences[0].hypotheses
    assert [own.text for own in found] == ["Ve.", "Va."]


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("See www.example.com in 345 days. Where is a_b?", "See www.example.com in"),
        ("SEE www.example.com IN 345 DAYS. Where is a_b?", "SEE www.example.com IN"),
        ("www.example.com", "www"),
        (" ", "www"),
        ("It cost 1.000 at a_b.", "It cost 1.000 at"),
        ("Where is it?\n\nSee a_b now. No.", "Where is it? See a_b"),
        ("One. Two.", "One. Two. "),
    ],
)
def test_a_beginning_may_hold_what_is_copied(text, prefix):
    """Catches: a prefix in letters that the network does not write, or that another
    sentence gets."""
    assert CopyTranslator().complete(text, prefix, GREEDY).text == text


def test_a_tokenizer_without_placeholders_protects_nothing(translator):
    assert translator.tokenizer.placeholders == ""
    prepared = translator.prepare("Where is Oyelaran on www.example.com?")
    assert prepared[:3] == ("Where is Oyelaran on www.example.com?", False, {})


def test_marks_around_a_sentence_go_past_the_network():
    """Catches: brackets that the network does not know, given to it; marks lost, in
    other letters or in the middle of a translation that goes on."""
    translator = CopyTranslator()
    texts = ["(We sing.)", '"We sing. We dance."', "“WE SING AT www.example.com!”"]
    found = translator.translate(texts, GREEDY)
    assert [translation.text for translation in found] == texts
    assert translator.asked == [
        "We sing.",
        "We sing.",
        "We dance.",
        f"We sing at {FIRST}!",
    ]
    for prefix in ("(", "(We", "(We sing.)", ""):
        assert translator.complete(texts[0], prefix, GREEDY).text == texts[0]
    assert translator.prepare("(We sing.)").unfinish("(We") == "We"


# Without control characters, which become spaces; U+FFFD, which is dropped; İ, which is
# two characters when small; an &, which becomes a word; and marks around words, which
# may end on another side of other signs.
CHARACTERS = st.characters(
    codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="&*~_[İ\ufffd"
)
PIECES = ["www.example.com", "👩‍👩‍👧", "Oyelaran", "we", "A1", " ", ". "]


@settings(deadline=None)
@given(
    st.lists(
        st.text(CHARACTERS, max_size=9) | st.sampled_from(PIECES),
        max_size=12,
    )
)
def test_a_network_that_copies_gives_every_text_back(pieces):
    """Catches: a thing put back in another one's place, or lost between sentences."""
    text = "".join(pieces)
    [translation] = CopyTranslator().translate([text], GREEDY)
    expected = text.translate(dict.fromkeys(map(ord, PLACEHOLDERS)))
    assert comparable(translation.text) == comparable(expected)


def comparable(text):
    """What of a text comes back: sentences whose words all have capitals do so in small
    letters, numbers in digits and with marks of the target language."""
    return with_ascii_digits(normalize_text(text)).casefold().replace(",", ".")
