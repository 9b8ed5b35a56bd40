"""Text as HTML for the page: words that can be clicked, values of a step.

Everything that is not ours is escaped, for HTML and for the templates of Gradio's HTML
component.
"""

import html
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from translator.inspection import GateTrace
from translator.languages import language_name
from translator.placeholders import PLACEHOLDERS
from translator.text import SplitText
from translator.tokenizer import WORD_START, token_labels
from translator.translations import Hypothesis

_WORD = re.compile(r"\S+")
_TEMPLATE = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})
# Probabilities from which a word counts as sure, and as fairly sure.
_SURE, _FAIR = 0.7, 0.35
_NO_STOP = "tabindex='-1'"
_NUM_UNITS = 8  # shown of a step


class Word(NamedTuple):
    """A word of a translation.

    Fields:
        start: Where it begins in the text.
        end: Where it ends.
        probability: Of all its subwords, given what comes before; None: not known.
    """

    start: int
    end: int
    probability: float | None


def escape(text: str) -> str:
    """Returns text that a browser, and a template, shows as it is.

    Example:
        >>> escape("<b>${x}</b>")
        '&lt;b&gt;&#36;&#123;x&#125;&lt;/b&gt;'
    """
    return html.escape(text).translate(_TEMPLATE)


def words_of(hypothesis: Hypothesis) -> list[Word]:
    """Returns the words of a translation, each with the model's confidence in it."""
    spans = [match.span() for match in _WORD.finditer(hypothesis.text)]
    groups: list[tuple[str, float]] = []
    if hypothesis.token_log_probs is not None:
        for token, log_prob in zip(
            hypothesis.tokens, hypothesis.token_log_probs.tolist(), strict=True
        ):
            if token == "</s>":
                break
            if token.startswith(WORD_START) or not groups:
                groups.append(("", 0.0))
            text, total = groups[-1]
            groups[-1] = (text + token.removeprefix(WORD_START), total + log_prob)
    groups = [group for group in groups if group[0]]
    if len(groups) > len(spans):  # placeholders that stood for nothing
        groups = [group for group in groups if group[0].strip(PLACEHOLDERS)]
    log_probs = [log_prob for _, log_prob in groups]
    if len(log_probs) != len(spans):  # such as UNK, which writes nothing
        return [Word(*span, None) for span in spans]
    return [
        Word(*span, math.exp(log_prob))
        for span, log_prob in zip(spans, log_probs, strict=True)
    ]


def translation_markup(
    parts: SplitText,
    hypotheses: Sequence[Hypothesis],
    language: str,
    is_clickable: bool,
) -> str:
    """Returns a translation whose words show how sure they are.

    Args:
        parts: The text that was translated.
        hypotheses: The chosen translation of each of its sentences.
        language: Code of the language they are in.
        is_clickable: Whether other words can be asked for.
    """
    sentences = [
        _sentence_markup(number, hypothesis, is_clickable)
        for number, hypothesis in enumerate(hypotheses)
    ]
    plain = parts.join([hypothesis.text for hypothesis in hypotheses])
    split = SplitText(parts.sentences, [escape(s) for s in parts.separators])
    # The first word is the one that the Tab key stops at; arrows lead to the others.
    body = split.join(sentences).replace(_NO_STOP, "tabindex='0'", 1)
    name = f"{language_name(language)} translation"
    return (
        f"<div class='translation' role='group' aria-label='{escape(name)}' dir='auto' "
        f"lang='{escape(language)}' data-text='{escape(plain)}'>{body}</div>"
    )


def _sentence_markup(number: int, hypothesis: Hypothesis, is_clickable: bool) -> str:
    text, position, pieces = hypothesis.text, 0, []
    for word in words_of(hypothesis):
        pieces.append(escape(text[position : word.start]))
        kind, told = "word", ""
        if word.probability is not None:
            kind += f" {_confidence(word.probability)}"
            told = f" title='{word.probability:.0%} sure'"
        door = ""
        if is_clickable:
            door = (
                f" role='button' {_NO_STOP} data-sentence='{number}' "
                f"data-start='{word.start}' data-end='{word.end}'"
            )
        written = escape(text[word.start : word.end])
        pieces.append(f"<span class='{kind}'{told}{door}>{written}</span>")
        position = word.end
    return "".join([*pieces, escape(text[position:])])


def _confidence(probability: float) -> str:
    return (
        "sure" if probability >= _SURE else "fair" if probability >= _FAIR else "unsure"
    )


def alignment_markup(
    source_tokens: Sequence[str], target_tokens: Sequence[str], weights: np.ndarray
) -> str:
    """Returns two lines of tokens; pointing at one of the lower marks, in the upper,
    where the model looked when it wrote it.

    Args:
        source_tokens: S subwords.
        target_tokens: T subwords.
        weights: Shape `(T, S)`.
    """
    sources = "".join(
        f"<span class='token'>{escape(label)}</span>"
        for label in token_labels(source_tokens)
    )
    targets = "".join(
        f"<span class='token' role='button' {_NO_STOP} "
        f"data-weights='{' '.join(f'{weight:.2f}' for weight in row)}'>"
        f"{escape(label)}</span>"
        for label, row in zip(token_labels(target_tokens), weights, strict=True)
    )
    targets = targets.replace(_NO_STOP, "tabindex='0'", 1)
    return (
        "<div class='alignment'><p class='note'>Point at a token of the translation, "
        "or go there by Tab and arrows, to see where the model looked when it wrote "
        "it.</p>"
        f"<div class='sources' dir='auto'>{sources}</div>"
        f"<div class='targets' dir='auto'>{targets}</div></div>"
    )


def step_markup(trace: GateTrace, step: int) -> str:
    """Returns what a GRU did in a step: the units that changed most, with the numbers
    of the equations.

    Args:
        trace: Of `inspection.read_gates`.
        step: From 0.
    """
    z, r, c, before, h = (values[step] for values in trace[2:])
    label = token_labels(trace.tokens)[step]
    changed = np.argsort(-np.abs(h - before), kind="stable")[:_NUM_UNITS]
    rows = "".join(
        f"<tr><th scope='row'>{unit}</th>"
        + "".join(f"<td>{values[unit]:.2f}</td>" for values in (before, r, c, z, h))
        + f"<td class='sum'>{z[unit]:.2f} × {before[unit]:.2f} + "
        f"{1 - z[unit]:.2f} × {c[unit]:.2f}</td></tr>"
        for unit in changed
    )
    return (
        f"<div class='step'><p>Step {step + 1} of {len(trace.tokens)}: "
        f"{escape(trace.name)} reads <b>{escape(label)}</b>. It keeps "
        f"{z.mean():.0%} of its state, and lets its candidate see {r.mean():.0%} of "
        "the past (means of all units).</p>"
        "<div class='scroll'><table><caption>The units that changed most</caption>"
        "<thead><tr><th scope='col'>unit</th><th scope='col'>h before</th>"
        "<th scope='col'>r</th><th scope='col'>c</th><th scope='col'>z</th>"
        "<th scope='col'>h</th><th scope='col'>h = z × h before + (1 − z) × c</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div></div>"
    )
