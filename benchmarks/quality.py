"""How good runs were after how many minutes of training, as a table and as curves.

    uv run python -m benchmarks.quality runs/one runs/other --output quality.png

The scores are those that training wrote to `metrics.jsonl`: BLEU of the development set
by greedy search, with the averaged weights. Runs are comparable where their development
sets are, and the machines they had: minutes are those of the clock, validations
included.
"""

import argparse
from pathlib import Path

from translator.startup import import_tensorflow

import_tensorflow()

import matplotlib.pyplot as plt  # noqa: E402

from benchmarks.measuring import format_table  # noqa: E402
from translator.reporting import METRICS_NAME, read_metrics  # noqa: E402

MINUTES = (10, 20, 40, 80, 160, 320)
RUN = "run"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument(
        "--labels", nargs="+", help="what to call them; else the folders'"
    )
    parser.add_argument("--output", type=Path, help="picture of the curves")
    options = parser.parse_args()
    labels = options.labels or [run.name for run in options.runs]
    if len(labels) != len(options.runs):
        parser.error(f"{len(options.runs)} runs need as many labels, not {len(labels)}")
    for run in options.runs:
        if not (run / METRICS_NAME).exists():
            parser.error(f"{run} is no run folder: it has no {METRICS_NAME}")
    curves = list(zip(labels, map(scores_of, options.runs), strict=True))
    for label, scores in curves:
        if not scores:
            parser.error(f"{label} has no validation with a BLEU score yet")
    print(format_table([row(label, scores) for label, scores in curves]))
    if options.output:
        draw(curves).savefig(options.output, dpi=120)


def scores_of(run: Path) -> list[tuple[float, float]]:
    """Returns minutes and BLEU of each validation."""
    return [
        (record["minutes"], record["bleu"])
        for record in read_metrics(run)
        if record["kind"] == "validation" and record.get("bleu") is not None
    ]


def row(label: str, scores: list[tuple[float, float]]) -> dict[str, str]:
    """The last score at each of `MINUTES`, none where a run had ended or not begun."""
    end = scores[-1][0]
    cells = {RUN: label}
    for minutes in MINUTES:
        before = [bleu for time, bleu in scores if time <= minutes]
        cells[f"{minutes} min"] = (
            f"{before[-1]:.1f}" if before and minutes <= end else ""
        )
    best_minutes, best = max(scores, key=lambda score: score[1])
    return cells | {"best": f"{best:.1f}", "after, min": f"{best_minutes:.0f}"}


def draw(curves: list[tuple[str, list[tuple[float, float]]]]) -> plt.Figure:
    """BLEU over minutes, each curve named at its end."""
    figure, axes = plt.subplots(figsize=(7.6, 4.2), layout="constrained")
    for label, scores in curves:
        [line] = axes.plot(*zip(*scores, strict=True), "o-", ms=3, lw=1.5)
        axes.annotate(
            label,
            scores[-1],
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=line.get_color(),
        )
    lowest = min(bleu for _, scores in curves for _, bleu in scores[2:] or scores)
    axes.set_ylim(bottom=max(0, lowest - 2))
    axes.set_xlim(left=0)
    axes.set(xlabel="minutes of training", ylabel="BLEU (development, greedy)")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
