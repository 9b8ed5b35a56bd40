"""Runs serve.py over an `Echo` where it would load a trained model."""

import logging
import subprocess
import sys
import time
from pathlib import Path


def start_server(*arguments):
    """Starts it, for any folder; returns the process and its address."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(Path(__file__).parent), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    if " at " not in line:
        raise RuntimeError(process.communicate(timeout=60)[1])
    return process, line.split(" at ")[1].split()[0]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import typer
    from echo import Echo

    import serve

    class Slow(Echo):
        """Takes two seconds for sentences that say so."""

        def search_sentences(self, sentences, *arguments, **options):
            if any("slow" in sentence for sentence in sentences):
                time.sleep(2)
            return super().search_sentences(sentences, *arguments, **options)

    logging.getLogger("translator").disabled = True
    serve.load_translator = lambda path: Slow()
    typer.run(serve.main)
