"""Whether one model is better than another, or chance alone makes it look so."""

from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text
from sacrebleu.significance import PairedTest

from translator.checkpoints import EVALUATION_DIR
from translator.disk import write_json
from translator.errors import UserError
from translator.evaluation import (
    NUM_EXAMPLES,
    EvaluationReport,
    EvaluationSet,
    render_sentences,
)
from translator.scoring import Chrf, as_lists, as_streams, make_bleu, rounded


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
        write_json(Path(directory) / "comparison.json", asdict(self))

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
            _render_changes("Better", self.better),
            "",
            _render_changes("Worse", self.worse),
        )


def read_baseline(folder: str | Path, test: EvaluationSet) -> list[str]:
    """Returns the translations that another evaluation of the same set found.

    Args:
        folder: A run folder, or one that `translator evaluate --output` wrote.
        test: The set.

    Raises:
        UserError: None there, or of another set.
    """
    folder = own = Path(folder)
    if not (own / "hypotheses.txt").is_file():
        own = folder / EVALUATION_DIR / test.name
    hypotheses, sources = (
        _read_lines(own / name) for name in ("hypotheses.txt", "sources.txt")
    )
    if not hypotheses:
        raise UserError(
            f"{folder} holds no translations of {test.name}. Make them with "
            f"`translator evaluate {folder}` and the same options."
        )
    if sources != [" ".join(source.split()) for source in test.sources]:
        raise UserError(
            f"{own} holds translations of other sentences than {test.name} has. "
            "Evaluate that model again, with the same options."
        )
    return hypotheses


def _read_lines(path: Path) -> list[str]:
    """The lines of a file; none if it is not there."""
    return path.read_text("utf-8").split("\n")[:-1] if path.is_file() else []


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
        test_type="bs",  # 1,000 samples
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
    chrf = Chrf()

    def gain(before: str, after: str, wanted: list[str]) -> float:
        old, new = (chrf.sentence_score(own, wanted).score for own in (before, after))
        return rounded(new - old)

    changes = [
        Change(source, wanted, before, after, gain(before, after, wanted))
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


def _render_changes(title: str, changes: list[Change]) -> Table:
    rows = [
        (
            f"{own.chrf:+.1f}",
            own.source,
            own.references,
            {"<": own.baseline, ">": own.hypothesis},
        )
        for own in changes
    ]
    return render_sentences(f"{title} (= wanted, < baseline, > this)", rows)
