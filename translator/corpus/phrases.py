"""The same facts in the words of several languages.

Number words come from num2words, the names of months, weekdays, currencies and units
from Unicode CLDR through Babel; what is between them is here, one class for each
language. Each method of a class says one kind of fact. What it says is a function of
its arguments, and different facts are said differently.

To add a language, write its class and enter it in `LANGUAGES`.
"""

import re
from abc import ABC, abstractmethod
from datetime import date
from functools import cache, lru_cache

from babel.dates import get_day_names, get_month_names
from babel.numbers import get_currency_name
from babel.units import format_unit
from num2words import num2words

# Stands for a whole week where a weekday (0 for Monday) is asked for.
WEEK = 7


class Language(ABC):
    """The grammar of numbers in one language; its docstrings show English."""

    code: str
    locale: str

    def cardinal(self, number: int) -> str:
        """One hundred and twenty-one."""
        return _number_words(number, self.code)

    def amount(self, number: int, currency: str) -> str:
        """Two hundred Swedish kronor."""
        return self.count(number, currency, self.currency(currency))

    def measure(self, number: int, unit: str) -> str:
        """Twenty-one hours."""
        return self.count(number, unit, self.unit(unit))

    @abstractmethod
    def count(self, number: int, name: str, noun: tuple[str, str]) -> str:
        """A number and its noun, given as its name in CLDR, singular and plural."""

    @abstractmethod
    def millions(self, number: int, currency: str) -> str:
        """Two million euros."""

    @abstractmethod
    def date(self, day: date) -> str:
        """Friday the fifth of June nineteen ninety-eight."""

    @abstractmethod
    def clock(self, hour: int, minutes: int) -> str:
        """Twenty to four, for (4, -20)."""

    @abstractmethod
    def appointment(self, hour: int, minutes: int, day: date) -> str:
        """At twenty to four on Friday the fifth of June."""

    @abstractmethod
    def occasion(self, number: int, weekday: int, month: int) -> str:
        """The third Friday of June."""

    @abstractmethod
    def century(self, number: int) -> str:
        """The nineteenth century."""

    def ordinal(self, number: int) -> str:
        return _number_words(number, self.code, "ordinal")

    def year(self, number: int) -> str:
        return _number_words(number, self.code, "year")

    def month(self, number: int) -> str:
        return _month_names(self.locale)[number]

    def weekday(self, number: int) -> str:
        return _weekday_names(self.locale)[number]

    def currency(self, code: str) -> tuple[str, str]:
        return _currency_names(code, self.locale)

    def unit(self, name: str) -> tuple[str, str]:
        return _unit_names(name, self.locale)


class English(Language):
    """British: "one hundred and one", day before month."""

    code = "en"
    locale = "en_GB"

    def count(self, number, name, noun):
        return f"{self.cardinal(number)} {noun[number != 1]}"

    def millions(self, number, currency):
        return f"{self.cardinal(number)} million {self.currency(currency)[1]}"

    def date(self, day):
        return f"{self._day(day)} {self.year(day.year)}"

    def clock(self, hour, minutes):
        if not minutes:
            return f"{self.cardinal(hour)} o'clock"
        words = {15: "a quarter", 30: "half"}.get(abs(minutes))
        words = words or self.cardinal(abs(minutes))
        return f"{words} {'past' if minutes > 0 else 'to'} {self.cardinal(hour)}"

    def appointment(self, hour, minutes, day):
        return f"at {self.clock(hour, minutes)} on {self._day(day)}"

    def occasion(self, number, weekday, month):
        noun = "week" if weekday == WEEK else self.weekday(weekday)
        return f"the {self.ordinal(number)} {noun} of {self.month(month)}"

    def century(self, number):
        return f"the {self.ordinal(number)} century"

    def _day(self, day: date) -> str:
        weekday, month = self.weekday(day.weekday()), self.month(day.month)
        return f"{weekday} the {self.ordinal(day.day)} of {month}"


class Spanish(Language):
    """A final "uno" and the hundreds agree with the noun that follows."""

    code = "es"
    locale = "es"
    feminine = {"GBP", "INR", "SEK", "duration-hour", "duration-week"}
    ordinals = {1: "primer", 2: "segundo", 3: "tercer", 4: "cuarto"}
    feminine_ordinals = {1: "primera", 2: "segunda", 3: "tercera", 4: "cuarta"}

    def cardinal(self, number):
        # num2words 0.5.14 says "veintiuno mil".
        return _shorten_uno(super().cardinal(number), before=" mil")

    def count(self, number, name, noun):
        words = self.cardinal(number)
        if name in self.feminine:
            words = re.sub("uno$", "una", words).replace("ientos", "ientas")
        else:
            words = _shorten_uno(words)
        return f"{words} {noun[number != 1]}"

    def millions(self, number, currency):
        words = self.count(number, "million", ("millón", "millones"))
        return f"{words} de {self.currency(currency)[1]}"

    def date(self, day):
        return f"{self._day(day)} de {self.cardinal(day.year)}"

    def clock(self, hour, minutes):
        words = "la una" if hour == 1 else f"las {self.cardinal(hour)}"
        if not minutes:
            return words
        part = {15: "cuarto", 30: "media"}.get(abs(minutes))
        part = part or self.cardinal(abs(minutes))
        return f"{words} {'y' if minutes > 0 else 'menos'} {part}"

    def appointment(self, hour, minutes, day):
        return f"{self._day(day)} a {self.clock(hour, minutes)}"

    def occasion(self, number, weekday, month):
        if weekday == WEEK:
            words = f"la {self.feminine_ordinals[number]} semana"
        else:
            words = f"el {self.ordinals[number]} {self.weekday(weekday)}"
        return f"{words} de {self.month(month)}"

    def century(self, number):
        return f"el siglo {self.cardinal(number)}"

    def _day(self, day: date) -> str:
        number = "primero" if day.day == 1 else self.cardinal(day.day)
        return f"el {self.weekday(day.weekday())} {number} de {self.month(day.month)}"


class French(Language):
    """A final "un" agrees with the noun; "de" loses its vowel before another."""

    code = "fr"
    locale = "fr"
    feminine = {
        "GBP",
        "INR",
        "SEK",
        "duration-minute",
        "duration-hour",
        "duration-week",
    }

    def count(self, number, name, noun):
        words = self.cardinal(number)
        if name in self.feminine:
            words = re.sub("un$", "une", words)
        # French counts from two up in the plural, and zero is not counted here.
        return f"{words} {noun[number > 1]}"

    def millions(self, number, currency):
        words = self.count(number, "million", ("million", "millions"))
        return f"{words} {_elide('de', self.currency(currency)[1])}"

    def date(self, day):
        return f"le {self._day(day)} {self.cardinal(day.year)}"

    def clock(self, hour, minutes):
        words = self.count(hour, "duration-hour", ("heure", "heures"))
        if not minutes:
            return words
        if minutes > 0:
            part = {15: "et quart", 30: "et demie"}.get(minutes)
            return f"{words} {part or self.cardinal(minutes)}"
        part = "le quart" if minutes == -15 else self.cardinal(-minutes)
        return f"{words} moins {part}"

    def appointment(self, hour, minutes, day):
        return f"le {self._day(day)} à {self.clock(hour, minutes)}"

    def occasion(self, number, weekday, month):
        ordinal = self.ordinal(number)
        if weekday == WEEK:
            words = f"la {'première' if number == 1 else ordinal} semaine"
        else:
            words = f"le {ordinal} {self.weekday(weekday)}"
        return f"{words} {_elide('de', self.month(month))}"

    def century(self, number):
        return f"le {self.ordinal(number)} siècle"

    def _day(self, day: date) -> str:
        number = "premier" if day.day == 1 else self.cardinal(day.day)
        return f"{self.weekday(day.weekday())} {number} {self.month(day.month)}"


class German(Language):
    """Units before tens in one word; half past three is half of the fourth hour."""

    code = "de"
    locale = "de"
    feminine = {"INR", "SEK", "duration-minute", "duration-hour", "duration-week"}

    def cardinal(self, number):
        # num2words 0.5.14 says "einhunderteinstausend".
        return super().cardinal(number).replace("einstausend", "eintausend")

    def count(self, number, name, noun):
        if number == 1:
            return f"{'eine' if name in self.feminine else 'ein'} {noun[0]}"
        return f"{self.cardinal(number)} {noun[1]}"

    def millions(self, number, currency):
        million = (
            "eine Million" if number == 1 else f"{self.cardinal(number)} Millionen"
        )
        return f"{million} {self.currency(currency)[1]}"

    def date(self, day):
        return (
            f"{self.weekday(day.weekday())}, der {self.ordinal(day.day)} "
            f"{self.month(day.month)} {self.year(day.year)}"
        )

    def clock(self, hour, minutes):
        if not minutes:
            return "ein Uhr" if hour == 1 else f"{self.cardinal(hour)} Uhr"
        if abs(minutes) >= 25:
            half = f"halb {self.cardinal(hour + 1 if minutes > 0 else hour)}"
            return {25: f"fünf vor {half}", 30: half, -25: f"fünf nach {half}"}[minutes]
        part = "Viertel" if abs(minutes) == 15 else self.cardinal(abs(minutes))
        return f"{part} {'nach' if minutes > 0 else 'vor'} {self.cardinal(hour)}"

    def appointment(self, hour, minutes, day):
        return (
            f"am {self.weekday(day.weekday())}, dem {self.ordinal(day.day)}n "
            f"{self.month(day.month)}, um {self.clock(hour, minutes)}"
        )

    def occasion(self, number, weekday, month):
        noun = (
            "die {} Woche" if weekday == WEEK else f"der {{}} {self.weekday(weekday)}"
        )
        return f"{noun.format(self.ordinal(number))} im {self.month(month)}"

    def century(self, number):
        return f"das {self.ordinal(number)} Jahrhundert"


LANGUAGES: dict[str, Language] = {
    language.code: language for language in (English(), Spanish(), French(), German())
}


def _shorten_uno(words: str, before: str = "$") -> str:
    """Returns Spanish number words as they are before a masculine noun."""
    words = re.sub(f"veintiuno(?={before})", "veintiún", words)
    return re.sub(f"uno(?={before})", "un", words)


def _elide(preposition: str, noun: str) -> str:
    """Joins French words: de mai, d'avril."""
    if noun[0] in "aeiou":  # but de yens
        return f"{preposition[:-1]}'{noun}"
    return f"{preposition} {noun}"


@lru_cache(maxsize=1 << 14)
def _number_words(number: int, code: str, kind: str = "cardinal") -> str:
    return num2words(number, lang=code, to=kind)


@cache
def _month_names(locale: str) -> dict[int, str]:
    return dict(get_month_names("wide", locale=locale))


@cache
def _weekday_names(locale: str) -> dict[int, str]:
    return dict(get_day_names("wide", locale=locale))


@cache
def _currency_names(code: str, locale: str) -> tuple[str, str]:
    return tuple(get_currency_name(code, count, locale) for count in (1, 2))


@cache
def _unit_names(name: str, locale: str) -> tuple[str, str]:
    texts = (format_unit(count, name, "long", locale=locale) for count in (1, 2))
    return tuple(text.partition("\xa0")[2] or text.partition(" ")[2] for text in texts)
