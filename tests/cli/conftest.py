"""Running commands in this process, as the entry point of the package does."""

import io
import sys
from typing import NamedTuple

import pytest

from translator.cli.main import run


class FakeInput(io.TextIOWrapper):
    """Standard input that holds some bytes."""

    is_terminal = False

    def isatty(self):
        return self.is_terminal


class Outcome(NamedTuple):
    status: int
    output: str
    errors: str


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs `translator` with arguments, and bytes on its standard input."""

    def call(*arguments, stdin: bytes = b"", is_terminal=False) -> Outcome:
        fake_input = FakeInput(io.BytesIO(stdin))
        fake_input.is_terminal = is_terminal
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["translator", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", fake_input)
        with pytest.raises(SystemExit) as caught:
            run()
        return Outcome(caught.value.code or 0, *capsys.readouterr())

    return call


@pytest.fixture
def no_tensorflow(monkeypatch):
    """For commands whose heavy part is replaced."""
    monkeypatch.setattr("translator.startup.import_tensorflow", lambda: None)
