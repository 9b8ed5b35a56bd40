import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from translated import translated

from translator.files.subtitles import wrap

TIME = "00:00:01,000 --> 00:00:02,500"


def said(*lines: str, change=str.upper) -> list[str]:
    """The lines of a subtitle, when it is translated."""
    text = "\n".join(["1", TIME, *lines, "", ""])
    found = translated("a.srt", text, change).decode().split("\n")
    assert found[:2] == ["1", TIME] and found[-2:] == ["", ""]
    return found[2:-2]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Go on!"], ["GO ON!"]),
        (["I do not know", "where he is."], ["I DO NOT KNOW", "WHERE HE IS."]),
        (["<i>Listen.</i>"], ["<i>LISTEN.</i>"]),
        (["{\\an8}<b>Up here</b>"], ["{\\an8}<b>UP HERE</b>"]),
        (['<font color="#ff0000">Red</font>'], ['<font color="#ff0000">RED</font>']),
        (["So <i>this</i> is it."], ["SO <i>THIS</i> IS IT."]),
        (["<i>Do you</i>", "<i>hear it?</i>"], ["<i>DO YOU", "HEAR IT?</i>"]),
        (["- Who?", "- Me."], ["- WHO?", "- ME."]),
        (["Who?", "-Me and", "you too."], ["WHO?", "-ME AND", "YOU TOO."]),
        (["♪", "12"], ["♪", "12"]),
        (["It is 5 < 6 & {odd}"], ["IT IS 5 < 6 & {ODD}"]),
    ],
)
def test_words_are_translated_and_marks_are_not(lines, expected):
    assert said(*lines) == expected


def test_the_lines_of_one_person_are_one_text():
    """Catches: halves of sentences that are translated by themselves."""
    texts = []

    def note(text):
        texts.append(text)
        return text

    said("<i>I do not</i>", "<i>know.</i>", "- You", "do.", change=note)
    assert texts == ["I do not know.", "You do."]


def test_a_translation_has_as_many_lines_as_the_text():
    """Catches: a line twice as long as the screen, a word lost between two."""
    lines = said("Short", "one.", change=lambda text: "one two three four five six")
    assert lines == ["one two three", "four five six"]
    assert said("Two", "lines", change=lambda text: "uno") == ["uno"]
    assert said("Two", "lines", change=lambda text: "") == [""]
    assert said("Two", "lines", change=lambda text: "uno\n\ndos") == ["uno", "dos"]


def test_numbers_and_times_without_a_blank_line_between():
    """Catches: the number of the next subtitle, translated with this one."""
    data = f"1\r\n{TIME}\r\nabc\r\n2\r\n{TIME} X1:40\r\n1984\r\nde"
    expected = f"1\r\n{TIME}\r\ncba\r\n2\r\n{TIME} X1:40\r\ned\r\n4891"
    assert translated("a.srt", data, lambda text: text[::-1]).decode() == expected


def test_what_comes_after_a_blank_line_is_translated_too():
    data = f"1\n{TIME}\nabc\n\ndef\n\n2\n{TIME}\n\n3\n{TIME}\nghi\n"
    assert translated("a.srt", data).decode() == (
        f"1\n{TIME}\nABC\n\nDEF\n\n2\n{TIME}\n\n3\n{TIME}\nGHI\n"
    )


_WORDS = st.text("aé1", min_size=1, max_size=9)


@settings(deadline=None, database=None, derandomize=True)
@given(words=st.lists(_WORDS, min_size=1, max_size=20), num_lines=st.integers(1, 4))
def test_wrapping_loses_no_word(words, num_lines):
    """Catches: a word lost or twice, a blank line, which would end the subtitle."""
    lines = wrap(" ".join(words), num_lines)
    assert " ".join(lines).split() == words
    assert len(lines) == min(num_lines, len(words)) and all(lines)
    # No line is longer than its share, but for one word.
    share = (len(" ".join(words)) + 1) / num_lines
    assert all(len(line) <= share + 9 for line in lines[:-1])


def test_a_long_subtitle_takes_a_moment():
    """Catches: all words counted again for each of many lines."""
    lines = wrap("word " * 300_000, 200_000)
    assert len(lines) == 200_000


def test_tags_have_no_length():
    assert wrap('<font color="#00ff00">ab</font> cd ef gh', 2) == [
        '<font color="#00ff00">ab</font> cd',
        "ef gh",
    ]


@settings(deadline=None, database=None, derandomize=True)
@given(cues=st.lists(st.lists(_WORDS, min_size=1, max_size=3), min_size=1, max_size=9))
def test_times_stay_where_they_are_whatever_the_translation(cues):
    """Catches: a subtitle that moves to another's time."""
    data = "\n".join(
        f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\nx{n}\n" + "\n".join(words) + "\n"
        for n, words in enumerate(cues, 1)
    )
    found = translated("a.srt", data, lambda text: f"{text} {text}").decode()
    blocks = found.rstrip("\n").split("\n\n")
    assert len(blocks) == len(cues)
    for n, (block, words) in enumerate(zip(blocks, cues, strict=True), 1):
        number, time, *lines = block.split("\n")
        assert number == str(n) and re.match(f"00:00:{n:02},000", time)
        assert len(lines) == len(words) + 1
        assert " ".join(lines).split() == [f"x{n}", *words] * 2
