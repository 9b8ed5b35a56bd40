"""What the model sees of a text: normalised lines, sentence by sentence.

Standard library only, and nothing is lost that a reader would miss: digits, case,
accents, apostrophes, ¿ and ¡, emoji and every script survive.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

# Ordered (pattern, replacement) pairs. A pattern means the same to Python's `re` and
# to RE2, so that a TensorFlow graph can apply the same pairs (tf.strings.regex_replace)
# and then NFC. Hence \xHH below U+0100 and the characters themselves above: the two
# engines have no escape in common there.
NORMALIZATION_RULES: tuple[tuple[str, str], ...] = (
    # Control characters that are no white space, the soft hyphen, zero-width space,
    # word joiner, byte order mark and interlinear annotations: invisible, and they
    # would cut words apart.
    (
        "[\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\\xad\u200b\u2060-\u2064\ufeff\ufff9-\ufffb]",
        "",
    ),
    # Bidirectional controls: they steer the display, not the meaning, and one without
    # its partner garbles the rest of a page. The zero-width joiner and non-joiner stay:
    # emoji, Persian and the scripts of India are spelled with them.
    ("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f]", ""),
    # The subword tokenizer writes a space as U+2581, so a text must not hold one.
    ("\u2581", "_"),
    # Tabs, line ends, non-breaking and all other spaces: one plain space for a run.
    (
        "[\\t-\\r\\x1c-\\x20\\x85\\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+",
        " ",
    ),
    ("^ | $", ""),
)
_COMPILED_RULES = tuple((re.compile(rule), text) for rule, text in NORMALIZATION_RULES)


def normalize_text(text: str) -> str:
    """Returns the text as the model sees it: one line, NFC, plain single spaces.

    `NORMALIZATION_RULES` in their order, then Unicode's NFC. In this order, as removing
    a character can bring a letter and its accent together. A lone surrogate, which
    JSON can smuggle in and no encoder accepts, becomes U+FFFD.

    Applying it twice changes nothing.

    Example:
        >>> normalize_text("  ¿Que\\u0301\\ttal,\\u00a0Ana? ")
        '¿Qué tal, Ana?'
    """
    text = _repair_surrogates(text)
    for pattern, replacement in _COMPILED_RULES:
        text = pattern.sub(replacement, text)
    return unicodedata.normalize("NFC", text)


def printable(text: str) -> str:
    """Returns text that every program can take: no NUL, U+FFFD for lone surrogates.

    Example:
        >>> printable("a\\ud800b\\0c")
        'a\ufffdbc'
    """
    return _repair_surrogates(text).replace("\0", "")


def _repair_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        encoded = text.encode("utf-16-le", "surrogatepass")
        return encoded.decode("utf-16-le", "replace")
    return text


class SplitText(NamedTuple):
    """A text in sentences, and all that stands around them.

    Attributes:
        sentences: What to translate, without white space at the ends. Each has a letter
            or a digit.
        separators: One more than sentences: before the first, between them, after the
            last. White space and pieces such as `***` or an emoji alone.
    """

    sentences: list[str]
    separators: list[str]

    def with_gaps(self, gap: str) -> "SplitText":
        """Returns it with a gap between sentences that touch each other: a translation
        may need spaces where its source has none. Not where a long word was cut."""
        separators = list(self.separators)
        for place, (left, right) in enumerate(pairwise(self.sentences), 1):
            is_cut = is_cased(left[-1]) and is_cased(right[0])
            separators[place] = separators[place] or gap * (not is_cut)
        return SplitText(self.sentences, separators)

    def join(self, translations: Sequence[str]) -> str:
        """Returns the text with a translation in each sentence's place."""
        if len(translations) != len(self.sentences):
            raise ValueError(
                "there must be one translation for each sentence. "
                f"Received: {len(translations)} for {len(self.sentences)}."
            )
        pairs = zip(translations, self.separators[1:], strict=True)
        return self.separators[0] + "".join(map("".join, pairs))


# Turkish and Azerbaijani pair ı with I, and i with İ. Georgian does not begin sentences
# with its capitals.
TURKIC_LANGUAGES = ("tr", "az")
WITHOUT_CAPITALS = ("ka",)
# A sentence up to so long is translated whole by every model: see docs/experiments.md.
MAX_SENTENCE_CHARACTERS = 200

# `graph_text` shares what follows, where it has no underscore.
LINE_ENDS = "\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
MARKS = ".!?…。！？؟۔।॥።፧།။។։"
WIDE_MARKS = "。！？"  # behind which a sentence begins without white space
CLOSING = r"\"'»”’)\]」』）】》"
OPENING = r"\"'«“‘„(\[—–\-「『（【《"
# What a line of a list, a quoted one or a heading begins with, and words of a dialogue.
BULLET = r"(?:[-*•–—] ?\[[ x]\]|[-*•–—>#+]{1,6}|\(?[0-9]{1,3}\))"
# Marks around a sentence: what opens, what closes, neither of which is inside of it.
_WRAPS = (
    (r"\(", r"\)", r"()"),
    (r"\[", r"\]", r"\[\]"),
    ('"', '"', '"'),
    ("[“„]", "[”“]", "“”„"),
    ("«", "»", "«»"),
    ("»", "«", "«»"),
    (r"\*{1,3}", r"\*{1,3}", r"*"),
)
_WRAP_SPACE = "[ \xa0\u202f]{0,3}"  # any number would take quadratic time
# Each matches a sentence inside a pair of marks, or with only the opening or only the
# closing one, whose partner stands at another sentence. Pairs may be nested. The same
# to Python's `re` and to RE2.
WRAP_PATTERNS = (
    "(‘)([^‘]+)(’)",  # which alone is an apostrophe
    *(
        pattern
        for opening, closing, inside in _WRAPS
        for pattern in (
            rf"({opening}{_WRAP_SPACE})([^{inside}]+?)((?:{_WRAP_SPACE}{closing})?)",
            rf"()([^{inside}]+?)({_WRAP_SPACE}{closing})",
        )
    ),
)
MAX_WRAPS = 3
# What begins or ends with one of their marks: few sentences do, and the others need no
# further look.
MARKED = r"(?s)[(\[\"“„«»*‘].*|.*[)\]\"”“«»*’]"
_COMPILED_MARKED = re.compile(MARKED)
_COMPILED_WRAPS = [re.compile(pattern) for pattern in WRAP_PATTERNS]
_LINE = re.compile(f"[^{LINE_ENDS}]+")
_BULLETS = re.compile(rf"(?:{BULLET}\s+)*")
_BULLET = re.compile(BULLET)
_GAP = re.compile(
    rf"(?<=[{MARKS}{CLOSING}])\s+"
    rf"|(?<=[{WIDE_MARKS}])(?=[^{MARKS}{CLOSING}\s])"
    rf"|(?<=[{WIDE_MARKS}][{CLOSING}])(?![{CLOSING}])(?=[{OPENING}])"
)
_END = re.compile(rf"(?P<word>[\w.]*?)(?P<mark>[{MARKS}]+)[{CLOSING}]*$")
_START = re.compile(rf"[¿¡]|[{OPENING}]*\s?(?P<first>\w)")
TITLES = frozenset(
    "mr mrs ms mx dr dra prof profa st sr sra srta sres gen col capt lt sgt rev hon "
    "gov sen ud uds vd vds dña mme mlle mgr hr fr frl vs ee tp ดร".split()
)
BEFORE_NUMBERS = frozenset(
    "no nos núm num nº nr vol p pp pág fig cap ch art approx ca".split()
)
_DOTTED = re.compile(r"[^\W\d]{1,2}(\.[^\W\d]{1,2})+")
# Where to cut a sentence that is too long: the kinds of places, the best first.
CUT_PATTERNS = (
    r"[.!?…؟۔।]\s|[。！？]",
    r"[;:]\s|[；：—]|\s–\s",
    r"[,،]\s|[、，]",
    r"\s",
)
_LAST_CUTS = [re.compile(f"(?s).*(?:{pattern})") for pattern in CUT_PATTERNS]


def split_sentences(
    text: str, max_characters: int = MAX_SENTENCE_CHARACTERS
) -> SplitText:
    """Cuts a text into sentences that can be translated one by one.

    Every line end cuts. So does a full stop, question mark or exclamation mark before
    white space, or behind a Chinese or Japanese one, and what can begin a sentence; not
    after titles, initials, dotted abbreviations and numbers of one or two digits
    (lists, German ordinals). When in doubt the sentences stay together. What lines
    of a list begin with, such as `-` or `2)`, is of no sentence.

    A sentence of more than `max_characters` is cut where it hurts least: at a
    semicolon, colon or dash, else at a comma, else at a space, else at the limit. So
    nothing is ever too long for a model and nothing is dropped.

    `split.join(split.sentences)` is the text, to the character.

    Example:
        >>> split = split_sentences("Mr. Fox ran.  Why?\\n\\nNobody knows.\\n")
        >>> split.sentences
        ['Mr. Fox ran.', 'Why?', 'Nobody knows.']
        >>> split.join(["El Sr. Fox corrió.", "¿Por qué?", "Nadie lo sabe."])
        'El Sr. Fox corrió.  ¿Por qué?\\n\\nNadie lo sabe.\\n'
    """
    if max_characters < 1:
        raise ValueError(
            f"max_characters must be at least 1. Received: {max_characters}."
        )
    sentences, separators, position = [], [], 0
    for start, end in _spans(text, max_characters):
        sentence = text[start:end].strip()
        start = text.index(sentence, start)
        bullets = _BULLETS.match(sentence).end()
        sentence, start = sentence[bullets:], start + bullets
        if not any(map(str.isalnum, sentence)) or _BULLET.fullmatch(sentence):
            continue
        separators.append(text[position:start])
        sentences.append(sentence)
        position = start + len(sentence)
    return SplitText(sentences, [*separators, text[position:]])


def _spans(text: str, max_characters: int) -> Iterator[tuple[int, int]]:
    for line in _LINE.finditer(text):
        start = line.start()
        for gap in _GAP.finditer(text, *line.span()):
            # A glance at the neighbours is enough, and keeps the time linear.
            before = text[max(start, gap.start() - 24) : gap.start()]
            if _is_boundary(before, text[gap.end() : min(line.end(), gap.end() + 8)]):
                yield from _cut(text, start, gap.start(), max_characters)
                start = gap.end()
        yield from _cut(text, start, line.end(), max_characters)


def _is_boundary(before: str, after: str) -> bool:
    before = "".join(c for c in before if not is_combining(c))
    end, start = _END.search(before), _START.match(after)
    if not (end and start) or is_small(start["first"] or ""):
        return False
    return end["mark"] != "." or not _is_abbreviation(end["word"], after)


def _is_abbreviation(word: str, after: str) -> bool:
    if word.isdigit():
        return len(word) <= 2
    if len(word) == 1:
        return word != "I"  # "J. Smith", "z. B.", but "So do I. He ..."
    folded = word.casefold()
    if _DOTTED.fullmatch(word):
        return folded not in ("a.m", "p.m")
    return folded in TITLES or (after[:1].isdigit() and folded in BEFORE_NUMBERS)


def _cut(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    while end - start > limit:
        window = text[start : start + limit]
        cut = start + _best_cut(window)
        yield start, cut
        start = cut
    yield start, end


def _best_cut(window: str) -> int:
    for pattern in _LAST_CUTS:
        # Not in the first quarter: a lone word is no help.
        if last := pattern.match(window, len(window) // 4):
            return last.end()
    return len(window)


def unwrap(sentence: str) -> tuple[str, str, str]:
    """Returns the marks before a sentence, the sentence, and the marks behind it.

    Corpora hold hardly a sentence that is in brackets, quotation marks or asterisks as
    a whole, or one that begins or ends what is. So the network gets it without them.

    Args:
        sentence: Without white space at its ends.

    Example:
        >>> unwrap("(We sing.)"), unwrap('"Sing," he said.')
        (('(', 'We sing.', ')'), ('', '"Sing," he said.', ''))
    """
    before, after = "", ""
    if not _COMPILED_MARKED.fullmatch(sentence):
        return before, sentence, after
    for _ in range(MAX_WRAPS):
        for pattern in _COMPILED_WRAPS:
            if found := pattern.fullmatch(sentence):
                opening, sentence, closing = found.groups()
                before, after = before + opening, closing + after
                break
    return before, sentence, after


def is_combining(character: str) -> bool:
    """Whether a character belongs to the letter before it, as accents and the vowels of
    Indian scripts do. Python's `\\w` and `isalpha` leave them out."""
    return unicodedata.category(character)[0] == "M"


def is_cased(character: str) -> bool:
    """Whether it is a digit, or a letter of a script that has capitals."""
    return character.isdecimal() or character.isupper() or character.islower()


def is_small(letter: str) -> bool:
    """Whether a letter has a capital that sentences begin with: Georgian ones, which
    are small to Python, have none."""
    return letter.islower() and letter.title() != letter


def small_letters(text: str, language: str = "") -> str:
    """Returns a text in small letters, as its language has them.

    Example:
        >>> small_letters("IŞIK", "tr"), small_letters("İstanbul, ISLAND")
        ('ışık', 'istanbul, island')
    """
    if main_language(language) in TURKIC_LANGUAGES:
        text = text.replace("I", "ı")
    return text.replace("İ", "i").lower()  # "İ".lower() is two characters


def capital_letters(text: str, language: str = "") -> str:
    """Returns a text in capitals, as its language has them.

    Example:
        >>> capital_letters("iki", "tr"), capital_letters("ორი", "ka")
        ('İKİ', 'ორი')
    """
    language = main_language(language)
    if language in WITHOUT_CAPITALS:
        return text
    if language in TURKIC_LANGUAGES:
        text = text.replace("i", "İ")
    return text.upper()


def main_language(code: str) -> str:
    """Returns the language of a code that may have a region, too: pt of pt-BR."""
    return code.replace("_", "-").split("-")[0].lower()


def fold_capitals(sentence: str, language: str = "") -> tuple[str, bool]:
    """Returns a sentence in the letters that models know, and if it was all capitals.

    Corpora hold hardly a sentence in capitals, or with a capital at each word, so that
    a model can only spell them. Such a sentence gets small letters behind its first
    one; any other stays as it is. A single word may be an abbreviation, and up to three
    capitalised ones may be a name.

    Args:
        sentence: One.
        language: Its code, if it is known.

    Example:
        >>> fold_capitals("WHERE IS IT?")
        ('Where is it?', True)
        >>> fold_capitals("Where Is The Bridge?")
        ('Where is the bridge?', False)
        >>> fold_capitals("Is NASA in New York City?")
        ('Is NASA in New York City?', False)
    """
    words = [word for word in sentence.split() if any(map(str.isalpha, word))]
    letters = filter(str.isalpha, sentence)
    is_upper = len(words) > 1 and all(map(str.isupper, letters))
    if not is_upper and (len(words) < 4 or not all(map(_is_capitalized, words))):
        return sentence, False
    start = next(place for place, letter in enumerate(sentence) if letter.isalpha())
    rest = small_letters(sentence[start + 1 :], language)
    return sentence[: start + 1] + rest, is_upper


def _is_capitalized(word: str) -> bool:
    return next(filter(str.isalpha, word)).isupper()
