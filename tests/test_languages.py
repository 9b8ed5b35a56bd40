"""Names of languages."""

import pytest

from translator.languages import is_right_to_left, language_name, number_marks


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("en", "English"),
        ("pt-BR", "Portuguese (Brazil)"),
        ("xx", "xx"),
        ("und", "und"),
        ("", ""),
        ("not a code", "not a code"),
    ],
)
def test_language_name(code, name):
    """Catches: an error for an unknown code; a language that Babel makes of "und",
    which stands for one that nobody told.
    """
    assert language_name(code) == name


def test_right_to_left():
    """Catches: Hebrew shown from the left; an error for an unknown code."""
    codes = ("he", "ar", "en", "und")
    assert [is_right_to_left(code) for code in codes] == [True, True, False, False]


def test_number_marks():
    """Catches: the marks of Arabic digits; English ones for an unknown language."""
    assert number_marks("en") == (",", ".")
    assert number_marks("fr") == ("\u202f", ",")
    assert number_marks("ar") == (",", ".")
    assert number_marks("und") is None
