"""Drops the pairs that teach nothing, and says which and why."""

import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from unicodedata import east_asian_width

from translator.corpus.pairs import Pair
from translator.text import normalize_text

# The reasons of `splitting.drop_held_out` and of `keep_first`.
HELD_OUT = "in dev or test"
FURTHER = "further translation"

# Reason -> what it means; in the order in which they are checked.
REASONS = {
    "control characters": "a side holds control characters or broken Unicode",
    "empty": "a side is empty",
    "too long": "a side has more than max_characters",
    "length ratio": "one side is more than max_length_ratio times the other",
    "identical sides": "the sentence is not translated",
    "duplicate": "the same pair came before",
    HELD_OUT: "a side occurs in a development or test set",
    FURTHER: "max_translations of the same sentence came before",
}
# Sides this short differ in length for good reasons: "Go." and "Márchese ahora."
SPARED_CHARACTERS = 20

_MAX_EXAMPLES = 3

_FIRST_SLOTS = 1 << 10
# Fuller, and the search for a free slot takes long.
_MAX_LOAD = 0.75
# English has three to four letters for each character of Chinese.
_WIDE_WEIGHT = 3

# What no sentence holds: control characters other than white space, lone surrogates,
# noncharacters (our placeholders are such), and U+FFFD, which stands where another
# program could not decode a byte.
_CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffd\ufffe\uffff]"
)


@dataclass(frozen=True)
class CleaningRules:
    """Limits of a sentence pair, in characters of the normalised text.

    Args:
        max_characters: A longer side is dropped.
        max_length_ratio: The longer side may have this many times the characters of
            the shorter, unless it has fewer than `SPARED_CHARACTERS`. A character of
            Chinese, Japanese or Korean counts as three.
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

    @property
    def summary(self) -> str:
        """Such as `1,200 were dropped: 1,000 duplicate, 200 empty`."""
        reasons = ", ".join(
            f"{self.dropped[reason]:,} {reason}"
            for reason in REASONS
            if reason in self.dropped
        )
        return f"{sum(self.dropped.values()):,} were dropped: {reasons or 'none'}"

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

    A pair is dropped for the first reason that fits. Memory grows by what `SeenTexts`
    needs to know duplicates by.

    Example:
        >>> report = CleaningReport()
        >>> pairs = [Pair("Go!", "¡Ve!"), Pair("OK", "OK"), Pair("Go! ", "¡Ve!")]
        >>> list(clean_pairs(pairs, CleaningRules(), report))
        [Pair(source='Go!', target='¡Ve!')]
        >>> report.kept, report.dropped
        (1, {'identical sides': 1, 'duplicate': 1})
    """
    seen = SeenTexts()
    for raw in pairs:
        pair = Pair(normalize_text(raw.source), normalize_text(raw.target))
        reason = _find_fault(raw, pair, rules)
        if not reason and not seen.add(f"{pair.source}\t{pair.target}"):
            reason = "duplicate"
        if reason:
            report.drop(raw, reason)
            continue
        report.kept += 1
        yield pair


class SeenTexts:
    """Knows which texts came before, by their hashes.

    A hash table with open addressing: 8 bytes a slot and 1.3 to 2.7 slots a text, so
    134 MB for 10 million, of which a set of integers takes a gigabyte. Two of 10
    million texts have the same 64 bits with a probability of 3 in a million.

    Example:
        >>> seen = SeenTexts()
        >>> seen.add("Go!"), seen.add("Stop!"), seen.add("Go!")
        (True, True, False)
    """

    def __init__(self):
        self._count = 0
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))  # 0: free

    def __len__(self) -> int:
        return self._count

    def add(self, text: str) -> bool:
        """Notes a text, and returns whether it is new."""
        key = hash_text(text) or 1
        slot = _find_slot(self._slots, key)
        if self._slots[slot]:
            return False
        self._slots[slot] = key
        self._count += 1
        if self._count > _MAX_LOAD * len(self._slots):
            self._grow()
        return True

    def _grow(self) -> None:
        slots = array("Q", bytes(16)) * len(self._slots)
        for key in self._slots:
            if key:
                slots[_find_slot(slots, key)] = key
        self._slots = slots


def _find_slot(slots: array, key: int) -> int:
    """Returns the slot that holds a key, or the free one where it belongs."""
    mask = len(slots) - 1
    slot = key & mask
    while slots[slot] not in (0, key):
        slot = (slot + 1) & mask
    return slot


def _find_fault(raw: Pair, pair: Pair, rules: CleaningRules) -> str:
    if _CONTROL.search(raw.source) or _CONTROL.search(raw.target):
        return "control characters"
    short, long = sorted((len(pair.source), len(pair.target)))
    if not short:
        return "empty"
    if long > rules.max_characters:
        return "too long"
    if long >= SPARED_CHARACTERS and long > rules.max_length_ratio * short:
        short, long = sorted(map(_weight, pair))
        if long > rules.max_length_ratio * short:
            return "length ratio"
    if pair.source == pair.target:
        return "identical sides"
    return ""


def _weight(text: str) -> int:
    """Its characters; one of Chinese, Japanese or Korean as several of an alphabet."""
    num_wide = sum(east_asian_width(character) in "WF" for character in text)
    return len(text) + (_WIDE_WEIGHT - 1) * num_wide


def keep_first(
    pairs: Iterable[Pair], max_translations: int, report: CleaningReport
) -> Iterator[Pair]:
    """Yields the pairs that are among the first of their source sentence.

    Args:
        pairs: Clean ones, without duplicates.
        max_translations: At most so many of a sentence; 0 for all.
        report: Counts those that are left out.
    """
    seen = SeenTexts()
    for pair in pairs:
        keys = (f"{number}\t{pair.source}" for number in range(max_translations))
        if max_translations and not any(map(seen.add, keys)):
            report.kept -= 1
            report.drop(pair, FURTHER)
        else:
            yield pair


def hash_text(text: str) -> int:
    """Returns 64 bits of BLAKE2b: the same on every machine and in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
