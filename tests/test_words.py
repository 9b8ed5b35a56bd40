"""Words of any script are whole."""

import pytest

from translator.words import split_words


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("मेरा विद्यालय, 12!", "hi", ["मेरा", "विद्यालय"]),
        ("A\u0301nh \u0111e\u0302\u0301n", "vi", ["A\u0301nh", "\u0111e\u0302\u0301n"]),
        ("می\u200cخواهم", "fa", ["می\u200cخواهم"]),
        ("it's a_b", "", ["it", "s", "a", "b"]),
        ("今日は。", "ja", ["今", "日", "は"]),
        ("ที่นี่", "th", ["ที่", "นี่"]),
        ("", "en", []),
    ],
)
def test_words_are_whole(text, language, words):
    """Catches: words cut at combining characters, or at joiners; clauses for words."""
    assert split_words(text, language) == words
