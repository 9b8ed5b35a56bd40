"""Training pairs as people would type them: small letters, typos, things to be copied.

A corpus is neat: every sentence has its capital and its full stop, and no typos. A
model that saw nothing else fails on the rest (`translator evaluate --robustness`).
"""

import random
import re
import string
from collections.abc import Callable, Sequence

from translator.corpus.pairs import Pair
from translator.text import WORD

_FINAL_MARK = re.compile(r"\s*[.!?…。？！؟]+\s*$")
_NUMBER = re.compile(r"\b\d+\b")
_NAME = re.compile(r"(?<=[\w,] )[A-Z]\w+\b")  # not at the start of a sentence
_SYLLABLES = re.findall("..", "banadorekilomusatevixojazupehagoniculywefiqo")
_DOMAINS = ("com", "net", "org", "info", "eu")
_EMOJI = (range(0x1F300, 0x1F700), range(0x1F900, 0x1FA00))

Alter = Callable[[Pair, random.Random], Pair]


def augment(pairs: Sequence[Pair], share: float, rng: random.Random) -> list[Pair]:
    """Alters a share of the pairs, each in one way of `ALTERATIONS`, drawn at random.

    Args:
        pairs: Neat ones.
        share: Fraction of the pairs to alter, 0 to 1.
        rng: Source of the draws.

    Example:
        >>> augment([Pair("Is Ana here?", "¿Está Ana?")], 1.0, random.Random(4))
        [Pair(source='is ana here?', target='¿Está Ana?')]
    """
    return [
        rng.choice(ALTERATIONS)(pair, rng) if rng.random() < share else pair
        for pair in pairs
    ]


def without_final_mark(text: str) -> str:
    return _FINAL_MARK.sub("", text)


def insert_at_end(text: str, piece: str) -> str:
    """Puts a piece behind the last word, before the final mark.

    Example:
        >>> insert_at_end("Where is it?", "🚲")
        'Where is it 🚲?'
    """
    body = without_final_mark(text)
    return f"{body} {piece}{text[len(body) :]}"


def shared_names(pair: Pair) -> list[str]:
    """Returns what stands in the middle of both sides, once, and may be a name."""
    return _shared(_NAME, pair)


def shared_numbers(pair: Pair) -> list[str]:
    """Returns the numbers that stand on both sides, once."""
    return _shared(_NUMBER, pair)


def replace_on_both(pair: Pair, old: str, new: str) -> Pair:
    return Pair(pair.source.replace(old, new), pair.target.replace(old, new))


def exchange_letters(text: str, rng: random.Random) -> str:
    """Exchanges two letters that stand beside each other inside of a word.

    They differ, neither is the word's first, and the word has at least four. A text
    without such letters stays as it is.
    """
    places = [
        place
        for word in WORD.finditer(text)
        for place in range(word.start() + 1, word.end() - 1)
        if len(word[0]) >= 4 and text[place] != text[place + 1]
    ]
    if not places:
        return text
    place = rng.choice(places)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def _shared(pattern: re.Pattern, pair: Pair) -> list[str]:
    return [
        piece
        for piece in pattern.findall(pair.source)
        if pair.source.count(piece) == pair.target.count(piece) == 1
    ]


def _small_letters(pair: Pair, rng: random.Random) -> Pair:
    return Pair(pair.source.lower(), pair.target)


def _no_final_mark(pair: Pair, rng: random.Random) -> Pair:
    source, target = map(without_final_mark, pair)
    return Pair(source, target) if source and target else pair


def _typo(pair: Pair, rng: random.Random) -> Pair:
    """Two letters exchanged, one left out, doubled, or another."""
    source = pair.source
    places = [place for word in WORD.finditer(source) for place in range(*word.span())]
    if len(places) < 4 or rng.random() < 0.4:
        return Pair(exchange_letters(source, rng), pair.target)
    place = rng.choice(places)
    typed = rng.choice(["", 2 * source[place], rng.choice(string.ascii_lowercase)])
    return Pair(source[:place] + typed + source[place + 1 :], pair.target)


def _copy(pair: Pair, rng: random.Random) -> Pair:
    """A name or a number in place of another; or a piece at an end."""
    if names := shared_names(pair):
        return replace_on_both(pair, rng.choice(names), _made_up_name(rng))
    if numbers := shared_numbers(pair):
        return replace_on_both(pair, rng.choice(numbers), _made_up_number(rng))
    piece = rng.choice(_PIECES)(rng)
    if rng.random() < 0.2:
        return Pair(f"{piece} {pair.source}", f"{piece} {pair.target}")
    return Pair(*(insert_at_end(text, piece) for text in pair))


def _made_up_name(rng: random.Random) -> str:
    name = "".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4)))
    return (name + rng.choice(["", "n", "r", "s", "l", "ck", "ß", "é"])).capitalize()


def _made_up_number(rng: random.Random) -> str:
    return str(rng.randrange(10 ** rng.randint(1, 6)))


def _made_up_url(rng: random.Random) -> str:
    letters = string.ascii_lowercase + string.digits + "-/"
    host = "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4)))
    path = "".join(rng.choices(letters, k=rng.randint(0, 10)))
    start = rng.choice(["https://", "http://", "www.", "https://www.", ""])
    return f"{start}{host}.{rng.choice(_DOMAINS)}{path and '/'}{path}"


def _emoji(rng: random.Random) -> str:
    return chr(rng.choice(rng.choice(_EMOJI)))


_PIECES = (_made_up_name, _made_up_number, _made_up_url, _emoji)
ALTERATIONS: tuple[Alter, ...] = (_small_letters, _no_final_mark, _typo, _copy)
