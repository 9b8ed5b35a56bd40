"""HTML as texts to translate, and the tags between them, which stay as they are."""

import html
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

# A comment, a tag (whose quoted values may hold >), or the text up to the next one.
_PART = re.compile(
    r"<!--.*?(?:-->|$)|<[!/?a-zA-Z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>|<|[^<]+", re.DOTALL
)
_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)(.*)>$", re.DOTALL)
_KEPT_TAGS = frozenset(("script", "style", "code", "pre", "kbd", "samp", "textarea"))
_KEPT_ATTRIBUTE = re.compile(
    r"translate\s*=\s*[\"']?no\b|class\s*=\s*[\"'][^\"']*\bnotranslate\b", re.IGNORECASE
)
_VOID_TAGS = frozenset(
    "area base br col embed hr img input link meta source track wbr".split()
)


class Markup(NamedTuple):
    """HTML, cut.

    Attributes:
        texts: What to translate, character references resolved.
        parts: All parts in their order; None where a text stands.
    """

    texts: list[str]
    parts: list[str | None]

    def join(self, translations: Sequence[str]) -> str:
        """Returns the HTML with a translation in each text's place."""
        remaining = iter(translations)
        return "".join(
            html.escape(next(remaining), quote=False) if part is None else part
            for part in self.parts
        )


def split_markup(text: str) -> Markup:
    """Cuts HTML into texts and tags.

    Tags, comments, white space alone, and what is inside of code, scripts, styles,
    `translate="no"` and `class="notranslate"` stay as they are.

    Example:
        >>> markup = split_markup("<p>Salt &amp; <b>bread</b></p>")
        >>> markup.texts
        ['Salt & ', 'bread']
        >>> markup.join(["Sal y ", "pan"])
        '<p>Sal y <b>pan</b></p>'
    """
    texts: list[str] = []
    parts: list[str | None] = []
    open_tags = _OpenTags()
    for part in _PART.findall(text):
        if part.startswith("<") and len(part) > 1:
            open_tags.follow(part)
            parts.append(part)
            continue
        if open_tags.is_kept or not any(map(str.isalnum, html.unescape(part))):
            parts.append(part)
            continue
        texts.append(html.unescape(part))
        parts.append(None)
    return Markup(texts, parts)


class _OpenTags:
    """The tags that are open at a place, and whether what is inside of them is kept."""

    def __init__(self):
        self._tags: list[tuple[str, bool]] = []  # name, and whether its content is kept
        self._counts: Counter[str] = Counter()

    @property
    def is_kept(self) -> bool:
        return bool(self._tags) and self._tags[-1][1]

    def follow(self, tag: str) -> None:
        """Notes that a tag was opened or closed."""
        found = _TAG.match(tag)
        if not found:
            return
        is_end, name, rest = bool(found[1]), found[2].lower(), found[3]
        if is_end:
            # One that was never opened is not looked for: with many that takes long.
            while self._counts[name]:
                last, _ = self._tags.pop()
                self._counts[last] -= 1
                if last == name:
                    return
        elif name not in _VOID_TAGS and not rest.endswith("/"):
            is_kept = name in _KEPT_TAGS or bool(_KEPT_ATTRIBUTE.search(rest))
            self._tags.append((name, self.is_kept or is_kept))
            self._counts[name] += 1
