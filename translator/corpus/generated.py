"""Pairs made on the fly: numbers, dates, times and amounts, spelled out in words.

They need no file and have no errors: each phrase has exactly one translation. The words
are few, so a tiny model learns them in minutes, but it must learn word order: "at a
quarter to four on Friday the fifth of June" is "el viernes cinco de junio a las cuatro
menos cuarto", and "two hundred Swedish kronor" are "doscientas coronas suecas".
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from translator.corpus.cleaning import SeenTexts
from translator.corpus.pairs import Pair
from translator.corpus.phrases import LANGUAGES, WEEK
from translator.errors import UserError

CURRENCIES = ("EUR", "GBP", "USD", "CHF", "JPY", "MXN", "INR", "SEK")
UNITS = (
    "duration-minute",
    "duration-hour",
    "duration-day",
    "duration-week",
    "duration-month",
    "duration-year",
    "length-meter",
    "length-kilometer",
    "mass-kilogram",
    "volume-liter",
)

# 1801 to 2099: the languages say years of these centuries in settled ways.
_FIRST_DAY, _LAST_DAY = date(1801, 1, 1), date(2099, 12, 31)

_Facts = tuple[Any, ...]


def generate_pairs(languages: tuple[str, str], seed: int = 1) -> Iterator[Pair]:
    """Yields distinct pairs; the same ones for the same seed.

    There are some millions; asking for most of them takes ever longer.

    Args:
        languages: Codes of the source and the target side.
        seed: Of the order.

    Raises:
        UserError: There is no grammar for one of the languages.

    Example:
        >>> pairs = generate_pairs(("en", "es"), seed=1)
        >>> next(pairs) == next(generate_pairs(("en", "es"), seed=1))
        True
    """
    for code in languages:
        if code not in LANGUAGES:
            raise UserError(
                f"there are no number words for the language {code!r}. "
                f"Choose two of: {', '.join(LANGUAGES)}."
            )
    return _generate(languages, Random(seed))


def _generate(languages: tuple[str, str], rng: Random) -> Iterator[Pair]:
    source, target = (LANGUAGES[code] for code in languages)
    kinds = list(_KINDS)
    weights = [weight for weight, _ in _KINDS.values()]
    seen = SeenTexts()
    while True:
        kind = rng.choices(kinds, weights)[0]
        facts = _KINDS[kind][1](rng)
        text = getattr(source, kind)(*facts)
        if seen.add(text):
            yield Pair(text, getattr(target, kind)(*facts))


def _draw_number(rng: Random, max_digits: int) -> int:
    """Returns a number of 1 to `max_digits` digits; each length is as likely."""
    digits = rng.randint(1, max_digits)
    return rng.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits)


def _draw_count(rng: Random, max_digits: int) -> int:
    """Returns a number to count things with.

    Never 101, 201 and so on: German grammars disagree about them before a noun.
    """
    number = 0
    while number == 0 or (number > 1 and number % 100 == 1):
        number = _draw_number(rng, max_digits)
    return number


def _draw_clock(rng: Random) -> tuple[int, int]:
    # Not around twelve, where the languages prefer noon and midnight.
    return rng.randint(1, 11), rng.randrange(-25, 31, 5)


def _draw_uneven_clock(rng: Random) -> tuple[int, int]:
    # Alone, a full hour can sound like a duration: trois heures.
    hour, minutes = _draw_clock(rng)
    return hour, minutes or 15


def _draw_day(rng: Random) -> date:
    return _FIRST_DAY + timedelta(rng.randint(0, (_LAST_DAY - _FIRST_DAY).days))


# Method of `Language` -> (how often, what draws its arguments). The lengths of the
# numbers are such that `--preset tiny` learns them.
_KINDS: dict[str, tuple[int, Callable[[Random], _Facts]]] = {
    "cardinal": (20, lambda rng: (_draw_number(rng, 6),)),
    "amount": (25, lambda rng: (_draw_count(rng, 4), rng.choice(CURRENCIES))),
    "millions": (5, lambda rng: (_draw_count(rng, 2), rng.choice(CURRENCIES))),
    "measure": (10, lambda rng: (_draw_count(rng, 3), rng.choice(UNITS))),
    "date": (20, lambda rng: (_draw_day(rng),)),
    "appointment": (15, lambda rng: (*_draw_clock(rng), _draw_day(rng))),
    "clock": (1, _draw_uneven_clock),
    "occasion": (
        3,
        lambda rng: (rng.randint(1, 4), rng.randint(0, WEEK), rng.randint(1, 12)),
    ),
    "century": (1, lambda rng: (rng.randint(11, 21),)),
}
