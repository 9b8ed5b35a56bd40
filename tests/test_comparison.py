"""Whether a difference is chance, and where it lies."""

import json
import random

import pytest
from rich.console import Console

from translator.comparison import compare, read_baseline
from translator.errors import UserError
from translator.evaluation import EvaluationSet, evaluate
from translator.scoring import score

WORDS = "la casa roja , grande quién come pan con María : sí".split()


class FakeTranslator:
    """Gives what it is told, whatever the texts are."""

    target_language = "es"

    def __init__(self, translations):
        self._translations = iter(translations)

    def translate(self, texts, search=None):
        return [_Found(next(self._translations)) for _ in texts]


class _Found:
    is_finished = True

    def __init__(self, text):
        self.text = text


def make_test(count: int, seed: int = 0) -> EvaluationSet:
    rng = random.Random(seed)
    references = [" ".join(rng.choices(WORDS, k=9)) for _ in range(count)]
    sources = [f"source  {number}" for number in range(count)]
    return EvaluationSet("test", sources, references)


def worsen(texts, rate, seed=1):
    """Returns the texts with a share of their words exchanged."""
    rng = random.Random(seed)
    return [
        " ".join(rng.choice(WORDS) if rng.random() < rate else w for w in t.split())
        for t in texts
    ]


def compared(test, baseline, hypotheses):
    report = evaluate(FakeTranslator(hypotheses), test)
    return compare(report, test, baseline, "runs/other", "es")


def test_a_clear_difference_is_significant():
    """Catches: the two models exchanged; scores other than a report's."""
    test = make_test(200)
    baseline, hypotheses = (worsen(test.references, rate) for rate in (0.4, 0.1))
    comparison = compared(test, baseline, hypotheses)
    ours, theirs = score(hypotheses, test.references), score(baseline, test.references)
    for row, name in zip(comparison.differences, ("bleu", "chrf"), strict=True):
        assert row.metric.lower().startswith(name)
        assert row.score == pytest.approx(getattr(ours, name).score, abs=1e-3)
        assert row.baseline == pytest.approx(getattr(theirs, name).score, abs=1e-3)
        assert row.p_value < 0.01
    back = compared(test, hypotheses, baseline)
    assert back.differences[0].p_value < 0.01
    assert comparison.better[0].chrf == pytest.approx(-back.worse[0].chrf)


def test_chance_is_not_significant():
    """Catches: a p-value of one model alone; of models that are the same."""
    test = make_test(60)
    baseline, hypotheses = (worsen(test.references, 0.3, seed) for seed in (1, 2))
    comparison = compared(test, baseline, hypotheses)
    assert all(row.p_value > 0.05 for row in comparison.differences)
    same = compared(test, tuple(baseline), baseline)
    assert [row.p_value for row in same.differences] == [1.0, 1.0]
    assert same.num_same == 60 and same.better == same.worse == []


def test_equal_scores_are_no_difference():
    """Catches: a word that both have wrong, called significant."""
    test = make_test(50)
    ours, theirs = (
        [*test.references[:-1], test.references[-1].rpartition(" ")[0] + f" {word}"]
        for word in ("zebra", "quark")
    )
    bleu, _ = compared(test, theirs, ours).differences
    assert bleu.score == bleu.baseline and bleu.p_value == 1.0
    with pytest.raises(UserError, match="each of the 50 sentences. Received: 49"):
        compared(test, theirs[1:], ours)


def test_what_changed_is_shown(tmp_path):
    """Catches: sentences that neither gained nor lost, the wrong end of the list,
    markup in a sentence, a file that does not hold what was printed."""
    test = EvaluationSet(
        "test", ["a", "b [red]", "c", "d"], ["ja", "no [i]", "sí", "o"]
    )
    comparison = compared(test, ["ja", "mi", "sí", "x"], ["ju", "no [i]", "sí", "y"])
    assert comparison.num_same == 1
    assert [change.source for change in comparison.better] == ["b [red]"]
    assert [change.source for change in comparison.worse] == ["a"]
    console = Console(width=80, record=True)
    console.print(comparison.render())
    text = console.export_text()
    for line in ("b [red]", "< mi", "> no [i]", "Against runs/other: 1 translations"):
        assert line in text
    comparison.save(tmp_path)
    content = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    assert content["better"][0]["baseline"] == "mi"


def test_a_baseline_is_found_in_a_run_or_a_report(tmp_path):
    """Catches: one of other sentences, or of another set; a line lost or added."""
    test = make_test(5)
    hypotheses = worsen(test.references, 0.5)
    report = evaluate(FakeTranslator(hypotheses), test)
    report.save(tmp_path / "run" / "evaluation" / "test", test)
    for folder in (tmp_path / "run", tmp_path / "run" / "evaluation" / "test"):
        assert read_baseline(folder, test) == hypotheses
    with pytest.raises(UserError, match="no translations of test.*translator evaluate"):
        read_baseline(tmp_path, test)
    other = EvaluationSet("test", test.sources[::-1], test.references)
    with pytest.raises(UserError, match="other sentences"):
        read_baseline(tmp_path / "run", other)
