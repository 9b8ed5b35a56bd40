import shlex
import sys
from types import SimpleNamespace

import pytest

from translator.cards import train_command
from translator.config import make_config, parse_config, save_config
from translator.corpus.origins import find_origin
from translator.starting import inherit_options


@pytest.fixture
def training(monkeypatch, no_tensorflow, tmp_path):
    """What the training is called with; it does nothing."""
    calls = []

    def train(settings, run_dir, resume):
        calls.append(SimpleNamespace(**locals()))

    monkeypatch.setitem(
        sys.modules, "translator.training", SimpleNamespace(train=train)
    )
    monkeypatch.chdir(tmp_path)
    return calls


@pytest.fixture
def run_dir(tmp_path):
    """A run folder with options alone."""
    path = tmp_path / "run"
    path.mkdir()
    options = {"corpus": ("numbers-en-es",), "epochs": 3, "dropout": 0.3, "seed": 9}
    save_config(make_config("tiny", options=options), path / "config.json")
    return path


CORPUS = ("--corpus", "numbers-en-es")


def test_options_come_from_preset_then_file_then_command_line(
    command, training, tmp_path
):
    """Catches: another order; a default of the command line that wins."""
    path = tmp_path / "options.toml"
    path.write_text("[training]\nepochs = 4\nseed = 5\n")
    outcome = command(
        "train", *CORPUS, "--preset", "tiny", "--config", path, "--seed", "6"
    )
    assert outcome == (0, "", "")
    [call] = training
    assert call.settings.data.corpus == ("numbers-en-es",)
    assert call.settings.model == make_config("tiny").model
    assert (call.settings.training.epochs, call.settings.training.seed) == (4, 6)
    assert not call.resume


def test_the_run_folder_is_named_after_corpus_and_preset(command, training):
    """Catches: "Preset.tiny" in a name; a file's ending in it."""
    command("train", *CORPUS, "--preset", "tiny")
    command("train", *CORPUS, "--output", "elsewhere/here")
    assert [call.run_dir.as_posix() for call in training] == [
        "runs/numbers-en-es-tiny",
        "elsewhere/here",
    ]


@pytest.mark.parametrize(
    ("preset", "options", "expected"),
    [
        ("tiny", {"corpus": ["numbers-en-es"]}, "--preset tiny --corpus numbers-en-es"),
        (
            "base",
            {"corpus": ["numbers-es-en"], "epochs": 3}
            | {"source_language": "es", "target_language": "en"},
            "--corpus numbers-es-en --epochs 3",
        ),
        (
            "base",
            {"corpus": ["numbers-en-es"], "learning_rate": 0.00123456789}
            | {"source_language": "es", "target_language": "en"},
            "--corpus numbers-en-es --source-language es --target-language en "
            "--learning-rate 0.00123456789",
        ),
        (
            "small",
            {"corpus": ["my pairs.en", "a.es"], "tie_embeddings": False, "r_drop": 3.5}
            | {"source_language": "en", "decay": "constant"},
            "--preset small --corpus 'my pairs.en' --corpus a.es --source-language en "
            "--no-tie-embeddings --decay constant --r-drop 3.5",
        ),
    ],
)
def test_the_command_of_the_card_gives_the_same_options(
    command, training, tmp_path, preset, options, expected
):
    """Catches: options of a preset in the command, or one that is left out; words that
    a shell would cut.
    """
    for name in ("my pairs.en", "a.es"):
        (tmp_path / name).write_text("x\n")
    config = make_config(preset, options=options)
    shown = train_command(config)
    assert shown == f"translator train {expected}"
    assert command(*shlex.split(shown)[1:]) == (0, "", "")
    [call] = training
    assert _with_languages(call.settings) == _with_languages(config)


def test_the_command_tells_what_would_be_taken_from_another_model(
    command, training, tmp_path
):
    """Catches: a default that is left out, where the other model has another value."""
    saved = {"dropout": 0.3, "beam_size": 7, "augmentation": 0.9}
    save_config(make_config(options=saved), tmp_path / "config.json")
    given = {"start_from": str(tmp_path), "corpus": ["numbers-en-es"], "dropout": 0.15}
    config = inherit_options(make_config(options=given | {"augmentation": 0.2}))
    shown = train_command(config)
    assert command(*shlex.split(shown)[1:]) == (0, "", "")
    [call] = training
    assert _with_languages(call.settings) == _with_languages(config)
    assert (config.model.dropout, config.search.beam_size) == (0.15, 7)


def _with_languages(config):
    """The options as training fills them in."""
    languages = find_origin(config.data).info["languages"]
    names = ("source_language", "target_language")
    data = config.data.model_copy(update=dict(zip(names, languages, strict=True)))
    return config.model_copy(update={"data": data})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "no corpus is given"),
        (("--corpus", "nonsense"), "nonsense"),
        ((*CORPUS, "--dropout", "1"), "dropout: "),
        ((*CORPUS, "--num-heads", "7"), "num_heads must divide"),
        ((*CORPUS, "--config", "none.toml"), "none.toml"),
        (("--corpus", __file__), "the languages of test_train.py are not known"),
        (
            ("--corpus", __file__, "--source-language=en", "--target-language=en"),
            "must be two languages. Received: 'en' for both.",
        ),
    ],
    ids=["no_corpus", "unknown_corpus", "bound", "sizes", "file", "languages", "same"],
)
def test_mistakes_are_found_at_once(command, training, tmp_path, arguments, expected):
    """Catches: an error after TensorFlow is loaded and folders are made."""
    status, output, errors = command("train", *arguments)
    assert (status, output) == (2, "")
    assert errors.startswith("error: ") and errors.count("\n") == 1
    assert expected in errors
    assert not training and not list(tmp_path.iterdir())


def test_a_run_is_not_overwritten(command, training, run_dir):
    """Catches: hours of training lost to a command that was repeated."""
    for output in (run_dir, run_dir / "config.json"):
        status, _, errors = command("train", *CORPUS, "--output", output)
        assert status == 2
        assert f"{output} is there already" in errors and "--resume" in errors
    (run_dir / "empty").mkdir()
    assert command("train", *CORPUS, "--output", run_dir / "empty").status == 0
    assert len(training) == 1


def test_a_preset_does_not_change_how_long_a_resumed_run_takes(
    command, training, run_dir
):
    """Catches: --epochs 3 that become the preset's 6, or a dropout that is refused, as
    the preset had to be told."""
    arguments = ("train", "--resume", "--preset", "tiny", "--output", run_dir)
    assert command(*arguments).status == 0
    assert command(*arguments, "--epochs", "9").status == 0
    assert [call.settings.training.epochs for call in training] == [3, 9]


def test_a_resumed_run_keeps_its_options(command, training, run_dir):
    """Catches: defaults in place of what the run was started with."""
    assert command("train", "--resume", "--output", run_dir) == (0, "", "")
    [call] = training
    saved = make_config(
        "tiny",
        options={"corpus": ("numbers-en-es",), "epochs": 3, "dropout": 0.3, "seed": 9},
    )
    assert parse_config(call.settings.model_dump()) == saved
    assert (call.resume, call.run_dir) == (True, run_dir)


def test_a_resumed_run_may_go_on_for_longer(command, training, run_dir):
    """Catches: `--epochs 30 --resume` that stops at once."""
    command(
        *("train", "--resume", "--output", run_dir, *CORPUS, "--seed", "9"),
        *("--epochs", "30", "--max-minutes", "5"),
    )
    [call] = training
    assert call.settings.training.epochs == 30
    assert call.settings.training.max_minutes == 5
    assert call.settings.model.dropout == 0.3


def test_a_resumed_run_keeps_the_precision_that_was_chosen(command, training, run_dir):
    """Catches: `auto`, in a file of options, that is not what it became."""
    arguments = ("--output", run_dir, "--mixed-precision", "auto")
    assert command("train", "--resume", *arguments).status == 0
    [call] = training
    assert call.settings.training.mixed_precision == "none"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--dropout", "0.1"), "dropout is 0.3 in {}. Received: 0.1."),
        (("--config", "options.toml"), "dropout is 0.3 in {}. Received: 0.4."),
        (("--start-from", "auto"), "start_from is '' in {}. Received: 'auto'."),
        (("--corpus", "dates-en-es"), "corpus is ('numbers-en-es',) in {}."),
    ],
    ids=["command_line", "file", "name", "corpus"],
)
def test_a_resumed_run_refuses_other_options(
    command, training, run_dir, tmp_path, arguments, expected
):
    """Catches: options that are dropped in silence, or mix two runs."""
    (tmp_path / "options.toml").write_text("[model]\ndropout = 0.4\n")
    status, _, errors = command("train", "--resume", "--output", run_dir, *arguments)
    assert status == 2 and not training
    assert expected.format(run_dir) in errors


def test_resuming_nothing(command, training, tmp_path):
    status, _, errors = command("train", "--resume", "--output", tmp_path / "none")
    assert status == 2 and not training
    assert errors == f"error: there is no folder {tmp_path / 'none'}.\n"
