"""The SavedModel in a server of others: Triton, in an environment of its own."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from test_parity import MODEL, SIZES, Door, check_door, program_door

from translator.inference import Translator
from translator.text import printable

PYTHON = os.environ.get("TRANSLATOR_TRITON_PYTHON", "")
pytestmark = [
    pytest.mark.triton,
    pytest.mark.skipif(
        not PYTHON,
        reason="TRANSLATOR_TRITON_PYTHON names no Python with Triton; docs/serving.md "
        "says how to make one",
    ),
]
FILES = Path(__file__).parents[1] / "docs" / "triton"
PLACES = """
import json, sys, sysconfig
print(json.dumps({
    "packages": sysconfig.get_path("purelib"),
    "libraries": sysconfig.get_config_var("LIBDIR"),
    "prefix": sys.base_prefix,
    "version": "%d.%d" % sys.version_info[:2],
}))
"""
GRPC_PROGRAM = """
import json, sys
import numpy as np
from tritonclient.grpc import InferInput, InferenceServerClient
client = InferenceServerClient(sys.argv[1])
for line in sys.stdin:
    texts = np.array([[text.encode()] for text in json.loads(line)], object)
    request = InferInput("text", list(texts.shape), "BYTES")
    request.set_data_from_numpy(texts)
    answers = client.infer("en-es", [request]).as_numpy("translation")[:, 0]
    print(json.dumps([text.decode() for text in answers]), flush=True)
"""


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


@pytest.fixture(scope="module")
def shipped():
    return Translator.load(MODEL)


@pytest.fixture(scope="module")
def addresses(shipped, tmp_path_factory):
    """Where Triton answers by HTTP and by gRPC."""
    from translator.export import export_saved_model

    root = tmp_path_factory.mktemp("triton")
    model_dir = root / "models" / "en-es"
    (model_dir / "1").mkdir(parents=True)
    shutil.copy(FILES / "model.py", model_dir / "1")
    path = export_saved_model(shipped, root / "exports")
    config = (FILES / "config.pbtxt").read_text().replace("/exports/en-es/1", str(path))
    (model_dir / "config.pbtxt").write_text(config)
    command = [PYTHON, "-c", PLACES]
    places = json.loads(subprocess.check_output(command, text=True))
    triton = Path(places["packages"]) / "pytriton" / "tritonserver"
    shutil.copytree(triton / "backends", root / "backends")
    stub = f"python_backend_stubs/{places['version']}/triton_python_backend_stub"
    shutil.copy(triton / stub, root / "backends" / "python")
    http, grpc = free_ports(2)
    options = {
        "model-repository": root / "models",
        "backend-directory": root / "backends",
        "http-address": "127.0.0.1",
        "http-port": http,
        "grpc-address": "127.0.0.1",
        "grpc-port": grpc,
        "allow-metrics": "false",
    }
    libraries = f"{places['packages']}/nvidia_pytriton.libs:{places['libraries']}"
    own = {
        "LD_LIBRARY_PATH": libraries,
        "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}",
        "PYTHONHOME": places["prefix"],
        "PYTHONPATH": places["packages"],
    }
    with (root / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [
                triton / "bin" / "tritonserver",
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            env=os.environ | own,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_ready(f"http://127.0.0.1:{http}/v2/health/ready", process)
        yield f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}"
    finally:
        process.terminate()
        process.wait(60)


def wait_until_ready(url: str, process: subprocess.Popen) -> None:
    for _ in range(600):
        assert process.poll() is None, "Triton stopped; see log.txt"
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError("Triton was not ready in five minutes")


@pytest.mark.parametrize("size", SIZES)
def test_http(shipped, addresses, size):
    """Catches: a graph that only our TensorFlow runs; a batch size that is fixed."""

    def translate(texts):
        data = [printable(text) for text in texts]
        shape = [len(texts), 1]
        tensor = {"name": "text", "shape": shape, "datatype": "BYTES", "data": data}
        url = f"{addresses[0]}/v2/models/en-es/infer"
        answer = httpx.post(url, json={"inputs": [tensor]}, timeout=300).json()
        [translation] = [o for o in answer["outputs"] if o["name"] == "translation"]
        return translation["data"]

    check_door(Door(translate), shipped, size)


def test_grpc(shipped, addresses, tmp_path):
    """Catches: text that is cut or changed on the way."""
    with program_door(GRPC_PROGRAM, addresses[1], tmp_path, PYTHON) as door:
        for size in SIZES:
            check_door(door, shipped, size)
