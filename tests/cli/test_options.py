"""Every option of the configuration is an option of the command line."""

import annotated_types
import pytest
import typer
from typer.testing import CliRunner

from translator.cli.options import config_options
from translator.config import Config, option_fields

FIELDS = option_fields()
received = []


@config_options(*Config.model_fields)
def show(options, twice: bool = False):
    """Does this."""
    received.append(options)


# Rendered as the real one is: with other markup, what is in brackets vanishes.
app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False)
app.command()(show)


def parse(*arguments: str) -> dict:
    """Returns the options that reach the command."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return received.pop()


@pytest.fixture(scope="module")
def help_lines():
    """Name -> the line of its help."""
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "400"})
    lines = (line.split() for line in result.output.splitlines() if "│ --" in line)
    return {
        words[1].removeprefix("--").replace("-", "_"): " ".join(words)
        for words in lines
    }


@pytest.mark.parametrize("name", FIELDS)
def test_help_of_each_option(help_lines, name):
    """Catches: a field without its option; a default or a bound that is not said."""
    _, field = FIELDS[name]
    line = help_lines[name]
    assert field.description.replace("`", "") in line
    if isinstance(field.default, bool):
        assert f"[default: {'on' if field.default else 'off'}]" in line
        assert f"--no-{name.replace('_', '-')}" in line
    elif field.default not in ((), ""):
        assert f"[default: {field.default}]" in line
    for bound in field.metadata:
        if isinstance(bound, annotated_types.Ge):
            assert f">= {bound.ge}" in line
        if isinstance(bound, annotated_types.Lt):
            assert f"< {bound.lt}" in line


@pytest.mark.parametrize("name", ["translate", "evaluate"])
def test_help_for_a_run_names_no_defaults(command, name):
    """Catches: a default of the program where that of the run is used."""
    help_text = command(name, "--help").output
    assert "Search options (default: the run's)" in help_text
    [line] = [line for line in help_text.splitlines() if "--beam-size " in line]
    assert "default" not in line and ">= 1" in line


def test_help_of_a_choice(help_lines):
    assert "[one of: muon, adam, adamw]" in help_lines["optimizer"]


def test_nothing_typed_is_nothing_given():
    """Catches: defaults of the command line that override a preset or a file."""
    assert parse() == {}


def test_typed_options_have_their_types():
    """Catches: strings for numbers; zero, off and empty values taken for absent."""
    options = parse(
        *("--epochs", "3", "--max-minutes", "0", "--patience", "0"),
        *("--length-penalty", "0.5", "--attention", "dot", "--source-language", ""),
        "--no-tie-embeddings",
        "--layer-normalization",
    )
    assert options == {
        "epochs": 3,
        "max_minutes": 0.0,
        "patience": 0,
        "length_penalty": 0.5,
        "attention": "dot",
        "source_language": "",
        "tie_embeddings": False,
        "layer_normalization": True,
    }
    assert isinstance(options["max_minutes"], float)


def test_a_repeated_option():
    """Catches: the last of two files alone."""
    options = parse("--corpus", "a.en", "--corpus", "a.es", "--dev-corpus", "b.tsv")
    assert options == {"corpus": ["a.en", "a.es"], "dev_corpus": ["b.tsv"]}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--attention", "sharp"),
        ("--epochs", "many"),
        ("--epochs", "1.5"),
        ("--dropout", "a"),
        ("--epochs",),
        ("--layer-normalization", "yes"),
        ("--embedding_dim", "3"),
    ],
    ids=["choice", "int", "float", "number", "none", "switch", "spelling"],
)
def test_wrong_values(arguments):
    """Catches: a value that gets through to the command."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert not received


def test_the_command_keeps_its_own():
    """Catches: a decorator that hides the docstring or the other parameters."""
    assert show.__doc__ == "Does this."
    assert parse("--twice", "--seed", "7") == {"seed": 7}
