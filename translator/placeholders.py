r"""What cannot be translated goes past the network: a placeholder stands for it.

No network of subwords spells an address, an emoji or a name that it never saw. So each
of them is taken out of the sentence, a character that no text holds is put in its
place, and where the translation has that character, the thing is put back. The network
learns to carry the characters over from pairs that have them on both sides: see
`augmentation.put_placeholders`.

Things are found in the shape of a sentence, ASCII of the same length, by a pattern that
reads alike for Python and for RE2: `graph_placeholders` does the same in a graph.

**Source:** Luong et al. 2015, "Addressing the Rare Word Problem in Neural Machine
Translation", section 3.1, the copyable model: the n-th one stands for the n-th thing.
Crego et al. 2016, "SYSTRAN's Pure Neural Machine Translation Systems", section 4.1:
numbers have placeholders of their own.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, Self

from translator.text import fold_capitals, is_combining, is_small

# Unicode keeps these code points for what programs need inside ("noncharacters"); in no
# text that is exchanged do they mean anything. Those of numbers are others, as a number
# has other words around it than a name.
THINGS, NUMBERS = "\ufdd0\ufdd1", "\ufdd2\ufdd3"
PLACEHOLDERS = THINGS + NUMBERS

# Pairs that `find_capital_rule` looks at, at most, and words that it remembers.
MAX_RULE_PAIRS = 500_000
MAX_KNOWN_WORDS = 100_000
# Words that were never seen are taken for names where at least this share of those that
# were seen once are copied: a lost name tells of somebody else, and a word that is
# copied is only not translated.
_LEAST_COPIED = 0.25
# Of the training sentences: a network that saw so many in capitals knows them as well.
_MOST_FOLDED = 0.05

# What a shape has in place of characters that are not ASCII. Letters of scripts without
# capitals are no part of a name or a code: without spaces, a whole clause may stand
# before a number. Combining characters belong to what they follow.
_CAPITAL, _LETTER, _DIGIT, _OTHER = "Qq9\x7f"
UNCASED, _COMBINING = "\x05\x06"
_PICTURE, _JOINER, _KEYCAP, _QUOTE = '\x01\x02\x03"'
# The first and the last of some that nothing else tells about.
_RANGES = (
    (_PICTURE, "\u00a7\u00a7"),
    (_PICTURE, "\u00a9\u00a9"),
    (_PICTURE, "\u00ae\u00ae"),
    (_PICTURE, "\u2122\u2122"),
    (_PICTURE, "\u2190\u21ff"),
    (_PICTURE, "\u231a\u23ff"),
    (_PICTURE, "\u25a0\u25ff"),
    (_PICTURE, "\u2600\u27bf"),
    (_PICTURE, "\u2b05\u2b55"),
    (_PICTURE, "\U0001f000\U0001faff"),
    (_JOINER, "\ufe0f\ufe0f"),
    (_JOINER, "\u200d\u200d"),
    (_JOINER, "\U000e0020\U000e007f"),
    (_KEYCAP, "\u20e3\u20e3"),
    (_QUOTE, "“”"),
    (_QUOTE, "««"),
    (_QUOTE, "»»"),
)

# What an address, a tag or a path ends in: no full stop, bracket or quotation mark.
_REST = rf'[^ <>"{UNCASED}]*[\w/=&%#+~-]'
_LABEL = r"\w[\w-]{0,62}\."
_DOMAINS = "com|org|net|edu|gov|info|eu|io"
_ENDINGS = (
    "pdf|txt|md|docx?|xlsx?|pptx?|csv|tsv|json|xml|html?|zip|gz|exe|py|jpe?g|png|gif|"
    "svg|mp[34]|wav|avi"
)
_EMOJI = rf"(?:[\d#*]{_JOINER}?{_KEYCAP}|{_PICTURE})"
_ADDRESSES = (
    rf"(?:\w+://|www\.){_REST}",
    r"\w[\w.+-]{0,63}@\w[\w-]*(?:\.\w[\w-]*)+",  # e-mail
    rf"(?:{_LABEL}){{1,8}}(?:{_DOMAINS})\b(?:/{_REST})?",
    rf"(?:{_LABEL}){{1,8}}(?:{_ENDINGS})\b",  # a file
    r"(?:(?:~|\.\.?)(?:/[\w.-]*\w)+|(?:/[\w.-]*\w){2,})/?",  # a path
    rf"[A-Za-z]:\\{_REST}",
    rf"[@#][\w{UNCASED}{_COMBINING}]+",
    rf"{_EMOJI}(?:{_EMOJI}|{_JOINER})*",  # several without a space
)
# What programs and their messages have. No mark here begins inside of a word (`\B`).
_MARKUP = (
    r"`[^`]{1,80}`",
    r"\{\{[^{}]{1,80}\}\}|\$?\{[\w.:$-]{0,80}\}",  # {{ name }}, {name}, ${NAME}
    r"%(?:\d\$)?(?:\(\w+\))?[dfisu@]\b",  # %s, %1$d, %(name)s
    r"\$[A-Za-z_]\w+",
    r"\B--[A-Za-z][\w-]*",  # an option
    r"\*\.\w+",  # *.txt
    r"\w+(?:\+\w+)+|[A-Z](?:\+\+|#)\B",  # Ctrl+C, C++
    r"[+=<>|~^\\]+\B",  # by themselves
)
# B2B, my_file, F-16
_CODE = r"[A-Za-z]+[\d_]\w*|[\d_]+[A-Za-z]\w*|[A-Z]+-\d\w*"
# Three digits or more, as of a year, a date, an amount or a telephone number.
_NUMBER = r"\+?\d(?:[-.,/]?\d){2,}\b"
# What comes first of a text; so as often as it goes. No thing begins inside of a word.
TOKEN_PATTERN = (
    rf"(?P<address>{'|'.join((*_ADDRESSES, *_MARKUP))})"
    r"|(?P<amount>\d+[a-z]+\b)"  # 21st, 10km, 1990s
    rf"|(?P<code>{_CODE})"
    rf"|(?P<number>{_NUMBER})"
    r"|(?P<joined>[\w&]+(?:[@#/]\w*)+)"  # and/or
    rf"|(?P<name>[A-Z][\w{_COMBINING}]+)"
    rf"|(?P<word>\d+(?:[.,/-]\d+)*|[\w&][\w&{_COMBINING}]*|[^\w&])"
)
# What stands before a word inside of a sentence; a first one has a capital anyway.
BEFORE_INNER = rf"[\w,;{UNCASED}{_COMBINING}] "
_TOKEN = re.compile(TOKEN_PATTERN, re.ASCII)
_INNER = re.compile(rf"(?<={BEFORE_INNER})[A-Za-z]", re.ASCII)
_WORD = re.compile(rf"\b[A-Za-z][\w{_COMBINING}]+", re.ASCII)


class NumberMarks(NamedTuple):
    """What a language writes in numbers: one character each, ASCII in a source.

    Fields:
        group: Before each three digits from the right, as in 24,100.
        decimal: Before the decimals.
    """

    group: str
    decimal: str


class CapitalRule(NamedTuple):
    """What capitals tell: names that a network does not know, or nothing.

    Fields:
        known_words: Words that it knows, as they are with a capital.
        inner: Whether all others are names inside of a sentence.
        first: Whether they are as the first word.
        folds: Whether a sentence in capitals, or with a capital at each word, gets
            small ones, as the network knows no others: see `text.fold_capitals`.
    """

    known_words: frozenset[str] = frozenset()
    inner: bool = False
    first: bool = False
    folds: bool = True

    def is_unknown(self, word: str, is_first: bool) -> bool:
        """Tells of a word with a capital whether it is an unknown name."""
        is_name = self.first if is_first else self.inner
        return is_name and word not in self.known_words

    def to_json(self) -> dict[str, Any]:
        return self._asdict() | {"known_words": " ".join(sorted(self.known_words))}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        words = frozenset(content["known_words"].split())
        return cls(**{**content, "known_words": words})


NO_NAMES = CapitalRule()


class _Shapes(dict):
    """Code point -> the character that stands for it, found when it is asked for."""

    def __missing__(self, code: int) -> str:
        self[code] = character = shape_of(chr(code))
        return character


_SHAPES = _Shapes()


def shape_of(character: str) -> str:
    """Returns the ASCII character that stands for another in the shape of a text.

    Example:
        >>> "".join(map(shape_of, "Él, 本 ٣ 🚲"))
        'Ql, \\x05 9 \\x01'
    """
    if character.isspace():
        return " "
    if " " < character < "\x7f":
        return character
    for kind, (first, last) in _RANGES:
        if first <= character <= last:
            return kind
    if character.isdecimal():
        return _DIGIT
    if character.isupper():
        return _CAPITAL
    if is_small(character):
        return _LETTER
    if character.isalnum():
        return UNCASED
    return _COMBINING if is_combining(character) else _OTHER


def protect(
    sentence: str,
    placeholders: str = PLACEHOLDERS,
    is_unknown: Callable[[str, bool], bool] | None = None,
) -> tuple[str, dict[str, str]]:
    """Puts placeholders in the places of what cannot be translated.

    That is: addresses of pages and e-mail, files, paths, handles, tags, emoji, signs
    such as > and §, what belongs to programs (`code`, {name}, %s, Ctrl+C), words with
    digits, numbers of three digits or more (in the target language they may have
    other marks: see `rewrite_number`), and names that are not known.
    Characters of the sentence's own that are placeholders are left out.

    Args:
        sentence: One sentence.
        placeholders: Those to use. When all of one kind, `THINGS` or `NUMBERS`, stand
            somewhere, what the other leaves serves as well, its last first; what is
            left then stays as it is.
        is_unknown: Tells of a word with a capital, and of whether it is a first word,
            whether it is an unknown name: see `CapitalRule`. Default, none is.

    Returns:
        The sentence, and what each of its placeholders stands for.

    Example:
        >>> text, originals = protect("Is it me@example.net, or 555-1234?")
        >>> text == f"Is it {THINGS[0]}, or {NUMBERS[0]}?", list(originals.values())
        (True, ['me@example.net', '555-1234'])
        >>> restore(f"¿Es {THINGS[0]} o {NUMBERS[0]}?", originals)
        '¿Es me@example.net o 555-1234?'
    """
    sentence = drop_placeholders(sentence)
    shape = sentence.translate(_SHAPES)
    inner = {match.start() for match in _INNER.finditer(shape)}
    found = []
    for token in _TOKEN.finditer(shape):
        start, stop = token.span()
        is_thing = token.lastgroup in ("address", "code")
        if token.lastgroup == "name" and is_unknown:
            is_thing = is_unknown(sentence[start:stop], start not in inner)
        if is_thing or token.lastgroup == "number":
            found.append((start, stop, THINGS if is_thing else NUMBERS))
    counts = Counter(kind for _, _, kind in found)
    free = {
        kind: iter(kind + other[counts[other] :][::-1])
        for kind, other in ((THINGS, NUMBERS), (NUMBERS, THINGS))
    }
    pieces, originals, end = [], {}, 0
    for start, stop, kind in found:
        placeholder = next((own for own in free[kind] if own in placeholders), None)
        if not placeholder:
            continue
        pieces += sentence[end:start], placeholder
        originals[placeholder] = sentence[start:stop]
        end = stop
    return "".join((*pieces, sentence[end:])), originals


def has_words(text: str) -> bool:
    """Whether there is anything but digits and marks in a text."""
    return any(own.isalnum() and not own.isdecimal() for own in text)


def restore(text: str, originals: Mapping[str, str]) -> str:
    """Puts the originals back; placeholders that stand for nothing are dropped, with
    the space before them, or behind the first word."""
    for own in PLACEHOLDERS:
        if own in text and own not in originals:
            text = re.sub(surplus_pattern(own), "", text)
    return text.translate(str.maketrans(dict(originals)))


def surplus_pattern(placeholder: str) -> str:
    """Returns what is dropped of a placeholder that stands for nothing, for Python and
    for RE2."""
    return f"^{placeholder} | ?{placeholder}"


def drop_placeholders(text: str) -> str:
    """Returns the text of a stranger, who has no placeholders, without any."""
    return text.translate(dict.fromkeys(map(ord, PLACEHOLDERS)))


@cache
def marked_number_pattern(marks: NumberMarks) -> str:
    """Returns what matches a number with marks, for Python and for RE2.

    Several may be joined, as in 1,000-2,000. One point alone, as in 3.11, may be that
    of a version or a date, and three or more with three digits each those of an
    address: they are no marks. Nor are those behind a zero in front, as of a telephone
    number; what else a German writes with points is taken for a number.
    """
    group, decimal = map(re.escape, marks)
    count = "{1,2}" if marks.group == "." else "+"
    kinds = [rf"[1-9]\d{{0,2}}(?:{group}\d{{3}}){count}(?:{decimal}\d+)?", r"\d+"]
    if marks.decimal != ".":
        kinds.append(rf"\d+{decimal}\d+")
    number = f"(?:{'|'.join(kinds)})"
    return rf"\+?{number}(?:[-/]{number})*"


def rewrite_number(text: str, source: NumberMarks, target: NumberMarks) -> str:
    """Gives a number the marks of another language; other text stays as it is.

    Example:
        >>> english, german = NumberMarks(",", "."), NumberMarks(".", ",")
        >>> rewrite_number("24,100.5", english, german)
        '24.100,5'
        >>> rewrite_number("192.168.100.200", german, english)
        '192.168.100.200'
    """
    if not re.fullmatch(marked_number_pattern(source), text, re.ASCII):
        return text
    return text.translate(dict(zip(map(ord, source), target, strict=True)))


def with_ascii_digits(text: str) -> str:
    """Returns a text with 0 to 9 for the digits of other scripts.

    Example:
        >>> with_ascii_digits("२०२४ ٣")
        '2024 3'
    """
    return "".join(map(ascii_digit_of, text))


def ascii_digit_of(character: str) -> str:
    """Returns 0 to 9 for a digit of another script, and any other character itself."""
    return str(int(character)) if character.isdecimal() else character


def is_intact(translation: str, placeholders: Iterable[str]) -> bool:
    """Whether a translation has each of these placeholders once, and no others."""
    found = sorted(filter(PLACEHOLDERS.__contains__, translation))
    return found == sorted(placeholders)


def protect_copies(beginning: str, originals: Mapping[str, str]) -> str:
    """Puts the placeholders into the beginning of a translation, as `protect` did.

    Each once, in the place of a whole word: 12 is not found in 123.

    Example:
        >>> protect_copies("Está en a.org", {"@": "a.org"})
        'Está en @'
    """
    by_length = sorted(originals.items(), key=lambda item: -len(item[1]))
    for placeholder, original in by_length:
        for match in re.finditer(re.escape(original), beginning):
            start, stop = match.span()
            if _is_whole(beginning, start, stop):
                beginning = beginning[:start] + placeholder + beginning[stop:]
                break
    return beginning


def _is_whole(text: str, start: int, stop: int) -> bool:
    """Whether a part of a text has no word that goes on before or behind it."""
    shape = text[max(start - 1, 0) : stop + 1].translate(_SHAPES)
    first = start - max(start - 1, 0)
    last = first + stop - start
    is_cut = re.compile(r"\w\w", re.ASCII).fullmatch
    return not (
        is_cut(shape[:2] if first else "") or is_cut(shape[last - 1 : last + 1])
    )


def find_capital_rule(
    pairs: Sequence[tuple[str, str]], is_cut: Callable[[str], bool]
) -> CapitalRule:
    """Learns from sentence pairs what capitals tell.

    Known words are those that are one subword, and those that training translates: that
    are copied, with a capital, less than half of the times. Words seen once
    tell what those are like that were never seen: where enough of them are copied, the
    others are names. In German most are nouns, as all nouns have a capital; Spanish
    sentences often begin with a verb.

    Sentences are folded unless a fair share of the training sentences would be, too.

    **Source:** Good 1953, "The Population Frequencies of Species and the Estimation of
    Population Parameters", of words seen once.

    Args:
        pairs: Sources and targets; of more than `MAX_RULE_PAIRS` every so many.
        is_cut: Whether a word takes more than one subword.

    Returns:
        The rule, of the most frequent `MAX_KNOWN_WORDS`.
    """
    written: Counter[str] = Counter()
    copied: Counter[str] = Counter()
    at_first: dict[str, tuple[bool, bool]] = {}  # where a word with a capital was seen
    looked_at = num_folded = 0
    for source, target in islice(pairs, None, None, 1 + len(pairs) // MAX_RULE_PAIRS):
        looked_at += 1
        if not any(map(is_small, (part[0] for part in source.split()))):
            num_folded += fold_capitals(source)[0] != source
        shape = source.translate(_SHAPES)
        spans = [match.span() for match in _WORD.finditer(shape)]
        words = [source[start:stop] for start, stop in spans]
        written.update(words)
        for (start, _), word in zip(spans, words, strict=True):
            if shape[start].isupper():
                is_copied = word in target
                copied[word] += is_copied
                if word not in at_first:
                    is_first = not _INNER.match(shape, start)
                    at_first[word] = is_first, is_copied
    seen: Counter[str] = Counter()
    for word, count in written.items():
        seen[word[0].upper() + word[1:]] += count
    once = {True: [1, 0], False: [1, 0]}  # first or inner: whether each was copied
    for word, (is_first, is_copied) in at_first.items():
        if seen[word] == 1:
            once[is_first].append(is_copied)
    inner, first = (
        sum(some) / len(some) >= _LEAST_COPIED for some in (once[False], once[True])
    )
    folds = num_folded <= _MOST_FOLDED * looked_at
    if not (inner or first):
        return CapitalRule(folds=folds)  # no words of the corpus are told in vain
    known = (
        name
        for name, count in seen.most_common()
        if 2 * copied[name] < count or not is_cut(name)
    )
    return CapitalRule(frozenset(islice(known, MAX_KNOWN_WORDS)), inner, first, folds)
