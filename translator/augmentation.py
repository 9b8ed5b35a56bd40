"""Training pairs as people would type them: small letters, typos, things to be copied.

A corpus is neat: every sentence has its capital and its full stop, no typos and no
URL. A model that saw nothing else fails on the rest (`translator evaluate
--robustness`).
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from num2words import CONVERTER_CLASSES, num2words

from translator.corpus.pairs import Pair
from translator.placeholders import NUMBERS, THINGS
from translator.text import MARKS, main_language, small_letters
from translator.words import COMBINING, LETTER, WORD

_FINAL_MARK = re.compile(rf"\s*[{MARKS}]+\s*$")
# A word, also thirty-five; a date or an amount.
_PART = rf"\w[\w{COMBINING}]*"
_TOKEN = re.compile(rf"{_PART}(?:-(?!\d){_PART}|[.,:/-]\d+)*")
# Of the pairs without a word alike on both sides, this fraction of `share` gets a
# placeholder at an end. Of the pairs whose words were replaced, this share gets more.
_ADDED, _FURTHER = 0.1, 0.25
_NUM_ADDED = (1, 1, 2, 3)  # how many are added, drawn from these
# Numbers whose words are a single one in most languages, and not an article.
_NUMERALS = (*range(2, 21), *range(30, 101, 10))

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


def put_placeholders(
    pairs: Sequence[Pair],
    share: float,
    rng: random.Random,
    numerals: Mapping[str, str] | None = None,
) -> list[Pair]:
    """Puts placeholders on both sides of some pairs, for the model to learn to copy.

    They stand for words that are alike on both sides and there once, if those are
    numbers or not all in small letters: names, mostly. A first word has its capital for
    another reason: it must be such a word inside of another pair. Numbers in words
    count as numbers, as few pairs have digits. In pairs without such words, one or
    several are added at an end, as addresses or emoji would be. Which of `THINGS`, or
    of `NUMBERS`, stands where is drawn, so that all of them are learnt alike; where
    there are too few of one kind, the other serves.

    Args:
        pairs: Pairs without placeholders.
        share: Of the pairs with such words, the fraction where placeholders stand for
            one or several; a tenth of it of the others.
        rng: Source of the draws.
        numerals: Numbers in words, source to target: see `numerals_of`.

    Example:
        >>> pairs = [Pair("Is it Ana?", "¿Es Ana?")]
        >>> [pair] = put_placeholders(pairs, 1.0, random.Random(1))
        >>> stars = str.maketrans(dict.fromkeys(THINGS, "*"))
        >>> [side.translate(stars) for side in pair]
        ['Is it *?', '¿Es *?']
    """
    numerals = numerals or {}
    draws = [rng.random() for _ in pairs]
    chosen = [place for place, draw in enumerate(draws) if draw < share]
    alike = [_alike(pairs[place], numerals) for place in chosen]
    names = {word for words, _ in alike for word in words}
    result = list(pairs)
    for place, (words, first) in zip(chosen, alike, strict=True):
        words += [first] * (first in names)
        may_be_added = draws[place] < share * _ADDED
        result[place] = _with_placeholders(
            pairs[place], words, may_be_added, rng, numerals
        )
    return result


def numerals_of(source_language: str, target_language: str) -> dict[str, str]:
    """Returns numbers in words, source to target; none where either is not known.

    Example:
        >>> numerals_of("en", "es")["three"]
        'tres'
    """
    languages = [main_language(code) for code in (source_language, target_language)]
    if not {*languages} <= CONVERTER_CLASSES.keys():
        return {}  # of a longer code num2words takes the first two letters
    words = [
        [num2words(number, lang=language) for number in _NUMERALS]
        for language in languages
    ]
    return dict(zip(*words, strict=True))


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


def exchange_letters(text: str, rng: random.Random) -> str:
    """Exchanges two letters that stand beside each other inside of a word.

    They differ, neither is the word's first, and the word has at least four. A text
    without such letters stays as it is.
    """
    places = [
        (one, other)
        for word in WORD.finditer(text)
        if len(letters := [*LETTER.finditer(text, *word.span())]) >= 4
        for one, other in pairwise(letters[1:])
        if one[0] != other[0]
    ]
    if not places:
        return text
    one, other = rng.choice(places)
    return text[: one.start()] + other[0] + one[0] + text[other.end() :]


def _with_placeholders(
    pair: Pair,
    words: Sequence[str],
    may_be_added: bool,
    rng: random.Random,
    numerals: Mapping[str, str],
) -> Pair:
    free = {kind: rng.sample(kind, len(kind)) for kind in (THINGS, NUMBERS)}
    if words:
        marks = {}, {}  # what stands for the words of each side
        for word in rng.sample(words, rng.randint(1, len(words))):
            is_number = _is_number(word) or word in numerals
            kinds = (NUMBERS, THINGS) if is_number else (THINGS, NUMBERS)
            if own := free[kinds[0]] or free[kinds[1]]:
                marks[0][word] = marks[1][numerals.get(word, word)] = own.pop()
        pair = Pair(
            *(
                _TOKEN.sub(lambda m, own=own: own.get(m[0], m[0]), side)
                for side, own in zip(pair, marks, strict=True)
            )
        )
        may_be_added = rng.random() < _FURTHER
    others = free[THINGS] + free[NUMBERS]
    rng.shuffle(others)
    added = " ".join(others[: rng.choice(_NUM_ADDED)])
    if not (may_be_added and added):
        return pair
    if rng.random() < 0.2:
        return Pair(*(f"{added} {side}" for side in pair))
    return Pair(*(insert_at_end(side, added) for side in pair))


def _alike(pair: Pair, numerals: Mapping[str, str]) -> tuple[list[str], str]:
    """Returns the words of the source that a placeholder may stand for, and the first
    word by itself if it may be a name, or else an empty one."""
    sources = _TOKEN.findall(pair.source)
    found = [
        (place, word)
        for place, word in enumerate(sources)
        if not word.islower() or word in numerals
    ]
    targets = _TOKEN.findall(pair.target) if found else []
    found = [
        (place, word)
        for place, word in found
        if sources.count(word) == targets.count(numerals.get(word, word)) == 1
    ]
    words, first = [], ""
    for place, word in found:
        if place or word in numerals or _is_number(word):
            words.append(word)
        else:
            first = word
    return words, first


def _is_number(word: str) -> bool:
    return not any(map(str.isalpha, word))


def _small_letters(pair: Pair, rng: random.Random) -> Pair:
    return Pair(small_letters(pair.source), pair.target)


def _no_final_mark(pair: Pair, rng: random.Random) -> Pair:
    """Where both sides have one: else one side would have it without the other."""
    sides = [without_final_mark(side) for side in pair]
    if not all(sides) or any(map(str.__eq__, sides, pair)):
        return pair
    return Pair(*sides)


def _typo(pair: Pair, rng: random.Random) -> Pair:
    """Two letters exchanged, one left out, doubled, or another."""
    source = pair.source
    letters = [*LETTER.finditer(source)]
    if len(letters) < 4 or rng.random() < 0.4:
        return Pair(exchange_letters(source, rng), pair.target)
    letter = rng.choice(letters)
    other = rng.choice(letters)[0].lower()  # of the same script
    typed = rng.choice(["", 2 * letter[0], other])
    start, end = letter.span()
    return Pair(source[:start] + typed + source[end:], pair.target)


ALTERATIONS: tuple[Alter, ...] = (_small_letters, _no_final_mark, _typo)
