"""What a language code means to a reader."""

from functools import cache

from babel import Locale, UnknownLocaleError

from translator.placeholders import NumberMarks


def language_name(code: str) -> str:
    """Returns a language's English name, or the code where it is not a known one.

    Example:
        >>> language_name("es"), language_name("pt-BR"), language_name("xx")
        ('Spanish', 'Portuguese (Brazil)', 'xx')
    """
    locale = _locale(code)
    return (locale and locale.get_display_name("en")) or code


def is_right_to_left(code: str) -> bool:
    """Returns whether a language is written from right to left."""
    locale = _locale(code)
    return bool(locale) and locale.text_direction == "rtl"


@cache
def number_marks(code: str) -> NumberMarks | None:
    """Returns what a language writes in numbers, or None where it is not a known one.

    **Source:** the Common Locale Data Repository (CLDR).

    Example:
        >>> number_marks("de")
        NumberMarks(group='.', decimal=',')
    """
    locale = _locale(code)
    if not locale:
        return None
    symbols = locale.number_symbols["latn"]
    return NumberMarks(symbols["group"], symbols["decimal"])


def _locale(code: str) -> Locale | None:
    try:
        # Resolving would make English of "und", a language that nobody told.
        return Locale.parse(code, sep="-", resolve_likely_subtags=False)
    except (UnknownLocaleError, ValueError):
        return None
