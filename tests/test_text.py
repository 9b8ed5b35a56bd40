"""Normalisation keeps what matters; splitting loses nothing."""

import random
import re
import sys
import time
import unicodedata

import pytest

from translator.text import (
    NORMALIZATION_RULES,
    capital_letters,
    fold_capitals,
    normalize_text,
    split_sentences,
    unwrap,
)

# One of every kind of character that a rule of this module knows or must not touch.
HARD_CHARACTERS = (
    ".!?…。！？\"'»”’)]([¿¡«,;:—–-*#/ \t\n\r\v\x1c\x85\xa0\u2028\u2029\u202f\u3000"
    "\x00\x07\xad\u200b\u200d\u200f\u202e\u2066\ufeff▁_aBcDéÑe\u0301ß19½日本語שﷺ𐍈😀👧\u0130"
    "\ud800\udc00"
)


def random_texts(seed: int, count: int, max_length: int = 60) -> list[str]:
    rng = random.Random(seed)
    return [
        "".join(rng.choices(HARD_CHARACTERS, k=rng.randrange(max_length)))
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param(" \t\r\n\u2028 ", "", id="blank"),
        pytest.param("a \t\n\r\x85\xa0\u2009\u202f\u3000b", "a b", id="spaces"),
        pytest.param("a\x1fb", "a b", id="separator control is a space to Python"),
        pytest.param("a \x00\x07\x7f\x9f b", "a b", id="controls"),
        pytest.param("\ufeffso\xadft\u200b", "soft", id="invisible"),
        pytest.param("\u202eabc\u202c \u2067d\u2069", "abc d", id="bidirectional"),
        pytest.param("e\u0301 \u212b", "é Å", id="NFC"),
        pytest.param("e\u200b\u0301", "é", id="NFC after removal"),
        pytest.param("▁a▁", "_a_", id="the tokenizer's space"),
        pytest.param("a\ud800b\udc00", "a\ufffdb\ufffd", id="lone surrogates"),
        pytest.param("\ud83d\ude00", "😀", id="surrogate pair"),
    ],
)
def test_normalize_text(text, expected):
    """Catches: a class without one of these, NFC before the removals, `\\s+`."""
    assert normalize_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "¿Qué tal, Iñaki? ¡3,50 € ya!",
        "It's 9.30 o’clock: “go” & «vite», 50% off #1 @home",
        "ÉCOLE école Straße İstanbul",
        "👨‍👩‍👧 👍🏽 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "می‌خواهم שָׁלוֹם 日本語。 हिन्दी",
        "<s> </s> ⁇ <pad> \\n {x}",
        "½ ﬁ ² Ⅷ ｆｕｌｌ",
    ],
)
def test_what_must_survive(text):
    """Catches: NFKC for NFC, lower-casing, dropping digits, joiners or tags."""
    assert normalize_text(text) == unicodedata.normalize("NFC", text) == text


def test_normalize_text_is_idempotent_and_leaves_no_white_space():
    """Catches: stripping before the removals, NFC before the removals."""
    texts = random_texts(1, 3_000)
    texts += [f"e{chr(code)} \u0301" for code in range(sys.maxunicode + 1)]
    for text in texts:
        once = normalize_text(text)
        assert normalize_text(once) == once
        assert once == " ".join(once.split())
        once.encode()


def test_a_graph_can_repeat_the_rules():
    """Catches: a pattern that RE2 reads in another way, such as `\\s` or `\\w`."""
    import tensorflow as tf

    letters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    texts = [f"a{letter} {letter}b" for letter in letters]
    texts += [text for text in random_texts(2, 3_000) if text.isprintable()]
    texts = [text for text in texts if text.encode(errors="replace") == text.encode()]
    expected, actual = texts, tf.constant(texts)
    for pattern, replacement in NORMALIZATION_RULES:
        expected = [re.sub(pattern, replacement, text) for text in expected]
        actual = tf.strings.regex_replace(actual, pattern, replacement)
    assert [text.decode() for text in actual.numpy()] == expected


@pytest.mark.parametrize(
    "marked",
    [
        "Hello.|How are you?",
        "Wait!|¿Qué?|¡Nada!|Yes? ok... no",
        "¡Hola!|¿qué tal?",
        '"Stop!" he said.|"Why?"|She ran. and ran.',
        "«Oui.»|“Non.”|(Si.)|Da.",
        "Mr. Fox met Dra. Gil and Prof. Ray.|They ate.",
        "By J. R. R. Tolkien.|So do I.|He left.",
        "See e.g. Paris, i.e. France, or the U.S. Army.|At 5 p.m.|He slept.",
        "It is 3.50 or 1,000.75.|42 is it.|In 1990.|Then.",
        "1. First of all",
        "No. 5 lives.|No.|Never.",
        "Am 3. Oktober, z. B. in Bonn.|Gut.",
        "Go to www.example.com.|Now.",
        "Привет.|Как дела?|नमस्ते।|日本。|元気？",
        "ሰላም።|እንዴት ነህ?|ទេ។|ဟုတ်။|Բարև։|Ոչ։|वाह॥|ठीक।",
        "გამარჯობა.|როგორ ხარ?|კარგად.",
        "डॉ. शर्मा आए।|पी. टी. उषा दौड़ी।|हे माझे काम.|ते माझे घर.",
        "TP. Vinh, ca. 3, approx. 20 mg.|Có.",
        "To\u0302i \u0111e\u0302\u0301n.|Anh ro\u0302\u0300i.|Di\u0323ch.|No.",
        "Hi! 😀",
    ],
)
@pytest.mark.parametrize("gap", [" ", "\u3000\t "])
def test_split_sentences(marked, gap):
    """Catches: abbreviations, initials, decimals or quotes that cut in the wrong place.

    A bar is a cut. And a sentence alone is one sentence again: streams ask for each.
    """
    text, sentences = marked.replace("|", gap), marked.split("|")
    assert split_sentences(text).sentences == sentences
    assert [split_sentences(s).sentences for s in sentences] == [[s] for s in sentences]


@pytest.mark.parametrize(
    "marked",
    [
        "今天天气很好，我们走吧。|公园里有很多人！|你想来吗？|想。",
        "彼は「はい。」と言った。|「いいえ。」|（そうです。）終わり…。|さて",
        "元気？ok。|2024年です。",
    ],
)
def test_sentences_without_spaces(marked):
    """Catches: a paragraph taken for a sentence; a cut before a closing mark, or in the
    middle of a quotation; translations without a space between them."""
    split = split_sentences(marked.replace("|", ""))
    assert split.sentences == marked.split("|")
    assert split.join(split.sentences) == marked.replace("|", "")
    spaced = split.with_gaps(" ")
    assert spaced.join(split.sentences) == marked.replace("|", " ")


def test_a_long_word_gets_no_gap():
    """Catches: a space in the middle of a number of 300 digits."""
    for unit, gap in (("7", ""), ("é", ""), ("本", " ")):
        split = split_sentences(unit * 30, max_characters=20).with_gaps(" ")
        assert split.join(split.sentences) == unit * 20 + gap + unit * 10


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\u2028", "\x85", "\n \n"])
def test_every_line_end_cuts(line_end):
    """Catches: a pattern that knows only \\n."""
    assert split_sentences(f"one{line_end}two").sentences == ["one", "two"]


@pytest.mark.parametrize("max_characters", [1, 2, 7, 30, 200])
def test_join_restores_every_text(max_characters):
    """Catches: stripped ends, CRLF turned into LF, a separator too many, cut tails."""
    for text in random_texts(max_characters, 2_000, max_length=90):
        split = split_sentences(text, max_characters)
        assert split.join(split.sentences) == text
        for sentence in split.sentences:
            assert len(sentence) <= max_characters
            assert sentence == sentence.strip()
            assert any(map(str.isalnum, normalize_text(sentence)))


def test_join_puts_translations_in_their_places():
    """Catches: separators shifted by one; a missing translation that goes unnoticed."""
    split = split_sentences("\n  One. Two!\t\n😀\n***\n\nThree\r\n")
    assert split.sentences == ["One.", "Two!", "Three"]
    assert split.join(["A", "B", "C"]) == "\n  A B\t\n😀\n***\n\nC\r\n"
    with pytest.raises(ValueError, match="2 for 3"):
        split.join(["A", "B"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("four; two, three, four", ["four;", "two, three, four"]),
        ("one two, three four", ["one two,", "three four"]),
        ("at 10:30:15 on 1,000", ["at 10:30:15 on", "1,000"]),
        ("costs 1,000,000 and more", ["costs 1,000,000", "and more"]),
        ("one two three four", ["one two three", "four"]),
        ("a, bcdefghijklmnopq", ["a, bcdefghijklmn", "opq"]),
        (
            "一二三四五六七八，九十一二三四五六七八",
            ["一二三四五六七八，", "九十一二三四五六七八"],
        ),
        ("exactly, 16 here", ["exactly, 16 here"]),
    ],
)
def test_a_long_sentence_is_cut_at_the_best_place(text, expected):
    """Catches: the first comma taken, commas preferred to semicolons, digits cut."""
    assert split_sentences(text, max_characters=16).sentences == expected


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("- One.\n - Two.", ["One.", "Two."]),
        ("1) One.\n(2) Two.\n# Three", ["One.", "Two.", "Three"]),
        ("> One. - Two.", ["One.", "Two."]),
        ("- - One.", ["One."]),
        ("- 2) - [ ] One", ["One"]),
        ("• One\n* [x] Two\n- [ ] Three", ["One", "Two", "Three"]),
        ("-5 degrees", ["-5 degrees"]),
        ("1. May is near.", ["1. May is near."]),
        ("1)", []),
        ("a) One", ["a) One"]),
        ("1000) One", ["1000) One"]),
    ],
)
def test_bullets_are_of_no_sentence(text, sentences):
    """Catches: a list whose marks the network translates; minus signs and ordinals; a
    sentence that is another one when it stands alone, as streams ask for each."""
    split = split_sentences(text)
    assert split.sentences == sentences
    assert [split_sentences(s).sentences for s in sentences] == [[s] for s in sentences]
    assert split.join(split.sentences) == text


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("(We sing.)", ("(", "We sing.", ")")),
        ('"We sing.', ('"', "We sing.", "")),
        ('We dance."', ("", "We dance.", '"')),
        ("« Nous chantons. »", ("« ", "Nous chantons.", " »")),
        ("„Wir singen.“", ("„", "Wir singen.", "“")),
        ("‘We’re here.’", ("‘", "We’re here.", "’")),
        ("***We sing.***", ("***", "We sing.", "***")),
        ('("We sing.")', ('("', "We sing.", '")')),
        ('"Sing," he said.', ("", '"Sing," he said.', "")),
        ('He said: "Sing!"', ("", 'He said: "Sing!"', "")),
        ("(We) sing (now)", ("", "(We) sing (now)", "")),
        ("We sing (now)", ("", "We sing (now)", "")),
        ("the dogs’", ("", "the dogs’", "")),
        ("“We sing” “now”", ("", "“We sing” “now”", "")),
    ],
)
def test_marks_around_a_sentence(sentence, parts):
    """Catches: one in brackets that the network does not know; marks of a part of a
    sentence taken for those of the whole."""
    assert unwrap(sentence) == parts


@pytest.mark.parametrize(
    "unit",
    [*'. a"\n', "a. ", "A b. ", '." ', "word ", ", ", "A.", "-" + " " * 9_999],
)
def test_time_is_linear(unit):
    """Catches: backtracking (`[.]+\\s+`) or slices of all that came before."""
    text = unit * (400_000 // len(unit))
    start = time.process_time()
    split = split_sentences(text)
    normalize_text(text)
    unwrap(text[:100_000])
    assert time.process_time() - start < 10
    assert split.join(split.sentences) == text


@pytest.mark.parametrize(
    ("sentence", "folded", "is_upper"),
    [
        ("WHERE IS IT?", "Where is it?", True),
        ("¿DÓNDE ESTÁ EL 2?", "¿Dónde está el 2?", True),
        ('"I AM HERE."', '"I am here."', True),
        ("ÜBER ALLES - STRASSE", "Über alles - strasse", True),
        ("Where Is The Bridge?", "Where is the bridge?", False),
        ("Where is NASA?", "Where is NASA?", False),
        ("NASA", "NASA", False),
        ("R2D2", "R2D2", False),
        ("NASA 2024!", "NASA 2024!", False),
        ("New York City", "New York City", False),
        ("Where Is the Bridge?", "Where Is the Bridge?", False),
        ("where is it", "where is it", False),
        ("本当 です か はい", "本当 です か はい", False),
        ("मेरा DVD खराब है।", "मेरा DVD खराब है।", False),
        ("12 34 56 78", "12 34 56 78", False),
        ("", "", False),
    ],
)
def test_capitals_are_folded_where_they_say_nothing(sentence, folded, is_upper):
    """Catches: names and abbreviations made small, the first letter too, a script
    without capitals taken for one in capitals.
    """
    assert fold_capitals(sentence) == (folded, is_upper)


@pytest.mark.parametrize(
    ("language", "folded"), [("tr", "Bir iyi ışık"), ("en", "Bir iyi işik")]
)
def test_the_point_of_an_i(language, folded):
    """Catches: an i with two points, or with the wrong number of them."""
    assert fold_capitals("BİR İYİ IŞIK", language) == (folded, True)
    assert capital_letters("iki ışık", "tr-TR") == "İKİ IŞIK"
    assert capital_letters("ორი", "ka-GE") == "ორი"


@pytest.mark.parametrize("text", random_texts(seed=8, count=300))
def test_folding_takes_any_text_and_is_done_once(text):
    folded, _ = fold_capitals(text)
    assert fold_capitals(folded) == (folded, False)
