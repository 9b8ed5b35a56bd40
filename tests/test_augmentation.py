"""Pairs as people would type them: what changes, what stays, and how often."""

import random

import pytest

from translator.augmentation import (
    ALTERATIONS,
    augment,
    exchange_letters,
    insert_at_end,
    without_final_mark,
)
from translator.corpus import Pair

PAIR = Pair("Yesterday Rita sold 12 bikes.", "Ayer Rita vendió 12 bicicletas.")
PLAIN = Pair("Where is the bridge?", "¿Dónde está el puente?")


def outcomes(alter, pair, count=300):
    rng = random.Random(1)
    return [alter(pair, rng) for _ in range(count)]


small_letters, no_final_mark, typo, copy = ALTERATIONS


def test_a_share_of_the_pairs_is_altered_and_their_order_kept():
    """Catches: all or none altered, pairs lost, the same draw for every pair."""
    pairs = [Pair(f"Sentence {n} stands here.", f"Frase {n}.") for n in range(2_000)]
    result = augment(pairs, 0.25, random.Random(1))
    changed = [new != old for new, old in zip(result, pairs, strict=True)]
    assert 400 < sum(changed) < 600
    assert augment(pairs, 0.0, random.Random(1)) == pairs
    assert augment(pairs, 0.25, random.Random(1)) == result


def test_the_target_stays_neat():
    """Catches: small letters or typos taught as translations."""
    assert {pair.target for pair in outcomes(small_letters, PAIR)} == {PAIR.target}
    assert {pair.target for pair in outcomes(typo, PAIR)} == {PAIR.target}
    assert small_letters(PAIR, random.Random(1)).source == PAIR.source.lower()
    assert no_final_mark(PAIR, random.Random(1)) == Pair(PAIR[0][:-1], PAIR[1][:-1])


def test_a_typo_is_one_edit():
    sources = {pair.source for pair in outcomes(typo, PAIR)}
    assert len(sources) > 50
    for source in sources:
        assert abs(len(source) - len(PAIR.source)) <= 1
        assert sum(a != b for a, b in zip(source, PAIR.source, strict=False)) or (
            source == PAIR.source
        )
        assert "12" in source


def test_names_and_numbers_are_exchanged_on_both_sides():
    """Catches: another name on each side, a word at the start taken for a name."""
    for source, target in outcomes(copy, PAIR):
        name = source.split()[1]
        assert source == PAIR.source.replace("Rita", name) and name != "Rita"
        assert target == PAIR.target.replace("Rita", name)
    without_name = Pair("He sold 12 bikes.", "Vendió 12 bicicletas.")
    assert len({pair.source for pair in outcomes(copy, without_name)}) > 100
    for source, target in outcomes(copy, without_name):
        number = source.split()[2]
        assert number.isdigit() and target == f"Vendió {number} bicicletas."


def test_a_piece_is_added_to_both_sides_where_nothing_is_shared():
    pieces = set()
    for source, target in outcomes(copy, PLAIN):
        if source.startswith("Where"):
            piece = source.removeprefix("Where is the bridge ").removesuffix("?")
            assert target == f"¿Dónde está el puente {piece}?"
        else:
            piece = source.removesuffix(f" {PLAIN.source}")
            assert target == f"{piece} {PLAIN.target}"
        pieces.add(piece)
    assert len(pieces) > 250
    assert any(piece.isdigit() for piece in pieces)
    assert any("://" in piece for piece in pieces)
    assert any(ord(piece[0]) > 0x1F000 for piece in pieces)


@pytest.mark.parametrize("text", ["", ".", "a", "¿?", "12", "…", "ab ab", "Éé éÉ"])
def test_short_and_odd_texts_come_through(text):
    """Catches: an empty choice, a pair with nothing left on one side."""
    for alter in ALTERATIONS:
        for source, target in outcomes(alter, Pair(text, "x."), 30):
            assert target
            if alter is not typo:
                assert source or not text
    assert exchange_letters(text, random.Random(1)) == text


def test_marks_of_other_scripts_are_final_too():
    assert without_final_mark("本当ですか？") == "本当ですか"
    assert insert_at_end("Ay…", "🚲") == "Ay 🚲…"
    assert insert_at_end("Ay", "🚲") == "Ay 🚲"
