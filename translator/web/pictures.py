"""Pictures of what is inside a translation, as SVG: sharp at any size, with the value
under the pointer, on a light page and on a dark one.

All text in them is escaped. Colours are CSS variables of the page with a default, so
that a picture that was saved looks as it did.

Shapes: R rows, C columns, U units, T steps.
"""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from translator.inspection import BeamNode, GateTrace
from translator.tokenizer import token_labels
from translator.web.markup import escape

_INK = "var(--body-text-color, #1f2a37)"
_QUIET = "var(--body-text-color-subdued, #64748b)"
_LINE = "var(--border-color-primary, #cbd5e1)"
_BLUE = "#2563a8"
_FONT = "font-family='system-ui, sans-serif' font-size='13'"
_CELL = 28  # width and height of a cell, and of a line of the tree
_LETTER = 7.6  # a letter's width at most, but for rare wide ones
_MOST_DROPPED = 4  # dropped beginnings shown at a position


@dataclass(frozen=True)
class HeatMap:
    """Values from 0 to 1 on a grid.

    Attributes:
        rows: R labels.
        columns: C labels.
        values: Shape `(R, C)`.
        describe: What a cell says under the pointer, of its row, column and value.
        title: Stands above it.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: np.ndarray
    describe: Callable[[str, str, float], str]
    title: str = ""


def attention_picture(
    source_tokens: Sequence[str], target_tokens: Sequence[str], weights: np.ndarray
) -> str:
    """Draws where the decoder looked: source tokens across, target tokens down.

    Args:
        source_tokens: C subwords.
        target_tokens: R subwords.
        weights: Shape `(R, C)`; each row sums to 1.
    """
    return heat_maps_picture(
        [
            HeatMap(
                token_labels(target_tokens),
                token_labels(source_tokens),
                weights,
                lambda target, source, value: (
                    f"“{target}” looked at “{source}”: {value:.2f}"
                ),
            )
        ],
        "Attention: for each target token, a row, how much it looked at each source "
        "token, a column.",
    )


def gates_overview(traces: Sequence[GateTrace]) -> str:
    """Draws the mean of each gate over the units, token by token, for all GRUs.

    Args:
        traces: Of `inspection.read_gates`.
    """
    maps = []
    for part, columns in (("encoder", "source"), ("decoder", "target")):
        own = [trace for trace in traces if trace.name.startswith(part)]
        for gate, name in (
            ("update_gate", "update gate"),
            ("reset_gate", "reset gate"),
        ):
            means = []
            for trace in own:
                mean = getattr(trace, gate).mean(axis=1)
                means.append(mean[::-1] if "backward" in trace.name else mean)
            maps.append(
                HeatMap(
                    [trace.name for trace in own],
                    token_labels(own[0].tokens),
                    np.array(means),
                    lambda row, token, value, name=name: (
                        f"{name} of {row} at “{token}”: {value:.2f}"
                    ),
                    f"{name}, {part}: mean of all units ({columns} tokens)",
                )
            )
    return heat_maps_picture(
        maps, "Update and reset gates of every GRU at each token: means of all units."
    )


def heat_maps_picture(maps: Sequence[HeatMap], description: str) -> str:
    """Draws heat maps one above the other.

    Args:
        maps: At least one.
        description: For those who do not see it.
    """
    left = 12 + _LETTER * max(len(row) for part in maps for row in part.rows)
    width = left + _CELL * max(len(part.columns) for part in maps) + 60
    top, shapes = 0.0, []
    for part in maps:
        head = 14 + 0.72 * _LETTER * max(map(len, part.columns))
        if part.title:
            shapes.append(_text(4, top + 15, part.title, fill=_QUIET))
            top += 22
        top += head
        shapes += _heat_map(part, left, top)
        top += _CELL * len(part.rows) + 16
    return _svg(width, top, shapes, description)


def tree_picture(nodes: Sequence[BeamNode]) -> str:
    """Draws the tree of a search: positions from left to right, the best on top.

    What was kept is framed, what was complete is filled, what was dropped is pale; the
    thick line leads to the best translation.

    Args:
        nodes: Of `inspection.search_tree`, at least one.
    """
    labels = [_label(node, nodes) for node in nodes]
    columns: dict[int, list[int]] = {}
    for place, node in enumerate(nodes):
        columns.setdefault(node.position, []).append(place)
    shown = [place for column in columns.values() for place in _shown(column, nodes)]
    box = 54 + _LETTER * max(len(labels[place]) for place in shown)
    gap = 34
    at: dict[int | None, tuple[float, float]] = {None: (0, 20)}
    for column in columns.values():
        for line, place in enumerate(_shown(column, nodes)):
            x = 12 + gap + nodes[place].position * (box + gap)
            at[place] = (x, 20 + line * (_CELL + 4))
    best = _path(nodes, next(p for p, node in enumerate(nodes) if node.rank == 0))
    edges = [_edge(at, place, nodes[place], box, place in best) for place in shown]
    boxes = [
        _box(at[place], box, nodes[place], labels[place], place in best)
        for place in shown
    ]
    width = max(x for x, _ in at.values()) + box + 12
    height = max(y for _, y in at.values()) + _CELL
    return _svg(
        width,
        height,
        [*edges, *boxes],
        "The tree of the beam search. The best translation: "
        + " ".join(labels[place] for place in sorted(best)),
    )


def units_picture(trace: GateTrace, step: int) -> str:
    """Draws both gates of one GRU, unit by unit: steps across, units down.

    Args:
        trace: Of `inspection.read_gates`.
        step: The step that is framed, from 0.
    """
    labels = token_labels(trace.tokens)
    num_units = trace.update_gate.shape[1]
    height = min(2 * num_units, 260)
    left, top = 34, 40 + 0.72 * _LETTER * max(map(len, labels))
    width = _CELL * len(labels)
    shapes = []
    for index, (name, gate) in enumerate(
        (("update gate", trace.update_gate), ("reset gate", trace.reset_gate))
    ):
        x = left + index * (width + 50)
        shapes.append(_text(x, 15, f"{name}, {num_units} units", fill=_QUIET))
        shapes += [
            _slanted(x + (column + 0.5) * _CELL, top - 6, label)
            for column, label in enumerate(labels)
        ]
        shapes.append(
            f"<image x='{x}' y='{top}' width='{width}' height='{height}' "
            f"preserveAspectRatio='none' style='image-rendering: pixelated' "
            f"href='{_blue_png(gate.T)}'/>"
        )
        shapes.append(
            f"<rect x='{x + step * _CELL}' y='{top - 1}' width='{_CELL}' "
            f"height='{height + 2}' fill='none' stroke='#c2571a' stroke-width='2'/>"
        )
    return _svg(
        left + 2 * width + 110,
        top + height + 8,
        shapes,
        f"Update and reset gates of {trace.name}, step {step + 1} framed.",
    )


def _heat_map(part: HeatMap, left: float, top: float) -> list[str]:
    shapes = [
        _slanted(left + (column + 0.5) * _CELL, top - 6, label)
        for column, label in enumerate(part.columns)
    ]
    for row, label in enumerate(part.rows):
        y = top + row * _CELL
        shapes.append(_text(left - 8, y + 18, label, "end"))
        for column, name in enumerate(part.columns):
            value = float(part.values[row, column])
            shapes.append(
                f"<rect class='cell' x='{left + column * _CELL:.1f}' y='{y:.1f}' "
                f"width='{_CELL - 1}' height='{_CELL - 1}' fill='{_BLUE}' "
                f"fill-opacity='{min(max(value, 0.0), 1.0):.3f}' stroke='{_LINE}' "
                f"stroke-width='0.5'><title>"
                f"{escape(part.describe(label, name, value))}</title></rect>"
            )
    return shapes


def _label(node: BeamNode, nodes: Sequence[BeamNode]) -> str:
    """Returns how a token reads behind the one before it."""
    if node.parent is None:
        return token_labels([node.token])[0]
    return token_labels([nodes[node.parent].token, node.token])[1]


def _shown(column: Sequence[int], nodes: Sequence[BeamNode]) -> list[int]:
    """Returns the places of a position that are drawn."""
    dropped = [place for place in column if nodes[place].fate == "dropped"]
    left_out = set(dropped[_MOST_DROPPED:])
    return [place for place in column if place not in left_out]


def _path(nodes: Sequence[BeamNode], place: int | None) -> set[int]:
    path = set()
    while place is not None:
        path.add(place)
        place = nodes[place].parent
    return path


def _edge(at: dict, place: int, node: BeamNode, box: float, is_best: bool) -> str:
    x0, y0 = at[node.parent]
    x1, y1 = at[place]
    x0, y0, y1 = x0 + (12 if node.parent is None else box), y0 + 12, y1 + 12
    middle = (x0 + x1) / 2
    look = (
        f"stroke='{_BLUE}' stroke-width='2.5'"
        if is_best
        else f"stroke='{_LINE}' stroke-width='1.2'"
    )
    dashes = " stroke-dasharray='3 3'" if node.fate == "dropped" else ""
    return (
        f"<path d='M{x0:.0f} {y0:.0f}C{middle:.0f} {y0:.0f} {middle:.0f} {y1:.0f} "
        f"{x1:.0f} {y1:.0f}' fill='none' {look}{dashes}/>"
    )


def _box(
    place: tuple[float, float], width: float, node: BeamNode, label: str, is_best: bool
) -> str:
    x, y = place
    fill = {"kept": "none", "complete": "#2f855a", "dropped": "none"}[node.fate]
    stroke = _BLUE if is_best else _LINE
    dashes = " stroke-dasharray='3 3'" if node.fate == "dropped" else ""
    rank = "" if node.rank is None else f"; translation {node.rank + 1}"
    told = (
        f"“{label}”, {node.fate}{rank}. All tokens so far: probability "
        f"{math.exp(node.log_prob):.2g}, log-probability {node.log_prob:.2f}, score "
        f"{node.score:.2f}"
    )
    return (
        f"<g><title>{escape(told)}</title>"
        f"<rect opacity='{0.55 if node.fate == 'dropped' else 1}' x='{x:.0f}' "
        f"y='{y:.0f}' width='{width:.0f}' height='24' rx='5' "
        f"fill='{fill}' fill-opacity='0.22' stroke='{stroke}' "
        f"stroke-width='{2 if is_best else 1}' pointer-events='all'{dashes}/>"
        + _text(x + 8, y + 17, label)
        + _text(x + width - 6, y + 16, f"{node.score:.2f}", "end", _QUIET, 11)
        + "</g>"
    )


def _blue_png(values: np.ndarray) -> str:
    """Returns values from 0 to 1, shape `(R, C)`, as the data address of a picture."""
    colour = tuple(bytes.fromhex(_BLUE[1:]))
    pixels = np.empty((*values.shape, 4), np.uint8)
    pixels[..., :3] = colour
    pixels[..., 3] = np.round(255 * values.clip(0, 1))
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _text(
    x: float, y: float, text: str, anchor: str = "start", fill: str = _INK, size=13
) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{fill}' "
        f"font-size='{size}'>{escape(text)}</text>"
    )


def _slanted(x: float, y: float, text: str) -> str:
    return (
        f"<text transform='translate({x:.1f} {y:.1f}) rotate(-45)' fill='{_INK}'>"
        f"{escape(text)}</text>"
    )


def _svg(width: float, height: float, shapes: Sequence[str], description: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' class='picture' role='img' "
        f"aria-label='{escape(description)}' width='{width:.0f}' "
        f"height='{height:.0f}' viewBox='0 0 {width:.0f} {height:.0f}' {_FONT}>"
        + "".join(shapes)
        + "</svg>"
    )
