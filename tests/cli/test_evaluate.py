import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from translator import cards, loading
from translator.checkpoints import load_run_config
from translator.cli.evaluate import evaluate
from translator.config import Config, DataConfig, SearchConfig, save_config
from translator.corpus import load_sets, prepare_corpus
from translator.errors import UserError
from translator.robustness import load_robustness


class FakeTranslator:
    """Translates into capitals."""

    search = SearchConfig(beam_size=4, length_penalty=0.5)
    source_language, target_language = "en", "es"

    def __init__(self):
        self.calls = []

    def translate(self, texts, search=None):
        self.calls.append((list(texts), search))
        return [SimpleNamespace(text=t.upper(), is_finished=True) for t in texts]


@pytest.fixture
def translator(monkeypatch) -> FakeTranslator:
    fake = FakeTranslator()
    monkeypatch.setattr(loading, "load_translator", lambda path, ensemble=(): fake)
    return fake


@pytest.fixture
def run_dir(tmp_path) -> Path:
    """A run folder with nothing but its options, of a corpus of 600 sentences."""
    corpus = tmp_path / "toy.en-es.tsv"
    lines = (f"sentence {n}\tSENTENCE {n}\n" for n in range(600))
    corpus.write_text("".join(lines), "utf-8")
    folder = tmp_path / "run"
    folder.mkdir()
    config = Config(data=DataConfig(corpus=(str(corpus),)))
    save_config(config, folder / "config.json")
    return folder


def typer_app() -> typer.Typer:
    app = typer.Typer()
    app.command()(evaluate)
    return app


def run(*arguments):
    result = CliRunner().invoke(
        typer_app(), list(map(str, arguments)), catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("split", ["test", "dev"])
def test_a_set_of_the_corpus_is_evaluated(split, run_dir, translator):
    """Catches: another split, a report in another folder, search options lost."""
    result = run(run_dir, "--split", split, "--beam-size", 2)
    directory = run_dir / "evaluation" / split
    report = json.loads((directory / "report.json").read_text("utf-8"))
    ((sentences, search),) = translator.calls
    assert search == SearchConfig(beam_size=2, length_penalty=0.5)
    assert report["search"] == search.model_dump()
    assert report["scores"]["exact_match"] == 100.0
    lines = (directory / "hypotheses.txt").read_text("utf-8").splitlines()
    assert lines == [sentence.upper() for sentence in sentences]
    config, _ = load_run_config(run_dir)
    sets = load_sets(config.data)
    pairs = sets.dev if split == "dev" else sets.tests["test"]
    assert sentences == [pair.source for pair in pairs]
    assert f"{split}: {len(lines)} sentences" in result.stdout
    assert "tok:13a" in result.stdout
    assert str(directory) in result.stderr


def test_two_models_are_compared(run_dir, translator, monkeypatch, tmp_path):
    """Catches: a comparison with itself; one that is found to be impossible only when
    all is translated."""
    arguments = (run_dir, "--split", "dev")
    result = CliRunner().invoke(
        typer_app(), [*map(str, arguments), "--baseline", str(tmp_path / "none")]
    )
    assert isinstance(result.exception, UserError) and not translator.calls
    run(*arguments, "--output", tmp_path / "before")
    monkeypatch.setattr(
        translator,
        "translate",
        lambda texts, search=None: [
            SimpleNamespace(text=text.lower(), is_finished=True) for text in texts
        ],
    )
    result = run(*arguments, "--baseline", tmp_path / "before")
    assert f"Against {tmp_path / 'before'}" in result.stdout.replace("\n", "")
    path = run_dir / "evaluation" / "dev" / "comparison.json"
    _, chrf = json.loads(path.read_text("utf-8"))["differences"]
    assert chrf["baseline"] == 100.0 and chrf["score"] < 100.0


@pytest.mark.parametrize("split", ["test", "unusual"])
def test_the_sets_of_a_run_stay_when_its_corpus_goes(
    split, run_dir, translator, tmp_path
):
    """Catches: a test set of sentences that were trained on, as a file was changed; an
    error, as it was moved."""
    path = tmp_path / "mine.tsv"
    words = "a line of more than ten words that is said to be"
    lines = (f"{words} {n}\tUNA {n}\n" for n in range(600))
    path.write_text("".join(lines), "utf-8")
    config, facts = load_run_config(run_dir)
    options = {"corpus": (str(path),), "max_length_ratio": 99.0}
    data = config.data.model_copy(update=options)
    save_config(
        config.model_copy(update={"data": data}), run_dir / "config.json", **facts
    )
    kept = prepare_corpus(data, directory=run_dir / "data")
    path.unlink()
    run(run_dir, "--split", split)
    ((sentences, _),) = translator.calls
    pairs = kept.tests["test"] if split == "test" else kept.dev
    assert sentences == [pair.source for pair in pairs]


def test_files_are_evaluated(tmp_path, translator):
    """Catches: one of the references ignored; a run folder asked for; --output lost."""
    texts = {"new.en": "a b\nc\n", "1.es": "x\nC\n", "2.es": "A B\nx\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    run(
        *(tmp_path / "model", "--source", tmp_path / "new.en"),
        *("--reference", tmp_path / "1.es", "--reference", tmp_path / "2.es"),
        *("--output", tmp_path / "out"),
    )
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["name"] == "file-new"  # no set of the run's own
    assert (tmp_path / "out" / "sources.txt").read_text("utf-8") == "a b\nc\n"
    assert (tmp_path / "out" / "references.txt").read_text("utf-8") == "x\nC\n"
    assert report["scores"]["exact_match"] == 100.0
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("split", "expected"),
    [("all", ["one", "two"]), ("test", None), (None, ["one", "two"])],
)
def test_another_corpus_is_evaluated(run_dir, tmp_path, translator, split, expected):
    """Catches: the run's own corpus in its place, also the run's own development files;
    a report over that of the run's own set."""
    path = tmp_path / "mine.tsv"
    pairs = [("one", "ONE"), ("two ", "DOS")]
    pairs += [] if expected else [(f"my {n}", f"MY {n}") for n in range(600)]
    path.write_text("".join(f"{a}\t{b}\n" for a, b in pairs), "utf-8")
    run(run_dir, "--corpus", path, *(("--split", split) if split else ()))
    folder = run_dir / "evaluation" / f"mine-{split or 'all'}"
    report = json.loads((folder / "report.json").read_text("utf-8"))
    ((sentences, _),) = translator.calls
    if expected:
        assert sentences == expected
        assert report["scores"]["exact_match"] == 50.0
    assert 0 < len(sentences) < 60 and {*sentences} <= {a.strip() for a, _ in pairs}


def test_the_card_is_written_again(run_dir, tmp_path, translator, monkeypatch):
    """Catches: a card with the old scores; a card made for scores kept elsewhere."""
    written = []
    monkeypatch.setattr(cards, "write_card", written.append)
    run(run_dir)
    assert written == []  # It had no card.
    (run_dir / "README.md").write_text("card")
    run(run_dir, "--output", tmp_path / "elsewhere")
    assert written == []
    run(run_dir)
    assert written == [run_dir]


def test_the_card_of_an_onnx_folder_stays(run_dir, translator, monkeypatch):
    """Catches: a card written anew without the records of the training."""
    monkeypatch.setattr(cards, "write_card", None)
    (run_dir / "encoder.onnx").touch()
    (run_dir / "README.md").write_text("card")
    run(run_dir)
    assert (run_dir / "README.md").read_text() == "card"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "x"], "go together"),
        (["--reference", "x"], "go together"),
        (["--split", "news"], "no set 'news'. Its sets: test, dev"),
        (["--split", "all"], "most of the run's corpus was trained on"),
        (["--corpus", "x", "--source", "y"], "exclude each other"),
        (["--source", "x", "--reference", "y", "--split", "dev"], "Leave one out"),
        (["--corpus", "nowhere.tsv"], "no corpus and no file"),
        (["--source", "no", "--reference", "no"], "there is no file no"),
        (["--beam-size", "0"], "beam_size"),
    ],
)
def test_mistakes_are_user_errors(arguments, message, run_dir, translator):
    """Catches: a traceback, or a translation of the wrong sentences."""
    with pytest.raises(UserError, match=message):
        run(run_dir, *arguments)
    assert translator.calls == []


def test_a_saved_model_has_no_corpus_of_its_own(run_dir, tmp_path, translator):
    """Catches: the advice to give what was given; sides the other way round."""
    folder = tmp_path / "exports" / "1"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()
    with pytest.raises(UserError, match="does not know its corpus. Give one with"):
        run(folder.parent)
    corpus = tmp_path / "other.es-en.tsv"
    corpus.write_text("UNO\tone\nDOS\ttwo\n", "utf-8")
    translator.calls.clear()
    run(folder.parent, "--corpus", corpus, "--output", tmp_path / "out")
    assert [texts for texts, _ in translator.calls] == [["one", "two"]]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    """Catches: a traceback."""
    with pytest.raises(UserError, match="is not a run folder"):
        run(tmp_path)


def test_robustness_is_measured_if_asked_for(run_dir, translator):
    """Catches: the flag without effect, other search options than the report's."""
    assert "altered" not in run(run_dir).stdout
    output = run(run_dir, "--robustness", "--beam-size", 3).stdout
    assert "altered" in output and "a typo" in output
    assert {search.beam_size for _, search in translator.calls[-12:]} == {3}
    [folder] = (run_dir / "evaluation").iterdir()
    rows = {row.name: row for row in load_robustness(folder)}
    assert rows["UPPER CASE"].altered == rows["UPPER CASE"].clean
    assert rows["UPPER CASE"].num_texts == rows["a typo"].num_texts > 5


def test_an_ensemble_does_not_write_into_the_run(run_dir, translator, tmp_path):
    """Catches: scores of several models on the card of one."""
    command = typer.Typer()
    command.command()(evaluate)
    result = CliRunner().invoke(command, [str(run_dir), "--ensemble", str(run_dir)])
    assert isinstance(result.exception, UserError)
    assert "--output" in str(result.exception) and not translator.calls
    run(run_dir, "--ensemble", run_dir, "--output", tmp_path / "both")
    assert (tmp_path / "both" / "report.json").exists()
    assert not (run_dir / "evaluation").exists()
