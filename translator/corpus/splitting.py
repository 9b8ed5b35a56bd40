"""Which pairs are for training, which for development, which for the test.

The hash of the source sentence decides, so the same sentence always falls on the same
side: data may be added, reordered or cleaned again and no test sentence becomes a
training sentence. All translations of a sentence go together.

Sentences are compared by `sentence_key`, without regard to case, punctuation and
spaces: a test of "Come here!" after training on "Come here." would measure memory.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from translator.corpus.cleaning import HELD_OUT, CleaningReport, hash_text
from translator.corpus.pairs import Pair

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
    """Yields the training pairs; adds the others to `dev` and to the test `test`.

    Those sets get one line for each distinct source sentence, with its first
    translation; the others become further references. A set with a share of zero is
    left alone.
    """
    test = held_out.tests.setdefault("test", []) if shares.test else []
    seen: set[str] = set()
    for pair in pairs:
        position = hash_text(sentence_key(pair.source)) / 2**64
        if position >= shares.test + shares.dev:
            yield pair
            continue
        held_out.add_reference(pair)
        if pair.source not in seen:
            seen.add(pair.source)
            (test if position < shares.test else held_out.dev).append(pair)


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
