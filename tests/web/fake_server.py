"""Runs serve.py with the fake translator where it would load a trained one."""

import logging
import subprocess
import sys
from pathlib import Path

import typer
from fake_translator import FakeTranslator


def start_server(*arguments):
    """Starts serve.py over the fake translator, for which any folder will do."""
    return subprocess.Popen(
        [sys.executable, __file__, str(Path(__file__).parent), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def load_fake(path):
    """A model of any folder; in one called `back` it is of the other direction."""
    return (
        FakeTranslator("es", "en", "back") if path.name == "back" else FakeTranslator()
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import serve

    logging.getLogger("translator").disabled = True
    serve.load_translator = load_fake
    typer.run(serve.main)
