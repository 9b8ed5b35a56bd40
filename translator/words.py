"""Words of a text in any script: letters, and the marks that belong to them.

Python's `\\w` leaves out combining characters, such as the vowels of Indian scripts and
accents without a letter of their own, and would cut words at them.
"""

import re

from translator.languages import has_spaces
from translator.text import is_combining


def _combining_class() -> str:
    """Ranges of all combining characters, and of the joiners inside of words."""
    ranges: list[list[int]] = []
    for code in filter(lambda code: is_combining(chr(code)), range(0x20000)):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in ranges) + "\u200c\u200d"


COMBINING = _combining_class()
# One letter with its marks; a run of them.
LETTER = re.compile(rf"[^\W\d_][{COMBINING}]*")
WORD = re.compile(rf"(?:{LETTER.pattern})+")


def split_words(text: str, language: str = "") -> list[str]:
    """Returns the words of a text, or its letters where no spaces are between words.

    Example:
        >>> split_words("मेरा घर 12, it's"), split_words("本が好き。", "ja")
        (['मेरा', 'घर', 'it', 's'], ['本', 'が', '好', 'き'])
    """
    return (WORD if has_spaces(language) else LETTER).findall(text)
