"""The same answer at every door: the model that ships, on hard lines."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from fastapi.testclient import TestClient
from hard_lines import HARD_LINES

from translator.inference import Translator
from translator.light.export import export_onnx
from translator.loading import load_translator
from translator.serving.app import create_app
from translator.serving.service import Service
from translator.text import printable

ROOT = Path(__file__).parents[1]
# Called en-es, whichever it is.
MODEL = Path(
    os.environ.get("TRANSLATOR_TEST_MODEL", ROOT / "data" / "models" / "en-es")
)
TEXTS = list(HARD_LINES.values())
SIZES = [1, 3, 64]


class Door(NamedTuple):
    """A way from texts to translations.

    Attributes:
        translate: Takes a batch.
        seen: What the door makes of a text before it translates it, by its own rules.
    """

    translate: Callable[[list[str]], list[str]]
    seen: Callable[[str], str] = printable


def one_line(text: str) -> str:
    """What `translator translate` takes: one line of UTF-8."""
    return printable(" ".join(text.splitlines()))


def unix_lines(text: str) -> str:
    """What LibreTranslate's door makes of the line ends of a form."""
    return printable(text.replace("\r\n", "\n"))


def batches(size: int) -> list[list[str]]:
    """All hard lines in batches of a size; the last is filled from the start."""
    count = -(-len(TEXTS) // size)
    texts = TEXTS * (1 + size * count // len(TEXTS))
    return [texts[i * size : (i + 1) * size] for i in range(count)]


def check_door(door: Door, translator, size: int) -> None:
    """Compares answers with Python's to the texts one by one, as far as printable."""
    asked = [door.seen(text) for text in TEXTS]
    expected = {text: translator.translate([text])[0].text for text in asked}
    for batch in batches(size):
        answers = door.translate(batch)
        for text, answer in zip(batch, answers, strict=True):
            assert printable(answer) == printable(expected[door.seen(text)]), repr(text)


def python_door(translator) -> Door:
    return Door(lambda texts: [found.text for found in translator.translate(texts)])


def rest_doors(post: Callable[[str, str], dict], name: str) -> dict[str, Door]:
    """The routes of a server.

    Args:
        post: Takes a route and JSON in ASCII, and returns the answer.
        name: Of the model.
    """

    def libre(texts):
        body = {"q": texts, "source": "en", "target": "es"}
        return post("/translate", json.dumps(body))["translatedText"]

    def tf_serving(texts):
        route, body = f"/v1/models/{name}:predict", {"instances": texts}
        rows = post(route, json.dumps(body))["predictions"]
        return [row["translation"] for row in rows]

    def native(texts):
        found = post("/v1/translate", json.dumps({"text": texts}))["translations"]
        return [translation["text"] for translation in found]

    return {
        "libre": Door(libre, unix_lines),
        "tf_serving": Door(tf_serving),
        "native": Door(native),
    }


@pytest.fixture(scope="module")
def toy_doors(translator):
    service = Service([translator])
    client = TestClient(create_app(service))
    headers = {"Content-Type": "application/json"}

    def post(route, body):
        return client.post(route, content=body, headers=headers).json()

    yield rest_doors(post, translator.name) | {"itself": python_door(translator)}
    service.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["itself", "libre", "tf_serving", "native"])
def test_a_toy_answers_alike(toy_doors, translator, name, size):
    """Catches: an answer that depends on its neighbours; a door that changes texts."""
    check_door(toy_doors[name], translator, size)


def command_line_door(model: Path) -> Door:
    """`translator translate`, started for each batch."""

    def translate(texts):
        result = subprocess.run(
            [sys.executable, "-m", "translator", "translate", str(model)],
            input="".join(f"{one_line(text)}\n" for text in texts).encode(),
            capture_output=True,
            cwd=ROOT,
            timeout=500,
        )
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout.decode().split("\n")[:-1]

    return Door(translate, one_line)


# Programs that know nothing of our package: each line is a batch as JSON.
SAVED_MODEL_PROGRAM = """
import json, sys
sys.modules["translator"] = None  # Whoever imports it gets an ImportError.
import tensorflow as tf
import tensorflow_text
translate = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
for line in sys.stdin:
    outputs = translate(text=tf.constant(json.loads(line)))
    answers = [text.decode() for text in outputs["translation"].numpy()]
    print(json.dumps(answers), flush=True)
"""
PAGE_PROGRAM = """
import json, sys
from gradio_client import Client
client = Client(sys.argv[1], verbose=False)
for line in sys.stdin:
    texts = json.loads(line)
    jobs = [client.submit(text=text, api_name="/translate") for text in texts]
    print(json.dumps([job.result()[0] for job in jobs]), flush=True)
"""


@contextmanager
def program_door(
    program: str, argument: str, cwd: Path, python: str = sys.executable
) -> Iterator[Door]:
    """A process of its own that is asked batch by batch."""
    command = [python, "-c", program, argument]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=cwd, **pipes) as process:

        def translate(texts):
            texts = [printable(text) for text in texts]
            process.stdin.write(json.dumps(texts) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield Door(translate)
        process.stdin.close()


@pytest.fixture(scope="module")
def shipped():
    return Translator.load(MODEL)


@pytest.fixture(scope="module")
def saved_model_dir(shipped, tmp_path_factory):
    export = pytest.importorskip("translator.export")
    pytest.importorskip("tensorflow_text", reason="no tensorflow-text here")
    return export.export_saved_model(shipped, tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def onnx_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "en-es"
    export_onnx(MODEL, path)
    return path


@pytest.fixture(scope="module")
def server():
    """The address of `serve.py` with the model that ships."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "serve.py"), str(MODEL)],
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    yield line.split(" at ")[1].split()[0].rstrip("/")
    process.terminate()
    process.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_the_onnx_folder(shipped, onnx_dir, size):
    """Catches: other arithmetic, such as of padding, in the ONNX graphs; lines lost or
    split by the command at a character that ends lines elsewhere.
    """
    check_door(python_door(load_translator(onnx_dir)), shipped, size)
    if size > 1:  # a process for each batch
        check_door(command_line_door(onnx_dir), shipped, size)


@pytest.mark.slow
def test_the_command_line(shipped):
    """Catches: other search options than Python's, for a run folder."""
    check_door(command_line_door(MODEL), shipped, 64)


@pytest.mark.slow
def test_the_saved_model(shipped, saved_model_dir, tmp_path):
    """Catches: a graph that splits, folds, copies or searches otherwise than Python."""
    with program_door(SAVED_MODEL_PROGRAM, str(saved_model_dir), tmp_path) as door:
        for size in SIZES:
            check_door(door, shipped, size)
    check_door(python_door(load_translator(saved_model_dir)), shipped, 64)


@pytest.mark.slow
def test_the_server(shipped, server):
    """Catches: answers mixed up between requests that were gathered into one batch."""
    headers = {"Content-Type": "application/json"}

    def post(route, body):
        answer = httpx.post(server + route, content=body, headers=headers, timeout=300)
        return answer.json()

    for door in rest_doors(post, "en-es").values():
        for size in SIZES:
            check_door(door, shipped, size)


@pytest.mark.slow
def test_the_page(shipped, server, tmp_path):
    """Catches: text changed by the page; requests of many visitors mixed up."""
    with program_door(PAGE_PROGRAM, server, tmp_path) as door:
        for size in SIZES:
            check_door(door, shipped, size)
