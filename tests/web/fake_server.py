"""Runs serve.py with the fake translator where it would load a trained one."""

import logging
import sys
from pathlib import Path

import typer
from fake_translator import FakeTranslator

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import serve

    logging.getLogger("translator").disabled = True
    serve.load_translator = lambda path: FakeTranslator()
    typer.run(serve.main)
