"""What people type: altered copies of a set of sentences, and what they cost in BLEU.

Everything is translated as a whole text, as a user would: cut into sentences, put back.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.table import Table
from sacrebleu.metrics import BLEU

from translator.augmentation import (
    exchange_letters,
    insert_at_end,
    without_final_mark,
)
from translator.config import SearchConfig
from translator.corpus.pairs import Pair
from translator.disk import write_json
from translator.languages import has_spaces
from translator.scoring import make_bleu
from translator.translations import AnyTranslator
from translator.words import WORD, split_words

ROBUSTNESS_NAME = "robustness.json"
COLUMNS = ("altered", "texts", "BLEU before", "BLEU", "difference", "intact")
# Longest answer to a single word, in words: what is longer was made up.
LONGEST_ANSWER = 3

_LONGEST_WORD = 20  # a clause, where there are no spaces
_NUMBER = re.compile(r"\b\d+\b")
_NAME = re.compile(r"(?<=[\w,] )[A-Z]\w+\b")  # not at the start of a sentence
_FIRST_NAME = re.compile(r"\b[A-Z]\w\w+\b")
# Of no language in particular; that none is in a corpus is not sure, but likely.
_NAMES = ("Oyelaran", "Ksenija", "Tavita", "Brzozka", "Anneli", "Quispe", "Imanol")
_EMOJI = ("😀", "🎉", "👍", "🚲", "❤️")
_URLS = ("https://example.org/a/17?b=2", "www.example.com", "http://example.net/x-y")


class Altered(NamedTuple):
    """An altered text.

    Fields:
        places: Of the sentences that it is made of, in the set.
        source: What is typed.
        reference: What is wanted.
        kept: What must stand in the translation, once; "" for nothing.
    """

    places: tuple[int, ...]
    source: str
    reference: str
    kept: str = ""


@dataclass(frozen=True)
class AlterationScores:
    """What an alteration costs.

    Attributes:
        name: What was altered.
        num_texts: How many texts could be.
        clean: BLEU of the same sentences as they were, 0 to 100.
        altered: BLEU of the altered ones.
        intact: Percentage of the texts whose translation holds, once, what must not be
            translated; or, of single words, is at most `LONGEST_ANSWER` words long
            (three times as many characters, where there are no spaces).
            None where neither is asked.

    BLEU is None where there is no reference, for single words.
    """

    name: str
    num_texts: int
    clean: float | None = None
    altered: float | None = None
    intact: float | None = None

    def cells(self) -> list[str]:
        """Returns the numbers as they are shown, one for each of `COLUMNS`."""
        cells = [self.name, f"{self.num_texts:,}", "", "", "", ""]
        if self.altered is not None:
            difference = self.altered - self.clean
            cells[2:5] = (
                f"{self.clean:.1f}",
                f"{self.altered:.1f}",
                f"{difference:+.1f}",
            )
        if self.intact is not None:
            cells[5] = f"{self.intact:.0f}%"
        return cells


# Sentences and their references, and a source of chance, to the texts to translate.
_Pairs = Sequence[Pair]
_Alter = Callable[[_Pairs, random.Random], Iterator[Altered]]
_ALTERATIONS: dict[str, tuple[_Alter, Callable[[str], str]]] = {}


def _alteration(name: str, compared: Callable[[str], str] = str) -> Callable:
    """Adds a function to the alterations.

    Args:
        name: Of the row.
        compared: What is left of a translation or a reference when they are compared:
            nobody asks for capitals in the answer to capitals.
    """

    def add(alter: _Alter) -> _Alter:
        _ALTERATIONS[name] = alter, compared
        return alter

    return add


@_alteration("small letters")
def _lower(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place, (source, reference) in enumerate(pairs):
        if source.lower() != source:
            yield Altered((place,), source.lower(), reference)


@_alteration("UPPER CASE", str.lower)
def _upper(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place, (source, reference) in enumerate(pairs):
        if source.upper() != source.lower():
            yield Altered((place,), source.upper(), reference)


@_alteration("Title Case", str.lower)
def _title(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place, (source, reference) in enumerate(pairs):
        words = (word[:1].upper() + word[1:] for word in source.split(" "))
        typed = " ".join(words)
        if typed != source:
            yield Altered((place,), typed, reference)


@_alteration("no final punctuation", without_final_mark)
def _unfinished(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place, (source, reference) in enumerate(pairs):
        typed = without_final_mark(source)
        if typed != source:
            yield Altered((place,), typed, reference)


@_alteration("a typo")
def _misspelled(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place, (source, reference) in enumerate(pairs):
        typed = exchange_letters(source, rng)
        if typed != source:
            yield Altered((place,), typed, reference)


@_alteration("spaces around", str.strip)
def _spaced(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place, (source, reference) in enumerate(pairs):
        yield Altered((place,), f"  {source} ", reference)


@_alteration("two sentences")
def _joined(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place in range(0, len(pairs) - 1, 2):
        (first, first_reference), (second, second_reference) = pairs[place : place + 2]
        yield Altered(
            (place, place + 1),
            f"{first} {second}",
            f"{first_reference} {second_reference}",
        )


@_alteration("a single word")
def _single(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    words = {word for source, _ in pairs for word in WORD.findall(source)}
    words = sorted(word for word in words if len(word) <= _LONGEST_WORD)
    for word in rng.sample(words, min(len(words), len(pairs))):
        yield Altered((), word, "")


@_alteration("other numbers")
def _numbers(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place, pair in enumerate(pairs):
        for old in _shared(_NUMBER, pair)[:1]:
            new = str(rng.randrange(1_000, 1_000_000))
            yield Altered((place,), *_replace_on_both(pair, old, new), kept=new)


@_alteration("unseen names")
def _names(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place, pair in enumerate(pairs):
        for old in _shared(_NAME, pair)[:1]:
            new = rng.choice(_NAMES)
            yield Altered((place,), *_replace_on_both(pair, old, new), kept=new)


@_alteration("unseen names first")
def _first_names(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    for place, pair in enumerate(pairs):
        first = _FIRST_NAME.match(pair.source)
        if first and first[0] in _shared(_FIRST_NAME, pair):
            new = rng.choice(_NAMES)
            yield Altered((place,), *_replace_on_both(pair, first[0], new), kept=new)


@_alteration("an emoji")
def _emoji(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    yield from _with_piece(pairs, _EMOJI, rng)


@_alteration("a URL")
def _url(pairs: _Pairs, rng: random.Random) -> Iterator[Altered]:
    yield from _with_piece(pairs, _URLS, rng)


def _with_piece(pairs: _Pairs, pieces, rng: random.Random) -> Iterator[Altered]:
    for place, pair in enumerate(pairs):
        piece = rng.choice(pieces)
        texts = (insert_at_end(text, piece) for text in pair)
        yield Altered((place,), *texts, kept=piece)


def _shared(pattern: re.Pattern, pair: Pair) -> list[str]:
    """Returns what stands on both sides, once."""
    return [
        piece
        for piece in pattern.findall(pair.source)
        if pair.source.count(piece) == pair.target.count(piece) == 1
    ]


def _replace_on_both(pair: Pair, old: str, new: str) -> Pair:
    return Pair(pair.source.replace(old, new), pair.target.replace(old, new))


def measure_robustness(
    translator: AnyTranslator,
    sources: Sequence[str],
    references: Sequence[str],
    search: SearchConfig | None = None,
    seed: int = 1,
) -> list[AlterationScores]:
    """Translates a set and its altered copies, and scores both.

    Args:
        translator: Anything with the `translate` of `TextTranslator`.
        sources: Sentences.
        references: A translation of each.
        search: How to search; default, the translator's own options.
        seed: Of typos, words, names and numbers.
    """
    pairs = list(map(Pair, sources, references))
    clean = _translate(translator, sources, search)
    language = getattr(translator, "target_language", "")
    metric = make_bleu(language)
    rows = []
    for name, (alter, compared) in _ALTERATIONS.items():
        texts = list(alter(pairs, random.Random(seed)))
        hypotheses = _translate(translator, [text.source for text in texts], search)
        bleu = partial(_bleu, metric, compared)
        row = _score(name, texts, hypotheses, pairs, clean, bleu, language)
        rows.append(row)
    return rows


def _translate(translator, sources, search) -> list[str]:
    return [found.text for found in translator.translate(sources, search)]


def _score(name, texts, hypotheses, pairs, clean, bleu, language) -> AlterationScores:
    if not texts:
        return AlterationScores(name, 0)
    if not texts[0].places:
        longest = LONGEST_ANSWER if has_spaces(language) else 3 * LONGEST_ANSWER
        is_short = [len(split_words(own, language)) <= longest for own in hypotheses]
        return AlterationScores(name, len(texts), intact=_percentage(is_short))
    clean_hypotheses = [" ".join(clean[p] for p in text.places) for text in texts]
    clean_references = [" ".join(pairs[p][1] for p in text.places) for text in texts]
    is_kept = [
        hypothesis.count(text.kept) == 1
        for text, hypothesis in zip(texts, hypotheses, strict=True)
        if text.kept
    ]
    return AlterationScores(
        name,
        len(texts),
        clean=bleu(clean_hypotheses, clean_references),
        altered=bleu(hypotheses, [text.reference for text in texts]),
        intact=_percentage(is_kept) if is_kept else None,
    )


def _bleu(metric: BLEU, compared, hypotheses, references) -> float:
    hypotheses, references = (
        [compared(text) for text in texts] for texts in (hypotheses, references)
    )
    return metric.corpus_score(hypotheses, [references]).score


def _percentage(flags: list[bool]) -> float:
    return 100 * sum(flags) / len(flags)


def save_robustness(rows: Sequence[AlterationScores], directory: Path) -> None:
    """Writes `ROBUSTNESS_NAME` into the folder of a report."""
    write_json(directory / ROBUSTNESS_NAME, [asdict(row) for row in rows])


def load_robustness(directory: Path) -> list[AlterationScores]:
    """The inverse; an empty list where there is no such file."""
    path = directory / ROBUSTNESS_NAME
    if not path.exists():
        return []
    return [AlterationScores(**row) for row in json.loads(path.read_text("utf-8"))]


def render_robustness(rows: Sequence[AlterationScores]) -> Table:
    """Returns the scores for a `rich.console.Console` to print."""
    table = Table(COLUMNS[0], box=box.SIMPLE_HEAD)
    for name in COLUMNS[1:]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row.cells())
    return table
