import subprocess
import sys
from pathlib import Path

import pytest


def start_server(*arguments):
    """Starts serve.py over the fake translator, for which any folder will do."""
    script = Path(__file__).with_name("fake_server.py")
    return subprocess.Popen(
        [sys.executable, str(script), str(script.parent), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session")
def server():
    """Address of the page over the fake translator, in a process of its own."""
    process = start_server()
    line = process.stdout.readline()
    yield line.split(" at ")[1].split()[0]
    process.terminate()
    process.communicate(timeout=60)
