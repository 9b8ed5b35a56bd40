"""The model card: only what is true of the run, and no empty promises."""

import json

import pytest

from translator.cards import CARD_NAME, write_card
from translator.checkpoints import CONFIG_NAME
from translator.config import make_config, save_config
from translator.reporting import CURVES_NAME, METRICS_NAME
from translator.robustness import AlterationScores, save_robustness

CORPUS = {
    "name": "tatoeba-en-es",
    "languages": ["en", "es"],
    "licence": "CC-BY 2.0",
    "attribution": "www.example.org and its authors",
    "release": "2026-01-02",
}
VALIDATIONS = [
    {"kind": "validation", "step": step, "minutes": 0.0048 * step}
    | {"loss": loss, "bleu": bleu, "chrf": chrf}
    for step, loss, bleu, chrf in (
        (500, 1.9, 31.26, 49.9),
        (1_000, 1.8, 31.26, 50.1),
        (2_000, 1.7, 30.0, 51.0),
    )
]


def make_run(run_dir, corpus=CORPUS, languages=("en", "es"), select_by="bleu", **facts):
    options = {"wiring": "classic", "attention": "general", "encoder_units": 77}
    options |= {"select_by": select_by}
    options |= dict(zip(("source_language", "target_language"), languages, strict=True))
    facts = {"version": "1.2", "vocabulary_size": 4_321} | facts
    config = make_config("base", options=options)
    run_dir.mkdir(exist_ok=True)
    save_config(config, run_dir / CONFIG_NAME, corpus_info=corpus, **facts)


def card_of(run_dir):
    write_card(run_dir)
    return (run_dir / CARD_NAME).read_text("utf-8")


def write_report(run_dir, name, bleu):
    scores = {
        metric: {
            "score": score,
            "low": score - 1,
            "high": score + 1,
            "signature": f"{metric}|v",
        }
        for metric, score in [("bleu", bleu), ("chrf", 60.0)]
    }
    folder = run_dir / "evaluation" / name
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"scores": scores}), "utf-8")


def test_a_bare_run_has_a_card(tmp_path):
    """Catches: a card that needs an evaluation, empty headings and lines."""
    make_run(tmp_path, corpus={"name": "mine", "languages": ["en", "es"]})
    card = card_of(tmp_path)
    assert "# English to Spanish" in card
    assert "of 77 units a side" in card and "4,321 subwords" in card
    assert "classic wiring, general attention" in card
    for absent in ("## Scores", "Licence", "Attribution", "Release", "![", "None"):
        assert absent not in card


def test_the_corpus_and_its_licence_are_named(tmp_path):
    """Catches: an attribution that the licence asks for and the card leaves out."""
    make_run(tmp_path)
    card = card_of(tmp_path)
    for value in ("`tatoeba-en-es`", *list(CORPUS.values())[2:]):
        assert value in card


def test_the_training_is_told(tmp_path):
    """Catches: the last validation reported as the best; of two with one BLEU that with
    the higher loss, whose weights were not kept."""
    make_run(tmp_path)
    lines = map(json.dumps, VALIDATIONS)
    (tmp_path / METRICS_NAME).write_text("\n".join(lines) + "\n", "utf-8")
    (tmp_path / CURVES_NAME).write_bytes(b"")
    card = card_of(tmp_path)
    assert "2,000 steps in 10 minutes" in card
    assert "that were kept: 31.3, chrF 50.1, at step 1,000." in card
    assert " --encoder-units 77 --wiring classic --attention general\n```" in card
    assert f"]({CURVES_NAME})" in card


def test_the_weights_that_were_kept_are_told(tmp_path):
    """Catches: the step of the best BLEU where the loss chose."""
    make_run(tmp_path, select_by="loss")
    lines = map(json.dumps, VALIDATIONS)
    (tmp_path / METRICS_NAME).write_text("\n".join(lines) + "\n", "utf-8")
    assert "were kept: 30.0, chrF 51.0, at step 2,000." in card_of(tmp_path)


def test_scores_come_with_interval_and_signature(tmp_path):
    """Catches: scores without what they need to be compared; a stale table; a bar of
    the signature that ends its cell.
    """
    make_run(tmp_path)
    write_report(tmp_path, "test", 43.21)
    row = r"| test | BLEU | 43.2 (42.2 to 44.2) | `bleu\|v` |"
    assert row in card_of(tmp_path)
    write_report(tmp_path, "dev", 41.0)
    card = card_of(tmp_path)
    rows = [line for line in card.splitlines() if line.startswith(("| dev", "| test"))]
    assert len(rows) == 4 and rows[0].startswith("| dev | BLEU | 41.0")
    assert "too high" not in card


def test_scores_of_what_was_trained_before_are_marked(tmp_path):
    """Catches: a test set that the model to start from had learned, as if it were new;
    a note on a set without scores."""
    make_run(tmp_path, trained_before={"test": 3, "other": 4})
    write_report(tmp_path, "test", 43.21)
    write_report(tmp_path, "dev", 43.21)
    [note] = [line for line in card_of(tmp_path).splitlines() if "too high" in line]
    assert note.startswith("Of `test`, 3 sentences had been in the training")


@pytest.mark.parametrize(
    ("name", "languages"),
    [("tatoeba-en-es", ("en", "es")), ("my: corpus #1 'x'", ("no", "und"))],
    ids=["plain", "yaml_syntax"],
)
def test_front_matter_is_yaml(tmp_path, name, languages):
    """Catches: a file's name that is YAML; Norwegian, which YAML reads as `false`."""
    yaml = pytest.importorskip("yaml")
    make_run(tmp_path, corpus=CORPUS | {"name": name}, languages=languages)
    _, front_matter, _ = card_of(tmp_path).split("---\n", 2)
    assert yaml.safe_load(front_matter) == {
        "language": list(languages),
        "pipeline_tag": "translation",
        "library_name": "keras",
        "datasets": [name],
        "metrics": ["bleu", "chrf"],
    }


def test_robustness_is_on_the_card_once_it_was_measured(tmp_path):
    """Catches: an empty heading, a table of another folder, a row cut short."""
    make_run(tmp_path)
    assert "Robustness" not in card_of(tmp_path)
    folder = tmp_path / "evaluation" / "dev"
    folder.mkdir(parents=True)
    rows = [AlterationScores("a URL", 1_200, 40.0, 38.26, 97.0)]
    save_robustness(rows, folder)
    card = card_of(tmp_path)
    assert "## Robustness\n\nAltered copies of `dev`:\n\n| altered |" in card
    assert "| a URL | 1,200 | 40.0 | 38.3 | -1.7 | 97% |" in card
