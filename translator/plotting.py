"""Pictures: attention maps, training curves, gates.

Every function returns a `matplotlib.figure.Figure` that belongs to nobody: there is
no global state, so a server may draw in many threads. All text is drawn as it is:
`$` starts no formula, and a character that no installed font has becomes a box
instead of a warning.

Shapes: S source length, T target length, U units.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from translator.tokenizer import token_labels

# The first comes with Matplotlib; the others are what systems have for the scripts
# that it lacks. Those that are not installed are left out.
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Nirmala UI",
    "Leelawadee UI",
    "Arial Unicode MS",
)
_BOX = "\u25a1"  # DejaVu Sans has it
_MOST_LABELS = 100  # on one axis; of more tokens only every so many are named

_INK = "#1f2a37"
_QUIET = "#64748b"
_BLUE, _ORANGE, _GREEN = "#2563a8", "#c2571a", "#2f855a"
# White at 0, so that the paper shows through; dark enough at 1 for any background.
_WEIGHTS = LinearSegmentedColormap.from_list(
    "weights", ["#ffffff", "#cfe3f3", "#7db4dc", "#2b76b9", "#0b2f5b"]
)


def attention_figure(
    source_tokens: Sequence[str], target_tokens: Sequence[str], weights: np.ndarray
) -> Figure:
    """Draws where the decoder looked: source tokens across, target tokens down.

    Subwords that begin a word lose sentencepiece's mark, those that continue one get
    a hyphen: `▁trans` `lator` becomes `trans` `-lator`.

    Args:
        source_tokens: S subwords, at least one.
        target_tokens: T subwords, at least one.
        weights: Attention weights from 0 to 1, shape `(T, S)`.

    Raises:
        ValueError: If the shape of `weights` does not fit the tokens.

    Example:
        >>> figure = attention_figure(["▁hi", "</s>"], ["▁hola"], [[0.9, 0.1]])
        >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
        ['hi', '(end)']
    """
    weights = np.asarray(weights)
    expected = (len(target_tokens), len(source_tokens))
    if weights.shape != expected or not weights.size:
        raise ValueError(
            "weights must have one row for each target token and one column for each "
            f"source token, here {expected}. Received the shape {weights.shape}."
        )
    num_rows, num_columns = weights.shape
    cell = _cell_size(max(weights.shape))
    width, height = 2.2 + cell * num_columns, 1.5 + cell * num_rows
    figure = _figure(max(3.4, width), max(2.4, height))
    axes = figure.add_subplot()
    _heat_map(figure, axes, weights, "attention weight", aspect="equal")
    _token_ticks(axes, "x", source_tokens, cell)
    _token_ticks(axes, "y", target_tokens, cell)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("source tokens", color=_QUIET, labelpad=8)
    axes.set_ylabel("target tokens", color=_QUIET, labelpad=8)
    if max(weights.shape) <= _MOST_LABELS:  # thin lines keep neighbours apart
        axes.set_xticks(np.arange(1, num_columns) - 0.5, minor=True)
        axes.set_yticks(np.arange(1, num_rows) - 0.5, minor=True)
        axes.grid(which="minor", color="#eef2f6", linewidth=0.7)
    axes.tick_params(which="both", length=0)
    return figure


def gates_figure(
    update_gate: np.ndarray, reset_gate: np.ndarray, tokens: Sequence[str]
) -> Figure:
    """Draws the two gates of a GRU over a sentence: tokens across, units down.

    Args:
        update_gate: Values from 0 to 1, shape `(T, U)`.
        reset_gate: The same shape.
        tokens: The T subwords that the cell read.

    Raises:
        ValueError: If the shapes do not fit.
    """
    update_gate, reset_gate = np.asarray(update_gate), np.asarray(reset_gate)
    fits = update_gate.ndim == 2 and len(update_gate) == len(tokens)
    if not fits or update_gate.shape != reset_gate.shape or not update_gate.size:
        raise ValueError(
            f"both gates must have one row for each of the {len(tokens)} tokens. "
            f"Received the shapes {update_gate.shape} and {reset_gate.shape}."
        )
    figure = _figure(max(5.0, 2.0 + 0.36 * len(tokens)), 5.6)
    panels = figure.subplots(2, 1, sharex=True)
    names = ("update gate", "reset gate")
    for axes, gate, name in zip(panels, (update_gate, reset_gate), names, strict=True):
        _heat_map(figure, axes, gate.T, name, aspect="auto")
        axes.set_ylabel("unit", color=_QUIET)
        axes.tick_params(length=0)
    _token_ticks(panels[1], "x", tokens, cell=0.36)
    panels[1].set_xlabel("tokens, in the order they are read", color=_QUIET)
    return figure


def curves_figure(
    records: Iterable[Mapping[str, Any]], over: Literal["minutes", "step"] = "minutes"
) -> Figure:
    """Draws a run: losses above, BLEU and chrF of the development set below.

    What is optimised has dropout, smoothed labels and, with R-Drop, two passes and
    their divergence in it; so it may stand far above the loss of the same pairs.

    Args:
        records: The lines of a run's `metrics.jsonl`, as dictionaries. Where one of
            kind `start` is, another training began: a dotted line.
        over: Which field is the horizontal axis.
    """
    records = list(records)
    training, validation = (
        [record for record in records if record.get("kind") in (kind, "start")]
        for kind in ("train", "validation")
    )
    figure = _figure(7.2, 5.6)
    losses, scores = figure.subplots(2, 1, sharex=True)
    _curve(losses, training, over, "loss", "what is optimised", _QUIET)
    _curve(losses, validation, over, "training_loss", "training loss", _GREEN, "o")
    _curve(losses, validation, over, "loss", "development loss", _BLUE, "o")
    _curve(scores, validation, over, "bleu", "BLEU", _ORANGE, "o")
    _curve(scores, validation, over, "chrf", "chrF", _GREEN, "o")
    losses.set_ylabel("loss (nats per target token)", color=_QUIET)
    scores.set_ylabel("score (0 to 100)", color=_QUIET)
    label = "training time (minutes)" if over == "minutes" else "optimiser steps"
    scores.set_xlabel(label, color=_QUIET)
    starts = [record for record in records if record.get("kind") == "start"]
    for axes in (losses, scores):
        for start in starts:
            axes.axvline(start[over], color=_QUIET, linewidth=1.2, linestyle=":")
        axes.grid(color="#e5e9ee", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#cbd5e1")
        axes.tick_params(colors=_INK, length=0)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Writes the figure; a reader sees the old file or the new one, never a half.

    Args:
        figure: What to write.
        path: Its ending chooses the format, such as `.png` or `.svg`.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        figure.savefig(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _figure(width: float, height: float) -> Figure:
    """An empty white page, in inches: legible on a light and on a dark background."""
    return Figure((width, height), dpi=144, facecolor="white", layout="constrained")


def _cell_size(num_tokens: int) -> float:
    """Inches of a cell: large for a sentence, and never a page beyond a wall."""
    if num_tokens <= 24:
        return 0.36
    return 0.21 if num_tokens <= _MOST_LABELS else 0.21 * _MOST_LABELS / num_tokens


def _heat_map(
    figure: Figure, axes: Axes, values: np.ndarray, label: str, aspect: str
) -> None:
    image = axes.imshow(
        values, vmin=0, vmax=1, cmap=_WEIGHTS, aspect=aspect, interpolation="nearest"
    )
    slimness = 7 * axes.get_position().height * figure.get_figheight()
    bar = figure.colorbar(
        image, ax=axes, ticks=[0, 0.5, 1], shrink=0.9, pad=0.02, aspect=slimness
    )
    bar.set_label(label, color=_QUIET)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=_QUIET, length=0)
    axes.spines[:].set_color("#cbd5e1")


def _token_ticks(axes: Axes, which: str, tokens: Sequence[str], cell: float) -> None:
    labels = [_drawable(label) for label in token_labels(tokens)]
    axis = axes.xaxis if which == "x" else axes.yaxis
    every = -(-len(labels) // _MOST_LABELS)
    axis.set_ticks(
        range(0, len(labels), every),
        labels=labels[::every],
        fontfamily=_families(),
        fontsize=min(10.5, 40 * cell * every),
        color=_INK,
        parse_math=False,
        rotation=90 if which == "x" else 0,
    )


def _drawable(text: str) -> str:
    """Replaces what no font of `_families` can draw, which would be a warning."""
    return "".join(
        character
        if any(ord(character) in _characters(family) for family in _families())
        else _BOX
        for character in text
    )


@cache
def _families() -> list[str]:
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return [name for name in _FONTS if name in installed]


@cache
def _characters(family: str) -> frozenset[int]:
    path = font_manager.findfont(family)
    return frozenset(font_manager.get_font(path).get_charmap())


def _curve(
    axes: Axes,
    records: Sequence[Mapping[str, Any]],
    over: str,
    name: str,
    label: str,
    color: str,
    marker: str = "",
) -> None:
    points = [
        (record[over], math.nan if is_start else record[name])
        for record in records
        if (is_start := record.get("kind") == "start")  # no line leads across it
        or (record.get(over) is not None and record.get(name) is not None)
    ]
    if any(not math.isnan(y) for _, y in points):
        axes.plot(
            *zip(*points, strict=True),
            label=label,
            color=color,
            marker=marker,
            markersize=4,
            linewidth=1.6,
        )
