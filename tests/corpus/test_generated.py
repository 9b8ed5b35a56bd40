from datetime import date
from itertools import islice

import pytest

from translator.corpus.generated import CURRENCIES, LANGUAGES, UNITS, generate_pairs
from translator.errors import UserError

EN, ES, FR, DE = (LANGUAGES[code] for code in ("en", "es", "fr", "de"))
HOUR, WEEK, DAY = "duration-hour", "duration-week", "duration-day"

# Written by hand from the grammars, not from the program's output.
PHRASES = [
    # Spanish: uno is un before a masculine noun and una before a feminine one.
    (ES.cardinal(21), "veintiuno"),
    (ES.cardinal(21_000), "veintiún mil"),
    (ES.cardinal(131_031), "ciento treinta y un mil treinta y uno"),
    (ES.amount(1, "EUR"), "un euro"),
    (ES.amount(1, "GBP"), "una libra esterlina"),
    (ES.amount(21, "USD"), "veintiún dólares estadounidenses"),
    (ES.amount(31, "MXN"), "treinta y un pesos mexicanos"),
    (ES.amount(21, "SEK"), "veintiuna coronas suecas"),
    (ES.amount(200, "GBP"), "doscientas libras esterlinas"),
    (ES.amount(2_531, "INR"), "dos mil quinientas treinta y una rupias indias"),
    (ES.amount(100, "GBP"), "cien libras esterlinas"),
    (ES.amount(500, "CHF"), "quinientos francos suizos"),
    (ES.measure(41, HOUR), "cuarenta y una horas"),
    (ES.measure(700, WEEK), "setecientas semanas"),
    (ES.measure(22, DAY), "veintidós días"),
    (ES.millions(1, "EUR"), "un millón de euros"),
    (ES.millions(21, "GBP"), "veintiún millones de libras esterlinas"),
    (
        ES.date(date(1999, 3, 1)),
        "el lunes primero de marzo de mil novecientos noventa y nueve",
    ),
    (ES.clock(1, -15), "la una menos cuarto"),
    (ES.clock(4, 30), "las cuatro y media"),
    (
        ES.appointment(4, -20, date(2021, 6, 4)),
        "el viernes cuatro de junio a las cuatro menos veinte",
    ),
    (ES.occasion(3, 1, 5), "el tercer martes de mayo"),
    (ES.occasion(1, 7, 8), "la primera semana de agosto"),
    (ES.century(21), "el siglo veintiuno"),
    # French: vingt and cent take an s only at the end; un agrees; d' before a vowel.
    (FR.cardinal(80), "quatre-vingts"),
    (FR.cardinal(81), "quatre-vingt-un"),
    (FR.cardinal(200_080), "deux cent mille quatre-vingts"),
    (FR.amount(21, "GBP"), "vingt et une livres sterling"),
    (FR.amount(81, "SEK"), "quatre-vingt-une couronnes suédoises"),
    (FR.amount(1, "USD"), "un dollar des États-Unis"),
    (FR.amount(200, "INR"), "deux cents roupies indiennes"),
    (FR.measure(31, "duration-minute"), "trente et une minutes"),
    (FR.measure(71, "duration-month"), "soixante et onze mois"),
    (FR.millions(1, "EUR"), "un million d'euros"),
    (FR.millions(2, "JPY"), "deux millions de yens japonais"),
    (
        FR.date(date(1980, 1, 1)),
        "le mardi premier janvier mille neuf cent quatre-vingts",
    ),
    (FR.clock(1, 30), "une heure et demie"),
    (FR.clock(4, -15), "quatre heures moins le quart"),
    (FR.appointment(1, 0, date(2021, 6, 4)), "le vendredi quatre juin à une heure"),
    (FR.occasion(1, 7, 10), "la première semaine d'octobre"),
    (FR.occasion(2, 6, 3), "le deuxième dimanche de mars"),
    (FR.century(21), "le vingt et unième siècle"),
    # German: one word, units before tens; half counts towards the next hour.
    (DE.cardinal(21_053), "einundzwanzigtausenddreiundfünfzig"),
    (DE.cardinal(101_001), "einhunderteintausendeins"),
    (DE.amount(1, "EUR"), "ein Euro"),
    (DE.amount(1, "SEK"), "eine Schwedische Krone"),
    (DE.amount(1, "GBP"), "ein Britisches Pfund"),
    (DE.amount(21, "GBP"), "einundzwanzig Britische Pfund"),
    (DE.measure(1, HOUR), "eine Stunde"),
    (DE.measure(16, WEEK), "sechzehn Wochen"),
    (DE.millions(1, "EUR"), "eine Million Euro"),
    (DE.millions(17, "SEK"), "siebzehn Millionen Schwedische Kronen"),
    (DE.date(date(2024, 3, 3)), "Sonntag, der dritte März zweitausendvierundzwanzig"),
    (DE.clock(4, -25), "fünf nach halb vier"),
    (DE.clock(4, 25), "fünf vor halb fünf"),
    (DE.clock(4, 30), "halb fünf"),
    (DE.clock(1, 0), "ein Uhr"),
    (DE.clock(1, 15), "Viertel nach eins"),
    (
        DE.appointment(3, 20, date(2021, 6, 4)),
        "am Freitag, dem vierten Juni, um zwanzig nach drei",
    ),
    (DE.occasion(3, 1, 5), "der dritte Dienstag im Mai"),
    (DE.occasion(2, 7, 9), "die zweite Woche im September"),
    (DE.century(19), "das neunzehnte Jahrhundert"),
    # English
    (EN.cardinal(1_101), "one thousand, one hundred and one"),
    (EN.amount(1, "SEK"), "one Swedish krona"),
    (EN.amount(200, "SEK"), "two hundred Swedish kronor"),
    (EN.measure(1, HOUR), "one hour"),
    (EN.measure(3, "length-kilometer"), "three kilometres"),
    (EN.millions(2, "EUR"), "two million euros"),
    (
        EN.date(date(1905, 2, 21)),
        "Tuesday the twenty-first of February nineteen oh-five",
    ),
    (EN.clock(4, -15), "a quarter to four"),
    (EN.clock(4, 30), "half past four"),
    (
        EN.appointment(4, 0, date(2021, 6, 4)),
        "at four o'clock on Friday the fourth of June",
    ),
    (EN.occasion(3, 7, 5), "the third week of May"),
    (EN.century(12), "the twelfth century"),
]


@pytest.mark.parametrize(("phrase", "expected"), PHRASES, ids=[b for _, b in PHRASES])
def test_phrases(phrase, expected):
    """Catches: veintiuno mil, doscientos libras, veintiuna millones, d'yens."""
    assert phrase == expected


@pytest.mark.parametrize("target", ["es", "fr", "de"])
def test_one_phrase_has_one_translation(target):
    """Catches: three hours and three o'clock both as trois heures."""
    pairs = list(islice(generate_pairs(("en", target)), 20_000))
    assert len({pair.source for pair in pairs}) == len(pairs)
    assert len({pair.target for pair in pairs}) == len(pairs)


def test_the_words_are_few():
    """Catches: digits, proper names, or another vocabulary than the tutorial's."""
    pairs = islice(generate_pairs(("en", "es")), 20_000)
    words = {word for pair in pairs for text in pair for word in text.split()}
    assert len(words) < 400
    assert not any(character.isdigit() for word in words for character in word)


def test_seeds():
    """Catches: an order that depends on the process, or ignores the seed."""

    def make(seed: int) -> list:
        return list(islice(generate_pairs(("en", "de"), seed), 100))

    assert make(1) == make(1)
    assert make(1) != make(2)


def test_both_directions_tell_the_same_facts():
    """Catches: facts drawn anew for the second side."""
    there = islice(generate_pairs(("en", "fr")), 500)
    back = {pair.source: pair.target for pair in generate_many("fr", "en", 500)}
    matches = sum(back.get(pair.target) == pair.source for pair in there)
    assert matches > 450


def generate_many(source: str, target: str, count: int) -> list:
    return list(islice(generate_pairs((source, target)), count))


@pytest.mark.parametrize("code", LANGUAGES)
def test_names_have_a_number_of_one_and_of_many(code):
    """Catches: a name that Babel lacks, or a unit with its digit left in it."""
    language = LANGUAGES[code]
    nouns = [language.currency(currency) for currency in CURRENCIES]
    nouns += [language.unit(unit) for unit in UNITS]
    assert all(noun and noun[0].isalpha() for pair in nouns for noun in pair)
    assert len(set(nouns)) == len(nouns)


def test_languages_without_a_grammar():
    """Catches: a KeyError, or only when the first pair is asked for."""
    with pytest.raises(UserError, match="'tlh'. Choose two of: en, es, fr, de"):
        generate_pairs(("en", "tlh"))
