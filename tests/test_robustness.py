"""Altered copies: what is altered, what is wanted, and what is counted."""

import random
from types import SimpleNamespace

import pytest

from translator import robustness
from translator.corpus import Pair
from translator.robustness import (
    COLUMNS,
    load_robustness,
    measure_robustness,
    save_robustness,
)

PAIRS = [
    Pair("Today Rita bought 12 red apples.", "Hoy Rita compró 12 manzanas rojas."),
    Pair("Where is the old bridge?", "¿Dónde está el puente viejo?"),
    Pair("I like Rita", "Me gusta Rita"),
]


def altered(name):
    alter, _ = robustness._ALTERATIONS[name]
    return list(alter(PAIRS, random.Random(1)))


def test_what_is_typed_and_what_is_wanted():
    """Catches: another sentence's reference, a mark or a space too many or too few."""
    assert altered("small letters")[0][1:3] == (
        "today rita bought 12 red apples.",
        PAIRS[0].target,
    )
    assert altered("UPPER CASE")[1][1:3] == ("WHERE IS THE OLD BRIDGE?", PAIRS[1][1])
    assert altered("Title Case")[1].source == "Where Is The Old Bridge?"
    assert [text.places for text in altered("no final punctuation")] == [(0,), (1,)]
    assert altered("no final punctuation")[1].source == "Where is the old bridge"
    assert altered("spaces around")[2].source == "  I like Rita "
    [two] = altered("two sentences")
    assert two == ((0, 1), *(f"{a} {b}" for a, b in zip(*PAIRS[:2], strict=True)), "")
    assert {text.source for text in altered("a single word")} < set(
        " ".join(source for source, _ in PAIRS).replace("?", "").split()
    )


def test_a_typo_is_two_letters_exchanged():
    """Catches: the first letter, a short word, a letter lost."""
    for text in altered("a typo"):
        source = PAIRS[text.places[0]][0]
        [first, second] = [
            i
            for i, (a, b) in enumerate(zip(source, text.source, strict=True))
            if a != b
        ]
        assert second == first + 1 and source[first - 1].isalpha()
        assert text.source[first] == source[second]


@pytest.mark.parametrize(
    ("name", "old", "places"),
    [("other numbers", "12", [(0,)]), ("unseen names", "Rita", [(0,), (2,)])],
)
def test_what_stands_on_both_sides_is_exchanged_on_both(name, old, places):
    """Catches: one side alone, a word at the start of a sentence taken for a name."""
    texts = altered(name)
    assert [text.places for text in texts] == places
    for text in texts:
        source, reference = PAIRS[text.places[0]]
        assert text.source == source.replace(old, text.kept)
        assert text.reference == reference.replace(old, text.kept)
        assert text.kept not in source


def test_a_first_name_is_exchanged_where_it_is_first():
    pairs = [("Rita met Ana.", "Rita vio a Ana."), ("We met Rita.", "Vimos a Rita.")]
    alter, _ = robustness._ALTERATIONS["unseen names first"]
    [text] = alter([Pair(*pair) for pair in pairs], random.Random(1))
    assert text.source == f"{text.kept} met Ana." and text.kept != "Rita"
    assert text.reference == f"{text.kept} vio a Ana."


@pytest.mark.parametrize("name", ["an emoji", "a URL"])
def test_what_is_added_stands_before_the_final_mark(name):
    text = altered(name)[1]
    assert text.source == f"Where is the old bridge {text.kept}?"
    assert text.reference == f"¿Dónde está el puente viejo {text.kept}?"


class Translator:
    """Knows the sentences, with any spaces around; answers the rest as `other` does."""

    def __init__(self, other):
        self.other = other

    def translate(self, texts, search=None):
        known = dict(PAIRS)
        return [
            SimpleNamespace(text=known.get(text.strip()) or self.other(text))
            for text in texts
        ]


def measure(other):
    rows = measure_robustness(Translator(other), *zip(*PAIRS, strict=True))
    return {row.name: row for row in rows}


def test_scores_are_of_the_same_sentences_before_and_after():
    """Catches: BLEU of the whole set for that of a part, a loss of the wrong sign."""
    rows = measure(lambda text: "nada")
    assert rows["spaces around"].altered == pytest.approx(100)
    assert rows["other numbers"].num_texts == 1
    assert rows["unseen names first"].num_texts == 0
    for row in rows.values():
        if row.name not in ("a single word", "unseen names first"):
            assert row.clean == pytest.approx(100)
    assert rows["other numbers"].altered < 1 and rows["other numbers"].intact == 0
    assert rows["a single word"].intact == 100 and rows["a single word"].clean is None
    assert rows["UPPER CASE"].intact is None


def test_what_is_kept_is_counted_once():
    """Catches: a copy twice taken for intact; long answers to single words."""
    rows = measure(lambda text: f"{text} {text} y más")
    assert rows["a URL"].intact == 0 and rows["a single word"].intact == 0
    assert measure(lambda text: text)["a URL"].intact == 100


def test_case_is_not_held_against_capitals():
    capitals = {source.upper(): reference.upper() for source, reference in PAIRS}
    row = measure(lambda text: capitals.get(text, ""))["UPPER CASE"]
    assert row.altered == pytest.approx(100)


def test_a_set_without_names_has_an_empty_row():
    pair = [("we sleep.", "dormimos.")]
    rows = measure_robustness(Translator(str), *zip(*pair, strict=True))
    names = next(row for row in rows if row.name == "unseen names")
    assert names.cells() == ["unseen names", "0", "", "", "", ""]


def test_a_file_keeps_everything(tmp_path):
    rows = list(measure(str).values())
    save_robustness(rows, tmp_path)
    assert load_robustness(tmp_path) == rows
    assert load_robustness(tmp_path / "none") == []
    assert all(len(row.cells()) == len(COLUMNS) for row in rows)
