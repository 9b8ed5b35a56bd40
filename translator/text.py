"""One line of text: what the model sees of it.

Standard library only, and nothing is lost that a reader would miss: digits, case,
accents, apostrophes, ¿ and ¡, emoji and every script survive.
"""

import re
import unicodedata

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


def _repair_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        encoded = text.encode("utf-16-le", "surrogatepass")
        return encoded.decode("utf-16-le", "replace")
    return text
