"""What the Dockerfile and compose.yaml promise, as far as files can tell."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from translator.serving.app import create_app
from translator.serving.service import Service

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def arguments_of(steps, instruction: str) -> list[str]:
    return [rest for name, rest in steps if name == instruction]


def test_all_that_is_copied_is_there(steps):
    """Catches: a file that was moved, or that .dockerignore keeps away."""
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignore
    kept = {line[1:] for line in ignore if line.startswith("!")}
    copied = {
        source
        for rest in arguments_of(steps, "COPY")
        for source in shlex.split(rest)[:-1]
    }
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)


def test_it_runs_without_rights(steps):
    """Catches: a server that runs as root; a model that only root may write late."""
    [user] = arguments_of(steps, "USER")
    assert user not in ("0", "root")
    assert f"--uid {user} " in " ".join(arguments_of(steps, "RUN"))
    names = [name for name, _ in steps]
    assert "RUN" not in names[names.index("USER") :]


def test_it_has_what_serving_needs(steps):
    """Catches: a package of the project that is served without, or TensorFlow."""
    [rest] = [rest for rest in arguments_of(steps, "RUN") if "requires(" in rest]
    pattern = r'python -c "(.*)"\s+> (\S+) && pip install --no-cache-dir -r (\S+)'
    code, *places = re.search(pattern, rest, re.DOTALL).groups()
    assert places == ["requirements.txt"] * 2
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    names = {re.match(r"[\w-]+", line)[0] for line in result.stdout.splitlines()}
    imported = {
        "onnx",
        "onnxruntime", "gradio", "fastapi", "uvicorn", "sentencepiece", "typer",
        "prometheus-client", "py3langid", "babel", "numpy", "pydantic",
    }  # fmt: skip
    assert imported <= names
    assert not names & {"tensorflow", "tensorflow-text", "keras"}


def test_a_model_is_served_without_tensorflow(run_dir):
    """Catches: an import that the image does not have."""
    missing = ("tensorflow", "keras", "matplotlib", "sacrebleu", "sacremoses")
    program = f"""
import sys
sys.modules |= dict.fromkeys({missing})  # whoever imports one gets an ImportError
from translator.loading import load_translator
from translator.serving.app import create_app
from translator.serving.service import Service, WaitingTranslator
from translator.web import ui
service = Service([load_translator({str(run_dir)!r})])
waiting = [WaitingTranslator(service, model) for model in service.models]
app = create_app(service)
ui.warm_up(waiting, app.state.detector)
ui.mount_page(app, ui.build_app(waiting, app.state.detector))
service.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


def test_the_server_starts_with_the_models_that_were_made(steps):
    """Catches: an option that is gone; another folder or port than was exposed."""
    import serve

    [command] = arguments_of(steps, "ENTRYPOINT")
    program, script, *options = json.loads(command)
    assert (program, script) == ("python", "serve.py")
    assert "data/models models" in arguments_of(steps, "COPY")
    app = typer.Typer()
    app.command()(serve.main)
    asked = dict(zip(options[::2], options[1::2], strict=True))
    assert asked == {"--models": "models", "--host": "0.0.0.0", "--port": "7860"}
    assert arguments_of(steps, "EXPOSE") == [asked["--port"]]
    answer = CliRunner().invoke(app, [str(ROOT / "none"), *options])
    assert "there is no model" in answer.output  # so all options are known


def test_its_health_is_asked_where_it_answers(steps):
    """Catches: a check of another port or route, or one that does not run."""
    [rest] = arguments_of(steps, "HEALTHCHECK")
    program, option, code = json.loads(rest[rest.index("[") :])
    assert (program, option) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    [(port, route)] = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", code)
    assert [port] == arguments_of(steps, "EXPOSE")
    assert TestClient(create_app(Service([]))).get(route).status_code == 200


def test_compose(steps):
    """Catches: a port that is open to all, or that nothing listens to; an export that
    is not mounted where TensorFlow Serving looks.
    """
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    [port] = services["translator"]["ports"]
    assert port.rpartition(":")[2] in arguments_of(steps, "EXPOSE")
    serving = services["tensorflow-serving"]
    name = serving["environment"]["MODEL_NAME"]
    assert serving["volumes"] == [f"./exports/{name}:/models/{name}:ro"]
    assert (ROOT / "data" / "models" / name).is_dir()
