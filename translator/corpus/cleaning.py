"""Drops the pairs that teach nothing, and says which and why."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from translator.corpus.pairs import Pair
from translator.text import normalize_text

# The reason of `splitting.drop_held_out`.
HELD_OUT = "in dev or test"

# Reason -> what it means; in the order in which they are checked.
REASONS = {
    "control characters": "a side holds control characters or broken Unicode",
    "empty": "a side is empty",
    "too long": "a side has more than max_characters",
    "length ratio": "one side is more than max_length_ratio times the other",
    "identical sides": "the sentence is not translated",
    "duplicate": "the same pair came before",
    HELD_OUT: "a side occurs in a development or test set",
}
# Sides this short differ in length for good reasons: "Go." and "Márchese ahora."
SPARED_CHARACTERS = 20

_MAX_EXAMPLES = 3

# What no sentence holds: control characters other than white space, lone surrogates,
# and U+FFFD, which stands where another program could not decode a byte.
_CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffd\ufffe\uffff]"
)


@dataclass(frozen=True)
class CleaningRules:
    """Limits of a sentence pair, in characters of the normalised text.

    Args:
        max_characters: A longer side is dropped.
        max_length_ratio: The longer side may have this many times the characters of
            the shorter, unless it has fewer than `SPARED_CHARACTERS`.
    """

    max_characters: int = 400
    max_length_ratio: float = 4.0


@dataclass
class CleaningReport:
    """What cleaning did, counted as it goes.

    Args:
        kept: Pairs that passed.
        dropped: Reason -> pairs dropped for it.
        examples: Reason -> the first few of them.
    """

    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Pair]] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """Pairs that came in."""
        return self.kept + sum(self.dropped.values())

    def drop(self, pair: Pair, reason: str) -> None:
        """Counts a dropped pair."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < _MAX_EXAMPLES:
            examples.append(pair)


def clean_pairs(
    pairs: Iterable[Pair], rules: CleaningRules, report: CleaningReport
) -> Iterator[Pair]:
    """Yields the good pairs, normalised; counts all of them in the report.

    A pair is dropped for the first reason that fits. Memory grows by one 8-byte hash
    for each pair kept, to know duplicates by.

    Example:
        >>> report = CleaningReport()
        >>> pairs = [Pair("Go!", "¡Ve!"), Pair("OK", "OK"), Pair("Go! ", "¡Ve!")]
        >>> list(clean_pairs(pairs, CleaningRules(), report))
        [Pair(source='Go!', target='¡Ve!')]
        >>> report.kept, report.dropped
        (1, {'identical sides': 1, 'duplicate': 1})
    """
    seen: set[int] = set()
    for raw in pairs:
        pair = Pair(normalize_text(raw.source), normalize_text(raw.target))
        reason = _find_fault(raw, pair, rules)
        if not reason:
            key = hash_text(f"{pair.source}\t{pair.target}")
            reason = "duplicate" if key in seen else ""
        if reason:
            report.drop(raw, reason)
            continue
        seen.add(key)
        report.kept += 1
        yield pair


def _find_fault(raw: Pair, pair: Pair, rules: CleaningRules) -> str:
    if _CONTROL.search(raw.source) or _CONTROL.search(raw.target):
        return "control characters"
    short, long = sorted((len(pair.source), len(pair.target)))
    if not short:
        return "empty"
    if long > rules.max_characters:
        return "too long"
    if long >= SPARED_CHARACTERS and long > rules.max_length_ratio * short:
        return "length ratio"
    if pair.source == pair.target:
        return "identical sides"
    return ""


def hash_text(text: str) -> int:
    """Returns 64 bits of BLAKE2b: the same on every machine and in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
