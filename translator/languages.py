"""What a language code means to a reader."""

from functools import cache

from translator.placeholders import NumberMarks
from translator.text import main_language

UNKNOWN_LANGUAGE = "und"  # BCP 47's code of a language that nobody told
_CHINESE = frozenset(("zh", "zho", "cmn", "yue"))
# Burmese, Dzongkha, Japanese, Khmer, Lao, Thai, Tibetan; ISO 639-1 and -3.
_WITHOUT_SPACES = frozenset("my mya dz dzo ja jpn km khm lo lao th tha bo bod".split())


def language_name(code: str) -> str:
    """Returns a language's English name, or the code where it is not a known one.

    Example:
        >>> language_name("es"), language_name("pt_BR"), language_name("xx")
        ('Spanish', 'Portuguese (Brazil)', 'xx')
    """
    locale = _locale(code)
    return (locale and locale.get_display_name("en")) or code


def is_right_to_left(code: str) -> bool:
    """Returns whether a language is written from right to left."""
    locale = _locale(code)
    return bool(locale) and locale.text_direction == "rtl"


def bleu_tokenizer(code: str) -> str:
    """Returns the tokenizer of sacreBLEU that fits a language.

    Its usual one cuts at spaces: of a language without any, it takes a sentence for a
    word, and BLEU is 0 as long as none is right as a whole.

    Example:
        >>> bleu_tokenizer("es"), bleu_tokenizer("zh-TW"), bleu_tokenizer("ja")
        ('13a', 'zh', 'char')
    """
    if main_language(code) in _CHINESE:
        return "zh"  # characters of Chinese, and words of what is between them
    return "13a" if has_spaces(code) else "char"


def has_spaces(code: str) -> bool:
    """Returns whether a language has spaces between its words."""
    return main_language(code) not in _WITHOUT_SPACES | _CHINESE


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


@cache
def and_word(code: str) -> str:
    """Returns the word for "and" of a language, empty where that is not known.

    **Source:** CLDR.

    Example:
        >>> and_word("en"), and_word("es"), and_word("ja")
        ('and', 'y', '')
    """
    locale = _locale(code)
    pattern = locale.list_patterns["standard"]["2"] if locale else ""
    word = pattern.removeprefix("{0} ").removesuffix(" {1}")
    return word if word.isalpha() else ""


@cache
def has_ascii_digits(code: str) -> bool:
    """Returns whether a language writes 0 to 9 as such, as far as is known."""
    locale = _locale(code)
    return not locale or locale.default_numbering_system == "latn"


def _locale(code: str):
    """Returns Babel's `Locale`, or None where it knows none. Babel takes a while to
    load, and is not always asked."""
    from babel import Locale, UnknownLocaleError

    try:
        # Resolving would make English of "und", a language that nobody told.
        code = code.replace("_", "-")
        return Locale.parse(code, sep="-", resolve_likely_subtags=False)
    except (UnknownLocaleError, ValueError):
        return None
