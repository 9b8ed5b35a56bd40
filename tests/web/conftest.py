import subprocess
import sys
from pathlib import Path

import pytest
from fake_server import start_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def server(request, tmp_path_factory):
    """Address of the page, in a process of its own: over two fake translators, or, as
    the parameter `shipped`, over the Spanish model that ships."""
    if getattr(request, "param", "fake") == "shipped":
        process = subprocess.Popen(
            [sys.executable, "serve.py", "data/models/en-es"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
    else:
        back = tmp_path_factory.mktemp("models") / "back"
        back.mkdir()
        process = start_server(back)
    line = process.stdout.readline()
    yield line.split(" at ")[1].split()[0]
    process.terminate()
    process.communicate(timeout=60)
