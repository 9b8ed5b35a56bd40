"""Which pairs are for training, which for development, which for the test.

The hash of the source sentence decides, so the same sentence always falls on the same
side: data may be added, reordered or cleaned again and no test sentence becomes a
training sentence. All translations of a sentence go together.

Sentences are compared by `sentence_key`, without regard to case, punctuation and
spaces: a test of "Come here!" after training on "Come here." would measure memory.

A set is never larger than `MAX_HELD_OUT` sentences, so that memory does not grow with
the corpus: a large one holds out those with the smallest hashes. A small corpus gives
more than its share, up to `LARGEST_SHARE`, until a set has `MIN_HELD_OUT`. Only there,
at both ends, can more data turn a sentence of a test into one for training.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from translator.corpus.cleaning import HELD_OUT, CleaningReport, hash_text
from translator.corpus.pairs import Pair

# Sentence keys of dev and of test, each. A score of 5,000 sentences is certain enough.
MAX_HELD_OUT = 5_000
# BLEU of 50 sentences has an interval of some 15 points, of 200 half of it.
MIN_HELD_OUT = 200
LARGEST_SHARE = 0.05

# Not r"\W", which would also delete the vowel signs of Devanagari and others.
_PUNCTUATION = {
    code: " "
    for code in range(0x10000)
    if unicodedata.category(chr(code)).startswith("P")
}


@dataclass(frozen=True)
class Shares:
    """Shares of the distinct source sentences; the rest is for training."""

    dev: float = 0.01
    test: float = 0.02


@dataclass
class HeldOut:
    """The sentence pairs that training must not see.

    Args:
        dev: Development pairs.
        tests: Name of a test set -> its pairs.
        references: Source sentence -> all its known translations.
    """

    dev: list[Pair] = field(default_factory=list)
    tests: dict[str, list[Pair]] = field(default_factory=dict)
    references: dict[str, list[str]] = field(default_factory=dict)

    def add_reference(self, pair: Pair) -> None:
        """Notes a translation of a sentence of one of the sets."""
        known = self.references.setdefault(pair.source, [])
        if pair.target not in known:
            known.append(pair.target)

    def keys(self, *sets: Iterable[Pair]) -> tuple[set[str], set[str]]:
        """Returns the keys of all sources and of all their references."""
        sources = {pair.source for pairs in sets for pair in pairs}
        targets = {target for source in sources for target in self.references[source]}
        return set(map(sentence_key, sources)), set(map(sentence_key, targets))


def hold_out(
    pairs: Iterable[Pair], shares: Shares, held_out: HeldOut
) -> Iterator[Pair]:
    """Yields the training pairs; at the end, adds the others to `dev` and `test`.

    Those sets get one line for each distinct source sentence, with its first
    translation; the others become further references. A set with a share of zero is
    left alone. What a full set gives up for a sentence with a smaller hash is yielded
    there and then.
    """
    test, dev = _Chosen(shares.test), _Chosen(shares.dev)
    for pair in pairs:
        position = hash_text(sentence_key(pair.source)) / 2**64
        # Dev begins where the test's share ends, and its further sentences follow;
        # those of the test come from the other end.
        distance = position - shares.test
        if distance < 0:
            yield from test.add(position, pair)
        elif distance < dev.stop:
            yield from dev.add(distance, pair)
        elif (distance := 1 - position + shares.test) < test.stop:
            yield from test.add(distance, pair)
        else:
            yield pair
    if shares.test:
        held_out.tests.setdefault("test", []).extend(test.lines())
    held_out.dev.extend(dev.lines())
    for pair in (*test.pairs(), *dev.pairs()):
        held_out.add_reference(pair)


class _Chosen:
    """The sentences that come first, by where their hashes lie: in [0, `stop`).

    Args:
        share: Of all hashes; those beyond are for a set that is too small.

    Attributes:
        stop: Where the places end. It comes down, to the share, whenever the set has
            more than `MIN_HELD_OUT` sentence keys; beyond `MAX_HELD_OUT`, further.
    """

    def __init__(self, share: float):
        self.share = share
        self.stop = max(share, LARGEST_SHARE) if share else 0.0
        self._translations: dict[str, list[str]] = defaultdict(list)
        self._sources: dict[float, list[str]] = defaultdict(list)
        self._positions: list[float] = []  # negative: a heap with the largest on top

    def add(self, position: float, pair: Pair) -> list[Pair]:
        """Notes a pair, and returns those that are given up for it."""
        if position not in self._sources:
            heappush(self._positions, -position)
        if pair.source not in self._translations:
            self._sources[position].append(pair.source)
        self._translations[pair.source].append(pair.target)
        last = -self._positions[0]
        if len(self._positions) <= (
            MIN_HELD_OUT if last >= self.share else MAX_HELD_OUT
        ):
            return []
        self.stop = -heappop(self._positions)
        return [
            Pair(source, target)
            for source in self._sources.pop(self.stop)
            for target in self._translations.pop(source)
        ]

    def lines(self) -> list[Pair]:
        """Each source sentence with its first translation, as they came."""
        return [Pair(source, known[0]) for source, known in self._translations.items()]

    def pairs(self) -> Iterator[Pair]:
        """Each source sentence with all its translations."""
        for source, known in self._translations.items():
            for target in known:
                yield Pair(source, target)


def separate_dev(held_out: HeldOut) -> None:
    """Drops from dev the pairs that share a sentence with a test, on either side."""
    sources, targets = held_out.keys(*held_out.tests.values())
    held_out.dev = [
        pair
        for pair in held_out.dev
        if sentence_key(pair.source) not in sources
        and not any(
            sentence_key(target) in targets
            for target in held_out.references[pair.source]
        )
    ]


def drop_held_out(
    pairs: Iterable[Pair], held_out: HeldOut, report: CleaningReport
) -> Iterator[Pair]:
    """Yields the pairs of which no side occurs in dev or in a test.

    Different sentences share translations, so a hash of the source alone would leave
    test sentences among the training targets.
    """
    sources, targets = held_out.keys(held_out.dev, *held_out.tests.values())
    for pair in pairs:
        if sentence_key(pair.source) in sources or sentence_key(pair.target) in targets:
            report.kept -= 1
            report.drop(pair, HELD_OUT)
        else:
            yield pair


def sentence_key(text: str) -> str:
    """Returns what identifies a sentence: its words, in lower case.

    Example:
        >>> sentence_key("Come here, Tom!") == sentence_key("come here Tom.")
        True
        >>> sentence_key("At 2:30") == sentence_key("At 2:31")
        False
    """
    return " ".join(text.casefold().translate(_PUNCTUATION).split()) or text
