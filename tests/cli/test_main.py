import errno
import logging
import os
import subprocess
import sys

import pytest
import typer

import translator
from translator.cli.main import app
from translator.errors import UserError

COMMANDS = ("train", "translate", "evaluate", "export", "pack", "data")


def program(*arguments: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "translator", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_the_help_names_every_command(command):
    """Catches: a command that is written and not registered."""
    status, output, _ = command("--help")
    assert status == 0
    for name in COMMANDS:
        assert f" {name} " in output
    assert set(typer.main.get_command(app).commands) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of(command, name):
    """Catches: an option whose type the command line cannot show."""
    status, output, errors = command(name, "--help")
    assert (status, errors) == (0, "")
    assert f"translator {name}" in output
    assert "list[" not in output  # names of Python types are for programmers


def test_help_comes_at_once():
    """Catches: TensorFlow, Keras or Gradio imported for it.

    It takes 0.4 s of a processor; with TensorFlow, 3 s.
    """
    code = """
import atexit, sys, time
atexit.register(lambda: print(time.process_time(), *sys.modules, file=sys.stderr))
sys.argv = ["translator", "train", "--help"]
from translator.cli.main import run
run()
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    seconds, *modules = result.stderr.split()
    assert not {"tensorflow", "keras", "gradio", "matplotlib", "numpy"} & set(modules)
    assert float(seconds) < 1


@pytest.mark.parametrize("flag", ["--version", "-h"])
def test_as_a_module(flag):
    """Catches: `python -m translator` that does nothing."""
    output, errors = program(flag).communicate()
    assert errors == ""
    assert (translator.__version__ if flag == "--version" else "train") in output


def test_no_arguments_show_the_help(command):
    status, output, errors = command()
    assert status == 2
    assert "Usage: translator" in output + errors
    assert "evaluate" in output + errors


def test_a_mistake_of_the_user_is_one_line(command):
    """Catches: a traceback, standard output, or a status that says all is well."""
    status, output, errors = command("data", "fetch", "nonsense")
    assert status == 2
    assert output == ""
    assert errors.startswith("error: ") and errors.count("\n") == 1
    assert "nonsense" in errors


def test_a_bug_keeps_its_traceback(monkeypatch):
    """Catches: an `except Exception` that hides where it happened."""

    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(sys, "argv", ["translator", "data", "fetch", "x"])
    monkeypatch.setattr("translator.corpus.registry.find_corpus", fail)
    from translator.cli.main import run

    with pytest.raises(RuntimeError, match="a bug"):
        run()
    assert not issubclass(RuntimeError, UserError)


def test_a_full_disk_is_one_line(monkeypatch, capsys):
    """Catches: a traceback for what is no bug; other errors of the system hidden."""

    def fail(*_):
        raise OSError(number, os.strerror(number), "runs/a/checkpoints/last.npz")

    monkeypatch.setattr(sys, "argv", ["translator", "data", "fetch", "x"])
    monkeypatch.setattr("translator.corpus.registry.find_corpus", fail)
    from translator.cli.main import run

    number = errno.ENOSPC
    with pytest.raises(SystemExit) as caught:
        run()
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "error: cannot use runs/a/checkpoints/last.npz: No space left on device. "
        "Make room and try again; a training goes on with --resume.\n"
    )
    number = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        run()


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("train", "--nonsense"), ("train", "--epochs", "many"), ("pack",)],
    ids=["command", "option", "type", "missing"],
)
def test_wrong_usage(command, arguments):
    status, output, errors = command(*arguments)
    assert (status, output) == (2, "")
    assert "Usage: translator" in errors


def test_verbose_logs(command, monkeypatch):
    """Catches: a switch that does nothing."""
    levels = []
    monkeypatch.setattr(logging, "basicConfig", lambda level, **_: levels.append(level))
    command("data", "fetch", "numbers-en-es")
    command("--verbose", "data", "fetch", "numbers-en-es")
    assert levels == [logging.WARNING, logging.INFO]


def test_a_reader_that_leaves_is_no_error():
    """Catches: "Broken pipe" on the screen after `translator data show ... | head`."""
    process = program("data", "show", "numbers-en-es", "-n", "3000")
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1
