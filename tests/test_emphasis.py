"""Markdown inside of a sentence comes out around the right words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.emphasis import Mark, drop_marks, put_marks, take_marks


@pytest.mark.parametrize(
    ("sentence", "plain", "marks"),
    [
        ("The **red** house", "The red house", [("**", "**", 1, 1)]),
        ("*We sing* or ~~eat~~", "We sing or eat", [(*"**", 0, 1), ("~~", "~~", 3, 3)]),
        ("It is ***ours***", "It is ours", [("***", "***", 2, 2)]),
        ("Read _Old and New_!", "Read Old and New!", [("_", "_", 1, 3)]),
        ("See [our house](x.org/a).", "See our house.", [("[", "](x.org/a)", 1, 2)]),
        ("a **[b c](d)** e", "a b c e", [("**", "**", 1, 2), ("[", "](d)", 1, 2)]),
        ("(**so**)", "(so)", [("**", "**", 0, 0)]),
        ("a *“b”*", "a “b”", [("*", "*", 1, 1, True, True)]),
        ("**Note:** a", "Note: a", [("**", "**", 0, 0, False, True)]),
    ],
)  # fmt: skip
def test_marks_are_taken_out(sentence, plain, marks):
    """Catches: a part of a mark left behind; other words than it stood around."""
    assert take_marks(sentence) == (plain, [Mark(*mark) for mark in marks])
    assert drop_marks(sentence) == plain


@pytest.mark.parametrize(
    "sentence",
    [
        "2 * 3 * 4",
        "a*b*",
        "x[y](z)",
        "*.txt or *.md",
        "my_own_file and _one_",
        "a* b*",
        "[x] **",
        "5*3*2",
    ],
)
def test_what_is_no_mark_stays(sentence):
    assert take_marks(sentence) == (sentence, [])


@given(st.text(alphabet="ab *~_[]()!.\n"))
def test_what_is_left_has_no_marks(sentence):
    """Catches: an endless search; places of words that there are not."""
    plain, marks = take_marks(sentence)
    words = plain.split()
    for mark in marks:
        assert 0 <= mark.first <= mark.last < len(words)
    one_by_one = np.eye(len(words))
    back = put_marks(" ".join(words), marks, one_by_one if words else None)
    assert drop_marks(back).split() == drop_marks(plain).split()


def test_marks_follow_the_words():
    """Catches: marks at the place of the source, around a full stop, or between two
    words of one; the inner outside of the outer."""
    plain, marks = take_marks("the **[big *red*](u)** house")
    links = np.zeros((5, 4))  # la casa roja muy grande.
    for target, source in enumerate([0, 3, 2, 1, 1]):
        links[target, source] = 1
    assert plain == "the big red house"
    found = put_marks("la casa roja muy grande.", marks, links)
    assert found == "la casa **[*roja* muy grande](u)**."


def test_signs_stay_on_their_side():
    for sentence in "**Note:** yes", "A *“b”* (*c*).", "¿*Sí*?":
        plain, marks = take_marks(sentence)
        assert put_marks(plain, marks, np.eye(len(plain.split()))) == sentence


def test_many_marks():
    """Catches: a search that takes minutes, or runs out of Python's stack."""
    plain, marks = take_marks("*a* **b [*c*](d)** " * 3_000)
    assert len(marks) == 12_000 and plain == "a b c " * 3_000
    for hard in "*a ", "[a](", "_a b", "~~a *b**c", "![", "***":
        take_marks(hard * 3_000)


def test_an_address_is_not_lost():
    """Catches: a link that is gone where nobody knows which words are its."""
    _, marks = take_marks("See **[us](example.org)**.")
    assert put_marks("Nos ve.", marks, None) == "Nos ve. (example.org)"
