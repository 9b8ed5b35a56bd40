r"""What cannot be translated goes past the network: a placeholder stands for it.

No network of subwords spells an address, an emoji or a name that it never saw. So each
of them is taken out of the sentence, a character that no text holds is put in its
place, and where the translation has that character, the thing is put back. The network
learns to carry the characters over from pairs that have them on both sides: see
`augmentation.put_placeholders`.

**Source:** Luong et al. 2015, "Addressing the Rare Word Problem in Neural Machine
Translation", section 3.1, the copyable model: the n-th one stands for the n-th thing.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, repeat

# Unicode keeps these code points for what programs need inside ("noncharacters"); in no
# text that is exchanged do they mean anything.
PLACEHOLDERS = "\ufdd0\ufdd1\ufdd2\ufdd3"

# Names that `find_translated_names` remembers, at most.
MAX_TRANSLATED_NAMES = 10_000

# What an address, a tag or a path ends in: no full stop, bracket or quotation mark.
_REST = r"[^\s<>\"“”«»]*[\w/=&%#+~-]"
_DOMAINS = "com|org|net|edu|gov|info|eu|io"
_ENDINGS = (
    "pdf|txt|md|docx?|xlsx?|pptx?|csv|tsv|json|xml|html?|zip|gz|exe|py|jpe?g|png|gif|"
    "svg|mp[34]|wav|avi"
)
_PICTURE = "\u231a-\u23ff\u25a0-\u25ff\u2600-\u27bf\u2b05-\u2b55\U0001f000-\U0001faff"
_KEYCAP = r"[\d#*]\ufe0f?\u20e3"
# Each begins where nothing that it could begin with comes before, so that the time is
# linear.
_THINGS = (
    rf"(?<!\w)(?:\w+://|www\.){_REST}",
    r"(?<![\w.+-])\w[\w.+-]*@\w[\w-]*(?:\.\w[\w-]*)+",  # e-mail
    rf"(?<![\w.-])(?:\w[\w-]*\.)+(?:{_DOMAINS})\b(?:/{_REST})?",
    rf"(?<![\w.-])(?:\w[\w-]*\.)+(?:{_ENDINGS})\b",  # a file
    r"(?<!\S)(?:(?:~|\.\.?)(?:/[\w.-]*\w)+|(?:/[\w.-]*\w){2,})/?",  # a path
    rf"(?<!\w)[A-Za-z]:\\{_REST}",
    r"(?<![\w&])[@#]\w+",
    # Emoji, with variation selectors, joiners and tags; several without a space.
    f"(?:{_KEYCAP}|[{_PICTURE}])(?:{_KEYCAP}|[{_PICTURE}\ufe0f\u200d\U000e0020-\U000e007f])*",
    # Letters with digits or underscores: B2B, my_file, F-16; not 21st, 10km, 1990s.
    r"(?<!\w)(?!\d+[a-zß-öø-ÿªº]+(?!\w))(?=\w*[^\W\d_])(?=\w*[\d_])\w+",
    r"(?<![\w-])[A-Z]+-\d\w*",
    # Three digits or more, as of a year, a date or a telephone number.
    r"(?<![\w.,/-])\+?\d(?:[-./]?\d){2,}(?!\w)",
)
# A word that may be a name: not at the start of a sentence.
_NAME = r"(?<=[\w,;] )(?P<name>[^\W\d_a-z]\w+)"
_PATTERN = re.compile("|".join((*_THINGS, _NAME)))
_NAME_PATTERN = re.compile(_NAME)

_CODES = tuple(map(ord, PLACEHOLDERS))


def protect(
    sentence: str,
    placeholders: str = PLACEHOLDERS,
    is_unknown: Callable[[str], bool] | None = None,
) -> tuple[str, tuple[str, ...]]:
    """Puts placeholders in the places of what cannot be translated.

    That is: addresses of pages and e-mail, files, paths, handles, tags, emoji, words
    with digits, numbers of three digits or more, and names that are not known.
    Characters of the sentence's own that are placeholders are left out.

    Args:
        sentence: One sentence.
        placeholders: Those to use, a beginning of `PLACEHOLDERS`. What is left when
            all of them stand somewhere stays as it is.
        is_unknown: Tells of a capitalised word whether it is an unknown name; default,
            none is.

    Returns:
        The sentence, and what its placeholders stand for, in their order.

    Example:
        >>> text, originals = protect("Is it on example.org, or at me@example.net?")
        >>> text == f"Is it on {PLACEHOLDERS[0]}, or at {PLACEHOLDERS[1]}?", originals
        (True, ('example.org', 'me@example.net'))
        >>> restore(f"¿En {PLACEHOLDERS[0]} o en {PLACEHOLDERS[1]}?", originals)
        '¿En example.org o en me@example.net?'
    """
    originals: list[str] = []

    def replace(match: re.Match) -> str:
        if len(originals) == len(placeholders):
            return match[0]
        if name := match["name"]:
            if not (is_unknown and name[0].isupper() and is_unknown(name)):
                return name
        originals.append(match[0])
        return placeholders[len(originals) - 1]

    text = _PATTERN.sub(replace, restore(sentence, ()))
    return text, tuple(originals)


def restore(text: str, originals: Sequence[str]) -> str:
    """Puts the originals back; placeholders that stand for nothing are dropped."""
    found: Iterable[str | None] = (*originals, *repeat(None, len(_CODES)))
    return text.translate(dict(zip(_CODES, found, strict=False)))


def is_intact(translation: str, originals: Sequence[str]) -> bool:
    """Whether a translation has the placeholder of each original, once."""
    found = sorted(filter(PLACEHOLDERS.__contains__, translation))
    return found == list(PLACEHOLDERS[: len(originals)])


def protect_copies(beginning: str, originals: Sequence[str]) -> str:
    """Puts the placeholders into the beginning of a translation, as `protect` did.

    Example:
        >>> protect_copies("Está en a.org", ("a.org",)) == f"Está en {PLACEHOLDERS[0]}"
        True
    """
    for placeholder, original in zip(PLACEHOLDERS, originals, strict=False):
        beginning = beginning.replace(original, placeholder, 1)
    return beginning


def find_translated_names(
    pairs: Iterable[tuple[str, str]], is_cut: Callable[[str], bool]
) -> list[str]:
    """Lists words that look like unknown names, but which training translates.

    Such as days, months, peoples and countries, if they are rare.

    Args:
        pairs: Sources and targets.
        is_cut: Whether the tokenizer cuts a word as it cuts unknown names.

    Returns:
        Those that were translated in at least half of their sentences, the most
        frequent `MAX_TRANSLATED_NAMES`, in the order of the alphabet.
    """
    seen: Counter[str] = Counter()
    copied: Counter[str] = Counter()
    for source, target in pairs:
        for match in _NAME_PATTERN.finditer(source):
            if match[0][0].isupper():
                seen[match[0]] += 1
                copied[match[0]] += match[0] in target
    translated = (n for n, count in seen.most_common() if 2 * copied[n] <= count)
    return sorted(islice(filter(is_cut, translated), MAX_TRANSLATED_NAMES))
