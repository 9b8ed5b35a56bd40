import pytest
from fake_server import start_server


@pytest.fixture(scope="session")
def server():
    """Address of the page over the fake translator, in a process of its own."""
    process = start_server()
    line = process.stdout.readline()
    yield line.split(" at ")[1].split()[0]
    process.terminate()
    process.communicate(timeout=60)
