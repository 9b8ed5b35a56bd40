"""What cannot be translated is taken out, and comes back as it was."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.placeholders import (
    NUMBERS,
    PLACEHOLDERS,
    THINGS,
    CapitalRule,
    NumberMarks,
    drop_placeholders,
    find_capital_rule,
    is_intact,
    protect,
    protect_copies,
    restore,
    rewrite_number,
    with_ascii_digits,
)

EXAMPLES = (
    "https://example.org/a/17?b=2",
    "http://example.net/x-y",
    "www.example.com",
    "example.org/path_(one",
    "ftp://files.example.org",
    "ana.ruiz+list@mail.example.org",
    "@ana_ruiz",
    "#late",
    "report.pdf",
    "my-notes.v2.txt",
    "/etc/hosts",
    "~/notes/today.md",
    "./run",
    "C:\\Users\\ana",
    "🎉",
    "❤️",
    "👩‍👩‍👧",
    "👋🏽🎉",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "1️⃣",
    "B2B",
    "my_file",
    "3D",
    "F-16",
    "`ls -l`",
    "{name}",
    "{0}",
    "${NAME}",
    "{{ user.name }}",
    "%s",
    "%1$d",
    "%(name)s",
    "$HOME",
    "--help",
    "*.txt",
    "Ctrl+C",
    "C++",
    "C#",
    "→",
    "§",
    ">",
    "<=",
    "COVID-19",
    "1990",
    "123456",
    "2024-11-21",
    "+49-170-1234567",
    "192.168.0.1",
    "100,000,000",
    "1,234.56",
)
TEXTS = st.lists(
    st.one_of(st.text(), st.sampled_from([*EXAMPLES, " ", "Rita", *".,()"]))
)


def is_unknown(word, is_first):
    return not is_first and word in ("Oyelaran", "Ksenija", "Éloïsette")


@pytest.mark.parametrize("thing", EXAMPLES)
@pytest.mark.parametrize("frame", ["See {}.", "{} is it", "Is ({}), too?", "“a {}”!"])
def test_what_is_taken_out(thing, frame):
    """Catches: a part left behind, a full stop or a bracket taken along."""
    if thing[0] in "/~." and frame.startswith("Is"):
        frame = "Is {}, too?"  # "and (/or)" holds no path
    kind = NUMBERS if re.fullmatch("[-+.,0-9]+", thing) else THINGS
    assert protect(frame.format(thing)) == (frame.format(kind[0]), {kind[0]: thing})


@pytest.mark.parametrize(
    "sentence",
    [
        "and/or, he/she, km/h / mph",
        "at 7:45 on the 21st of the 1990s, 10km, 5.",
        "It is late.We wait e.g. at 5 p.m. with 12 men and 1.5 cats.",
        "a well-known T-shirt & R&D - @ # &#39;",
        "20% off--or $5, * 7 * {not one of these} <3 `",
        "Rita met Oyelaran in New York",
        "本当ですか？ Привет, как дела?",
        "",
    ],
)
def test_what_stays(sentence):
    """Catches: words that have a translation taken for things to copy."""
    assert protect(sentence) == (sentence, {})


ENGLISH, GERMAN = NumberMarks(",", "."), NumberMarks(".", ",")
NUMBERS_REWRITTEN = (
    ("24,100", ENGLISH, GERMAN, "24.100"),
    ("1,234,567.891", ENGLISH, NumberMarks("\u202f", ","), "1\u202f234\u202f567,891"),
    ("24.100", GERMAN, ENGLISH, "24,100"),
    ("3,50", GERMAN, ENGLISH, "3.50"),
    ("1.234,5", GERMAN, NumberMarks("’", "."), "1’234.5"),
    ("24.100", ENGLISH, GERMAN, "24.100"),  # a version, or a German's number
    ("3.11", ENGLISH, GERMAN, "3.11"),
    ("1234,567", ENGLISH, GERMAN, "1234,567"),
    ("12.05.2026", GERMAN, ENGLISH, "12.05.2026"),
    ("192.168.100.200", GERMAN, ENGLISH, "192.168.100.200"),
    ("١٢٣,٤٥٦", ENGLISH, GERMAN, "١٢٣,٤٥٦"),
    ("a_1,000", ENGLISH, GERMAN, "a_1,000"),
    ("", ENGLISH, GERMAN, ""),
    ("+1,500", ENGLISH, GERMAN, "+1.500"),
    ("1,000-2,000/3,000.5", ENGLISH, GERMAN, "1.000-2.000/3.000,5"),
    ("10-12,5", GERMAN, ENGLISH, "10-12.5"),
    ("030.123.456", GERMAN, ENGLISH, "030.123.456"),
    ("0,500", ENGLISH, GERMAN, "0,500"),
    ("555-1234", ENGLISH, GERMAN, "555-1234"),
)


@pytest.mark.parametrize(("text", "source", "target", "expected"), NUMBERS_REWRITTEN)
def test_numbers_get_the_marks_of_the_language(text, source, target, expected):
    """Catches: 24,100 read as 24 by Germans; an address or a version with other marks;
    marks exchanged one after the other, and so twice.
    """
    assert rewrite_number(text, source, target) == expected


def test_unknown_names_are_taken_out_but_at_the_start():
    """Catches: a name taken for the rest of the word; the first word taken."""
    sentence = "Oyelaran met Ksenija and Rita; Oyelaran's ksenija left, not Éloïsette."
    text, originals = protect(sentence, is_unknown=is_unknown)
    first, second, third = *THINGS, NUMBERS[-1]
    assert originals == {first: "Ksenija", second: "Oyelaran", third: "Éloïsette"}
    assert text == (
        f"Oyelaran met {first} and Rita; {second}'s ksenija left, not {third}."
    )


@pytest.mark.parametrize(
    ("sentence", "things"),
    [
        ("我在2024年去了北京。", ["2024"]),
        ("我有3本书", []),
        ("iPhone15很贵", ["iPhone15"]),
        ("በ2024 ראש ב2025", ["2024", "2025"]),
        ("价格是99.5元", ["99.5"]),
        ("访问www.example.com吧", ["www.example.com"]),
        ("#हिन्दी है, मेरा F-16", ["#हिन्दी", "F-16"]),
        ("He saw Ọlọ́run.", ["Ọlọ́run"]),
        ("मेरा Oyelaran", ["Oyelaran"]),
    ],
)
def test_scripts_without_spaces_or_capitals(sentence, things):
    """Catches: a clause taken for a code, as a digit stands in it; a word cut at its
    accent or its vowel."""
    text, originals = protect(sentence, is_unknown=lambda word, is_first: not is_first)
    assert sorted(originals.values()) == sorted(things)
    assert restore(text, originals) == sentence


@given(TEXTS, st.integers(0, len(PLACEHOLDERS)))
def test_restoring_gives_every_text_back(pieces, count):
    """Catches: things in the wrong order, one dropped where there are too many, text of
    one's own taken for a placeholder.
    """
    sentence = "".join(pieces)
    text, originals = protect(sentence, PLACEHOLDERS[:count], is_unknown)
    assert len(originals) <= count
    assert is_intact(text, originals)
    assert restore(text, originals) == drop_placeholders(sentence)
    if set(PLACEHOLDERS).isdisjoint(sentence):
        assert restore(text, originals) == sentence


@given(TEXTS)
def test_a_beginning_gets_the_same_placeholders(pieces):
    """Catches: an original put where another one's placeholder belongs."""
    text, originals = protect(" ".join(pieces))
    things = [*originals.values()]
    if len({*things}) == len(things) and not any(
        a in b for a in things for b in (*things, text) if a is not b
    ):
        assert protect_copies(restore(text, originals), originals) == text


def test_a_number_is_not_found_in_a_longer_one():
    """Catches: the second number begun with the placeholder of the first."""
    first, second = NUMBERS
    originals = {first: "1234", second: "12345"}
    assert protect_copies("Llama al 12345", originals) == f"Llama al {second}"
    assert protect_copies("12345 o 1234.", originals) == f"{second} o {first}."
    assert protect_copies("a😀b", {"@": "😀"}) == "a@b"
    assert protect_copies("在1234年", originals) == f"在{first}年"


def test_the_rest_stays_when_there_are_more_things():
    first, second = THINGS
    third, fourth = NUMBERS
    expected = {first: "a1", second: "b2", third: "234", fourth: "567"}
    found = protect("a1 234 b2 c3 567 8910")
    assert found == (f"{first} {third} {second} c3 {fourth} 8910", expected)
    # One kind has more, and takes what the other leaves.
    found = protect("a1 b2 c3 234 d4")
    expected = {first: "a1", second: "b2", fourth: "c3", third: "234"}
    assert found == (f"{first} {second} {fourth} {third} d4", expected)
    expected = {third: "123", fourth: "234", second: "345", first: "456"}
    assert protect("123 234 345 456 567")[1] == expected


def test_placeholders_of_the_text_itself_are_left_out():
    """Catches: a text's own character replaced by another thing of it."""
    text, originals = protect(f"a{THINGS[0]} b2")
    assert (text, originals) == (f"a {THINGS[0]}", {THINGS[0]: "b2"})


@pytest.mark.parametrize(
    ("translation", "expected"),
    [("{1} y {0}", True), ("{0}", False), ("{0} {0} {1}", False), ("{0} {2}", False)],
)
def test_intact_is_each_once(translation, expected):
    assert is_intact(translation.format(*PLACEHOLDERS), PLACEHOLDERS[:2]) is expected


def test_what_stands_for_nothing_is_dropped():
    assert restore(f"a{THINGS[1]}b{THINGS[0]}", {THINGS[0]: "x"}) == "abx"
    assert restore(f"{THINGS[1]} We {NUMBERS[0]} sing {NUMBERS[1]}.", {}) == "We sing."


def test_the_words_that_training_knows():
    """Catches: a name that was mostly copied, or a word that is cut, known; a word that
    is only known in small letters, or as a first word, unknown."""
    pairs = [
        ("On Thursday Oyelaran came.", "El jueves vino Oyelaran."),
        ("We ate in Cairo on Thursday.", "Comimos en El Cairo el jueves."),
        ("We saw Cairo on the way.", "Vimos Cairo por el camino."),
        ("Éclairs come from Brussels.", "Los bollos vienen de Bruselas."),
        ("Tom bought a hotel.", "Tom compró un hotel."),
    ]
    rule = find_capital_rule(pairs, lambda word: len(word) > 3)
    assert rule.known_words == frozenset(
        "On Thursday Came We Ate In Saw The Way Éclairs Come From Brussels Tom Bought "
        "Hotel".split()
    )
    assert not rule.is_unknown("Hotel", is_first=True)
    assert rule.is_unknown("Cairo", is_first=False)


@pytest.mark.parametrize(
    ("source", "target", "inner", "first"),
    [
        ("{} saw {}.", "{} vio a {}.", True, True),
        ("{} sees the {}.", "El gato vio a {1}.", True, False),
        ("{} likes the {}.", "A {0} le gusta la pera.", False, True),
    ],
)
def test_words_seen_once_tell_of_those_never_seen(source, target, inner, first):
    """Catches: nouns taken for names where all have a capital, first words that are
    verbs taken for them; words seen often, or in small letters, that count too."""
    names = [f"{a}{b}o" for a in "BDFGKL" for b in ("ani", "eru", "olu")]
    pairs = [
        (source.format(*two), target.format(*two))
        for two in zip(names[:9], names[9:], strict=True)
    ]
    pairs += [("May we eat on Thursday?", "¿Comemos el jueves?")] * 99
    pairs += [(f"we {name} it", "lo comemos") for name in ("xanu", "xeru", "xolu")]
    rule = find_capital_rule(pairs, lambda word: True)
    assert rule[1:] == (inner, first, True)


@pytest.mark.parametrize(("share", "folds"), [(0.02, True), (0.3, False)])
def test_a_corpus_in_capitals_says_so(share, folds):
    """Catches: sentences made small for a network that knows them in capitals."""
    count = int(100 * share)
    pairs = [("WHERE IS IT?", "¿DÓNDE ESTÁ?")] * count
    pairs += [("Where is it?", "¿Dónde está?")] * (100 - count)
    assert find_capital_rule(pairs, lambda word: False).folds is folds


def test_no_words_are_kept_for_nothing():
    """Catches: names of a private corpus that leave with a model for no use; clauses
    of a script without capitals taken for words."""
    names = [f"{a}{b}a" for a in "BDFGKL" for b in ("on", "er", "al")]
    pairs = [(f"{name} saw {name[::-1].title()}.", "봤다.") for name in names]
    pairs += [("我们应该尊重传统。", "We should respect it."), ("गाँव", "a village")]
    assert find_capital_rule(pairs, lambda word: True).known_words == frozenset()
    pairs = pairs[-2:] + [("Is it Mo?", "Mo?"), ("It is", "Es")]
    rule = find_capital_rule(pairs, lambda word: True)
    assert rule.inner and rule.known_words == {"Is", "It"}


def test_a_large_corpus_is_looked_at_in_part(monkeypatch):
    """Catches: memory that grows with the corpus."""
    monkeypatch.setattr("translator.placeholders.MAX_RULE_PAIRS", 10)
    monkeypatch.setattr("translator.placeholders.MAX_KNOWN_WORDS", 3)
    pairs = [(f"we saw Place{n:x}z", "") for n in range(95)]
    rule = find_capital_rule(pairs, lambda word: True)
    assert rule.known_words == {"We", "Saw", "Place0z"}


def test_a_rule_is_kept_as_json():
    rule = CapitalRule(frozenset({"May", "Éric"}), True, False)
    assert CapitalRule.from_json(json.loads(json.dumps(rule.to_json()))) == rule


@pytest.mark.parametrize(
    "unit",
    ["a", "1", "a.", "a@", "www.", "://", "/a", "1-", "A-", "🎉", "a_", "~/", ".("],
)
def test_time_is_linear(unit):
    """Catches: a pattern that looks at the rest of the text from each of its places."""
    text = unit * (200_000 // len(unit))
    start = time.process_time()
    protect(text)
    assert time.process_time() - start < 5


def test_digits_of_other_scripts():
    """Catches: digits that readers of the target language cannot read."""
    assert with_ascii_digits("२०२४ – ٣x½") == "2024 – 3x½"
