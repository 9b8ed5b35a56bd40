import random

import pytest
from toy_corpus import make_pairs

from translator.corpus import Pair
from translator.corpus.cleaning import HELD_OUT, CleaningReport, hash_text
from translator.corpus.splitting import (
    HeldOut,
    Shares,
    drop_held_out,
    hold_out,
    sentence_key,
    separate_dev,
)

SHARES = Shares(dev=0.1, test=0.2)


def split(pairs: list[Pair], shares: Shares = SHARES) -> tuple[list[Pair], HeldOut]:
    held_out = HeldOut()
    candidates = list(hold_out(pairs, shares, held_out))
    separate_dev(held_out)
    return list(drop_held_out(candidates, held_out, CleaningReport())), held_out


def keys(pairs: list[Pair], side: int) -> set[str]:
    return {sentence_key(pair[side]) for pair in pairs}


def test_shares_are_of_distinct_sentences():
    """Catches: dev and test exchanged; a hash that is not uniform."""
    pairs = [Pair(f"Sentence number {i}", f"Frase {i}") for i in range(10_000)]
    train, held_out = split(pairs)
    # Standard deviations: 30 and 40.
    assert len(held_out.dev) == pytest.approx(1_000, abs=150)
    assert len(held_out.tests["test"]) == pytest.approx(2_000, abs=200)
    assert len(train) == 10_000 - len(held_out.dev) - len(held_out.tests["test"])


def test_the_same_sentence_is_held_out_on_every_machine():
    """Catches: Python's own `hash`, which differs from process to process.

    The places come from `printf "it rains" | b2sum -l 64`, and so on.
    """
    pairs = [
        Pair("They left early.", "a"),  # 4c6a5afb436b80e3: 0.30 of the way
        Pair("It rains!", "b"),  # 97591055c04e66e6: 0.59
        Pair("We sat down.", "c"),  # d0ad09c348dfe9d2: 0.82
    ]
    train, held_out = split(pairs, Shares(test=0.4, dev=0.3))
    assert held_out.tests["test"] == pairs[:1]
    assert held_out.dev == pairs[1:2]
    assert train == pairs[2:]


def test_no_sentence_of_dev_or_test_is_trained_on():
    """Catches: a split by rows; targets shared by different sources left in train."""
    pairs = make_pairs(3_000)
    train, held_out = split(pairs)
    for side in (0, 1):
        trained = keys(train, side)
        assert not trained & keys(held_out.dev, side)
        assert not trained & keys(held_out.tests["test"], side)
    references = {t for known in held_out.references.values() for t in known}
    assert len(references) > len(held_out.dev) + len(held_out.tests["test"])


def test_dev_and_test_share_no_sentence():
    """Catches: choosing the model on sentences of the test."""
    _, held_out = split(make_pairs(3_000))
    for side in (0, 1):
        assert not keys(held_out.dev, side) & keys(held_out.tests["test"], side)


def test_variants_of_a_sentence_stay_together():
    """Catches: a test of "Come here!" after training on "come here."."""
    variants = [
        "Come here, Tom!",
        "come here Tom.",
        "COME HERE — TOM",
        "«Come here» Tom",
    ]
    for number in range(50):
        pairs = [Pair(f"{v} {number}", f"{v} es {number}") for v in variants]
        train, held_out = split(pairs)
        sizes = [len(train), len(held_out.dev), len(held_out.tests["test"])]
        assert sorted(sizes) == [0, 0, len(variants)]


@pytest.mark.parametrize(
    ("one", "other"), [("At 2:30", "At 2:31"), ("की", "का"), ("$5", "£5"), ("!", "?")]
)
def test_different_sentences_have_different_keys(one, other):
    """Catches: r"\\W", which deletes vowel signs; empty keys for bare punctuation."""
    assert sentence_key(one) != sentence_key(other)


def test_adding_data_moves_no_sentence():
    """Catches: a random split, or one by position."""
    pairs = make_pairs(3_000)
    more = [*pairs, *make_pairs(2_000, seed=1)]
    random.Random(2).shuffle(more)
    train, held_out = split(pairs)
    more_train, more_held_out = split(more)
    assert keys(held_out.tests["test"], 0) <= keys(more_held_out.tests["test"], 0)
    assert not keys(more_train, 0) & keys(held_out.tests["test"], 0)
    assert not keys(more_train, 0) & keys(held_out.dev, 0)
    assert len(more_train) > len(train)


@pytest.mark.parametrize(
    ("num_pairs", "smallest", "largest"),
    # A twentieth of the first, 200 of the second, the shares of the third.
    [(1_000, 30, 70), (8_000, 200, 200), (60_000, 550, 1_300)],
)
def test_a_small_corpus_gives_more_than_its_share(num_pairs, smallest, largest):
    """Catches: scores of fifty sentences; sets that depend on the order of the pairs,
    or that share a sentence."""
    pairs = [Pair(f"Sentence number {i}", f"Frase {i}") for i in range(num_pairs)]
    train, held_out = split(pairs, Shares())
    sets = [train, held_out.dev, held_out.tests["test"]]
    assert [smallest <= len(some) <= largest for some in sets[1:]] == [True, True]
    assert sum(map(len, sets)) == len({pair for some in sets for pair in some})
    train, backwards = split(pairs[::-1], Shares())
    assert {*backwards.dev} == {*held_out.dev}
    assert {*backwards.tests["test"]} == {*held_out.tests["test"]}


def test_a_larger_corpus_keeps_what_its_shares_hold():
    """Catches: other sets than before there was a smallest size."""
    pairs = [Pair(f"Sentence number {i}", f"Frase {i}") for i in range(30_000)]
    _, held_out = split(pairs, Shares())
    place = {pair: hash_text(sentence_key(pair.source)) / 2**64 for pair in pairs}
    assert {*held_out.tests["test"]} == {p for p in pairs if place[p] < 0.02}
    assert {*held_out.dev} == {p for p in pairs if 0.02 <= place[p] < 0.03}


def test_a_large_corpus_holds_out_no_more(monkeypatch):
    """Catches: sets that grow with the corpus; pairs lost when a sentence goes back to
    training, or left in both; sets that depend on the order of the pairs."""
    pairs = make_pairs(3_000)
    _, everything = split(pairs, SHARES)
    monkeypatch.setattr("translator.corpus.splitting.MAX_HELD_OUT", 20)
    train, held_out = split(pairs)
    for name, some, every in (
        ("dev", held_out.dev, everything.dev),
        ("test", held_out.tests["test"], everything.tests["test"]),
    ):
        assert len(keys(some, 0)) <= 20 < len(keys(every, 0)), name
    assert len(keys(held_out.tests["test"], 0)) == 20
    _, backwards = split(pairs[::-1])
    assert keys(backwards.tests["test"], 0) == keys(held_out.tests["test"], 0)
    held_out_again = HeldOut()
    candidates = list(hold_out(pairs, SHARES, held_out_again))
    references = [
        Pair(source, target)
        for source, known in held_out_again.references.items()
        for target in known
    ]
    assert sorted(candidates + references) == sorted(pairs)


def test_one_line_a_sentence_and_all_its_references():
    """Catches: a test with a line for each translation, or without the others."""
    pairs = [Pair(f"Sentence {i}", f"{name} {i}") for i in range(300) for name in "ABA"]
    _, held_out = split(pairs)
    test = held_out.tests["test"]
    assert len(keys(test, 0)) == len(test) > 30
    for pair in test:
        number = pair.source.split()[1]
        assert pair.target == f"A {number}"
        assert held_out.references[pair.source] == [f"A {number}", f"B {number}"]


def test_dropped_pairs_are_counted():
    """Catches: pairs that vanish from the report, or are counted as kept."""
    held_out = HeldOut(dev=[Pair("a b", "c")], tests={"test": [Pair("d", "e")]})
    held_out.references = {"a b": ["c", "c2"], "d": ["e"]}
    report = CleaningReport(kept=5)
    pairs = [Pair("A b.", "x"), Pair("y", "C2!"), Pair("z", "E"), Pair("ok", "si")]
    assert list(drop_held_out(pairs, held_out, report)) == [Pair("ok", "si")]
    assert (report.kept, report.dropped) == (2, {HELD_OUT: 3})


def test_a_share_of_zero_leaves_a_set_alone():
    """Catches: an empty test beside the corpus' own tests."""
    held_out = HeldOut()
    pairs = make_pairs(500)
    assert list(hold_out(pairs, Shares(dev=0.0, test=0.0), held_out)) == pairs
    assert held_out == HeldOut()
