"""Whether one model is better than another, or chance alone makes it look so."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text
from sacrebleu.significance import PairedTest

from translator.disk import replacing
from translator.errors import UserError
from translator.evaluation import EvaluationReport, EvaluationSet
from translator.scoring import Chrf, as_lists, as_streams, make_bleu, rounded

NUM_EXAMPLES = 10
_NUM_RESAMPLES = 1_000


@dataclass(frozen=True)
class Difference:
    """A metric's scores of two models.

    Attributes:
        metric: BLEU or chrF2, as sacreBLEU calls them.
        baseline: Score of the one, 0 to 100.
        score: Score of the other.
        p_value: How often chance alone makes such a difference, 0 to 1: the share of
            the sets drawn anew from the sentences, with replacement, whose difference
            is as far from the mean (Koehn 2004). Below 0.05 it is called significant.
    """

    metric: str
    baseline: float
    score: float
    p_value: float


@dataclass(frozen=True)
class Change:
    """A sentence that two models translate otherwise.

    Attributes:
        source: What was translated.
        references: What was wanted.
        baseline: What the one made of it.
        hypothesis: What the other made of it.
        chrf: By how much the other's sentence chrF is higher; negative if lower.
    """

    source: str
    references: list[str]
    baseline: str
    hypothesis: str
    chrf: float


@dataclass(frozen=True)
class Comparison:
    """Two models' translations of a set.

    Attributes:
        baseline: Where those of the one lie.
        differences: One for each metric.
        num_same: Sentences that both translate alike.
        better: Where the other gained most, those first.
        worse: Where it lost most.
    """

    baseline: str
    differences: list[Difference]
    num_same: int
    better: list[Change]
    worse: list[Change]

    def save(self, directory: str | Path) -> None:
        """Writes `comparison.json` beside the report."""
        with replacing(Path(directory) / "comparison.json") as temporary:
            text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
            temporary.write_text(f"{text}\n", "utf-8")

    def render(self) -> Group:
        """Returns the comparison for a `rich.console.Console` to print."""
        table = Table("", box=box.SIMPLE_HEAD)
        for name in ("baseline", "this", "difference", "p"):
            table.add_column(name, justify="right")
        for row in self.differences:
            numbers = (f"{row.baseline:.1f}", f"{row.score:.1f}")
            difference = f"{row.score - row.baseline:+.1f}"
            table.add_row(row.metric, *numbers, difference, f"{row.p_value:.3f}")
        return Group(
            Text(f"Against {self.baseline}: {self.num_same:,} translations alike"),
            table,
            Text(
                "p: how often chance alone makes such a difference (paired bootstrap); "
                "from 0.05 on, do not count on it.",
                style="dim",
            ),
            _render_changes("Better", self.better[:5]),
            "",
            _render_changes("Worse", self.worse[:5]),
        )


def read_baseline(folder: str | Path, test: EvaluationSet) -> list[str]:
    """Returns the translations that another evaluation of the same set found.

    Args:
        folder: A run folder, or one that `translator evaluate --output` wrote.
        test: The set.

    Raises:
        UserError: None there, or of another set.
    """
    folder = Path(folder)
    candidates = (folder, folder / "evaluation" / test.name)
    found = [own for own in candidates if (own / "hypotheses.txt").is_file()]
    if not found:
        raise UserError(
            f"{folder} holds no translations of {test.name}. Make them with "
            f"`translator evaluate {folder}` and the same options."
        )
    hypotheses, sources = (
        (found[0] / name).read_text("utf-8").split("\n")[:-1]
        if (found[0] / name).is_file()
        else []
        for name in ("hypotheses.txt", "sources.txt")
    )
    if sources != [" ".join(source.split()) for source in test.sources]:
        raise UserError(
            f"{found[0]} holds translations of other sentences than {test.name} has. "
            "Evaluate that model again, with the same options."
        )
    return hypotheses


def compare(
    report: EvaluationReport,
    test: EvaluationSet,
    baseline: list[str],
    name: str,
    language: str,
) -> Comparison:
    """Compares the translations of a report with another model's, sentence by sentence.

    Args:
        report: Of the one model.
        test: What both translated.
        baseline: The other one's translations.
        name: What to call the other one.
        language: Code of the translations' language.

    Source: Koehn 2004, "Statistical significance tests for machine translation
    evaluation", as sacreBLEU has it.
    """
    references = as_lists(test.sources, test.references)
    baseline = list(baseline)
    if len(baseline) != len(references):
        raise UserError(
            f"the baseline should have a translation for each of the {len(references)} "
            f"sentences. Received: {len(baseline)}."
        )
    paired = PairedTest(
        [("baseline", baseline), ("this", report.hypotheses)],
        {"BLEU": make_bleu(language), "chrF": Chrf()},
        as_streams(references),
        test_type="bs",
        n_samples=_NUM_RESAMPLES,
    )
    _, results = paired()
    differences = [
        Difference(
            name,
            rounded(before.score),
            rounded(after.score),
            # Of two equal scores sacreBLEU takes every sample for a smaller difference.
            1.0 if rounded(before.score) == rounded(after.score) else after.p_value,
        )
        for name, (before, after) in list(results.items())[1:]  # the first is names
    ]
    changes = [
        Change(
            source, wanted, before, after, rounded(_chrf_gain(before, after, wanted))
        )
        for source, wanted, before, after in zip(
            test.sources, references, baseline, report.hypotheses, strict=True
        )
        if before != after
    ]
    changes.sort(key=lambda change: -change.chrf)
    return Comparison(
        name,
        differences,
        len(baseline) - len(changes),
        [change for change in changes[:NUM_EXAMPLES] if change.chrf > 0],
        [change for change in changes[: -NUM_EXAMPLES - 1 : -1] if change.chrf < 0],
    )


def _chrf_gain(before: str, after: str, references: list[str]) -> float:
    before_score, after_score = (
        Chrf().sentence_score(text, references).score for text in (before, after)
    )
    return after_score - before_score


def _render_changes(title: str, changes: list[Change]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    table.add_row("", Text(f"{title} (= wanted, < baseline, > this)", style="bold"))
    for change in changes:
        table.add_row("", "")
        table.add_row(f"{change.chrf:+.1f}", Text(change.source))
        for reference in change.references:
            if reference not in (change.baseline, change.hypothesis):
                table.add_row("=", Text(reference))
        table.add_row("<", Text(change.baseline))
        table.add_row(">", Text(change.hypothesis))
    return table
