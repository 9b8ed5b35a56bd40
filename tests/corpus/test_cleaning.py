import pytest

from translator.corpus import Pair
from translator.corpus.cleaning import (
    REASONS,
    CleaningReport,
    CleaningRules,
    SeenTexts,
    clean_pairs,
)

RULES = CleaningRules(max_characters=40, max_length_ratio=3)


def clean(*pairs: tuple[str, str]) -> tuple[list[Pair], CleaningReport]:
    report = CleaningReport()
    kept = list(clean_pairs([Pair(*pair) for pair in pairs], RULES, report))
    return kept, report


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (("", "Hola."), "empty"),
        (("Hello.", " \u00a0\u2003"), "empty"),
        (("x" * 41, "y" * 40), "too long"),
        (("x" * 40, "y" * 41), "too long"),
        (("Yes.", "Ciertamente que sí, señor."), "length ratio"),
        (("我", "The weather was very nice all day."), "length ratio"),
        (("Ciertamente que sí, señor.", "Yes."), "length ratio"),
        (("Tom Jones", "Tom  Jones"), "identical sides"),
        (("Bell\x07", "Campana"), "control characters"),
        (("Mojibake", "Espa\ufffda"), "control characters"),
        (("Half a pair", "\ud83d"), "control characters"),
        (("A placeholder", "\ufdd0"), "control characters"),
    ],
)
def test_reasons(pair, reason):
    """Catches: one side unchecked, limits off by one, white space taken for text."""
    kept, report = clean(("Good.", "Bien."), pair)
    assert kept == [Pair("Good.", "Bien.")]
    assert report.dropped == {reason: 1}
    assert report.examples == {reason: [Pair(*pair)]}
    assert reason in REASONS


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        (("x" * 40, "y" * 14), None),
        (("Go!", "¡Vete ya mismo!!"), None),  # 5 times, but short
        (("It's 7:30 - DON'T go!", "Son las 7:30, ¡NO vayas, señor Núñez!"), None),
        (("Who?\u202f", "Qui\u00a0?"), ("Who?", "Qui ?")),
        (("tab\there", "cafe\u0301 aquí"), ("tab here", "café aquí")),
        (("नमस्ते", "مرحبا"), None),
        (("👩‍👧 smile", "👩‍👧 sonrisa"), None),
    ],
)
def test_good_pairs_survive(raw, normalized):
    """Catches: deleting digits, case, accents or punctuation, as one tutorial does."""
    assert clean(raw)[0] == [Pair(*(normalized or raw))]


def test_duplicates_are_pairs_not_sentences():
    """Catches: dropping further translations; comparing before normalising."""
    kept, report = clean(
        ("I won!", "¡Gané!"),
        ("I won!", "¡He ganado!"),
        ("I did!", "¡Gané!"),
        ("I\u00a0won!", "¡Gane\u0301!"),
    )
    assert len(kept) == 3
    assert report.dropped == {"duplicate": 1}


def test_the_report_adds_up_and_keeps_few_examples():
    """Catches: examples that grow with the corpus; pairs counted twice."""
    _, report = clean(*[("", str(i)) for i in range(10)], ("One", "Uno"))
    assert (report.read, report.kept, report.dropped) == (11, 1, {"empty": 10})
    assert report.examples == {"empty": [Pair("", str(i)) for i in range(3)]}


def test_cleaning_is_lazy():
    """Catches: reading the corpus into a list."""

    def pairs():
        yield Pair("One", "Uno")
        raise AssertionError("read ahead")

    assert next(clean_pairs(pairs(), RULES, CleaningReport())) == ("One", "Uno")


def test_texts_seen_are_known_after_the_table_grew():
    """Catches: hashes lost when the table grows, and a probe that stops at the end."""
    seen = SeenTexts()
    texts = [str(i) for i in range(5_000)]
    assert all(map(seen.add, texts))
    assert not any(map(seen.add, texts))
    assert len(seen) == len(texts)


def test_hashes_that_meet_in_a_slot(monkeypatch):
    """Catches: two texts taken for one because they share a slot, or the hash of 0
    taken for a free slot."""
    hashes = {"a": 1023, "b": 2047, "c": 0, "d": 3071}
    monkeypatch.setattr("translator.corpus.cleaning.hash_text", hashes.get)
    seen = SeenTexts()
    assert [seen.add(text) for text in "abcdabcd"] == [True] * 4 + [False] * 4


def test_chinese_is_as_long_as_what_it_says():
    """Catches: half of a corpus dropped, as its sentences have few characters."""
    pairs = [Pair("我们应该尊重传统。", "We should all respect the old traditions.")]
    report = CleaningReport()
    assert list(clean_pairs(pairs, CleaningRules(), report)) == pairs
