"""Pairs as people would type them: what changes, what stays, and how often."""

import random
import re
from collections import Counter

import pytest

from translator.augmentation import (
    ALTERATIONS,
    augment,
    exchange_letters,
    insert_at_end,
    numerals_of,
    put_placeholders,
    without_final_mark,
)
from translator.corpus import Pair
from translator.placeholders import NUMBERS, PLACEHOLDERS, THINGS
from translator.words import LETTER

PAIR = Pair("Yesterday Rita sold 12 bikes.", "Ayer Rita vendió 12 bicicletas.")
PLAIN = Pair("Where is the bridge?", "¿Dónde está el puente?")


def outcomes(alter, pair, count=300):
    rng = random.Random(1)
    return [alter(pair, rng) for _ in range(count)]


small_letters, no_final_mark, typo = ALTERATIONS


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


def with_placeholders(pair, share=1.0, count=2_000, beside=()):
    """What becomes of many copies of a pair; placeholders are `{}`."""
    marks = str.maketrans(dict.fromkeys(PLACEHOLDERS, "{}"))
    found = put_placeholders([pair] * count + [*beside], share, random.Random(1))
    found = found[:count]
    for source, target in found:
        assert sorted(set(source) & set(PLACEHOLDERS)) == sorted(
            letter for letter in target if letter in PLACEHOLDERS
        ), "the same on both sides, each once"
    return Counter(tuple(side.translate(marks) for side in pair) for pair in found)


def test_placeholders_stand_for_what_is_alike_on_both_sides():
    """Catches: one side alone, a word in small letters or at the start, the same
    choice each time.
    """
    found = with_placeholders(PAIR)
    alone = {
        ("Yesterday {} sold 12 bikes.", "Ayer {} vendió 12 bicicletas."),
        ("Yesterday Rita sold {} bikes.", "Ayer Rita vendió {} bicicletas."),
        ("Yesterday {} sold {} bikes.", "Ayer {} vendió {} bicicletas."),
    }
    assert alone < set(found)
    further = sum(count for pair, count in found.items() if pair not in alone)
    assert 400 < further < 600
    same = Pair("No actor sings in the bar.", "No canta ningún actor en el bar.")
    assert {source.count("actor") for source, _ in with_placeholders(same)} == {1}
    assert {source[:3] for source, _ in with_placeholders(same)} == {"No ", "{} "}
    first = Pair("Rita left.", "Rita se fue.")
    assert ("{} left.", "{} se fue.") not in with_placeholders(first)
    assert ("{} left.", "{} se fue.") in with_placeholders(first, beside=[PAIR])
    assert {own[:3] for own, _ in with_placeholders(same, beside=[PAIR])} == {
        "No ",
        "{} ",
    }
    twice = Pair("So Rita and Rita met.", "Así se vieron Rita y Rita.")
    assert all("Rita y Rita" in target for _, target in with_placeholders(twice))


def test_placeholders_are_added_where_nothing_is_alike():
    """Catches: one in every pair, one behind the final mark."""
    ends = ("{}", "{} {}", "{} {} {}")
    assert with_placeholders(PLAIN, 1.0).keys() == {
        PLAIN,
        *((f"Where is the bridge {e}?", f"¿Dónde está el puente {e}?") for e in ends),
        *((f"{e} Where is the bridge?", f"{e} ¿Dónde está el puente?") for e in ends),
    }
    assert 150 < 2_000 - with_placeholders(PLAIN, 1.0)[PLAIN] < 250


def test_a_share_gets_placeholders():
    """Catches: all or none; another draw for the same seed; one that is never used."""
    changed = 2_000 - with_placeholders(PAIR, 0.25)[PAIR]
    assert 400 < changed < 600
    assert with_placeholders(PAIR, 0.0)[PAIR] == 2_000
    assert with_placeholders(PAIR, 0.25) == with_placeholders(PAIR, 0.25)
    texts = [source for source, _ in put_placeholders([PAIR] * 99, 1, random.Random(1))]
    assert set(PLACEHOLDERS) < set("".join(texts))


def test_numbers_have_placeholders_of_their_own():
    """Catches: a number's placeholder for a name, or the other way round; a numeral
    whose translation is another word; an article taken for a number.
    """
    numerals = numerals_of("en", "es")
    kinds = str.maketrans(dict.fromkeys(THINGS, "*") | dict.fromkeys(NUMBERS, "#"))

    def found(source, target):
        pairs = [Pair(source, target)] * 200
        made = put_placeholders(pairs, 1.0, random.Random(1), numerals)
        texts = [tuple(side.translate(kinds) for side in pair) for pair in made]
        size = len(source.split())  # without any that are added at an end
        return {pair for pair in texts if len(pair[0].split()) == size}

    assert ("So * sold # bikes.", "Así * vendió # bicis.") in found(
        "So Rita sold three bikes.", "Así Rita vendió tres bicis."
    )
    assert found("I saw 3 of 12.", "Vi 3 de 12.") == {
        ("I saw # of #.", "Vi # de #."),
        ("I saw 3 of #.", "Vi 3 de #."),
        ("I saw # of 12.", "Vi # de 12."),
    }
    for same in ("I saw one.", "Vi una."), ("I saw two.", "Vi un par."):
        assert found(*same) == {same}
    assert numerals_of("en", "xx") == {}


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


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("वह घर गया।", "He went home."), ("वह घर गया", "He went home")),
        (("ቤት ሄደ።", "He went"), ("ቤት ሄደ።", "He went")),
        (("He went", "Fue."), ("He went", "Fue.")),
    ],
)
def test_both_sides_lose_their_mark_or_none(pair, expected):
    """Catches: a stop of another script that stays, so that the target alone loses its
    own, and the network learns to leave it out."""
    assert no_final_mark(Pair(*pair), random.Random(1)) == expected


def test_letters_keep_their_marks():
    """Catches: vowels of another letter's; Latin letters in other scripts."""
    pair = Pair("मेरा विद्यालय यहाँ है", "x")
    letters = {*LETTER.findall(pair.source)}
    for found in outcomes(typo, pair):
        assert {*LETTER.findall(found.source)} <= letters
        assert found.source[0] not in "ाँिी"


def test_words_of_one_script_are_not_cut():
    """Catches: a placeholder in the middle of a word."""
    pair = Pair("मुझे हिन्दी आती है।", "मला हिन्दी येते।")
    found = with_placeholders(pair)
    sources = {source for source, _ in found}
    assert "मुझे {} आती है।" in sources
    assert not any(
        re.search(r"{}[\u0900-\u0963]|[\u0900-\u0963]{}", s) for s in sources
    )
