import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fake_server import start_server

SERVE = Path(__file__).parents[2] / "serve.py"


# As a user has it: TensorFlow's log level is not set.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}


def run_serve(*arguments, **variables):
    return subprocess.run(
        [sys.executable, str(SERVE), *map(str, arguments)],
        env=ENVIRONMENT | variables,
        capture_output=True,
        text=True,
        timeout=600,  # TensorFlow takes its time on a busy machine
    )


def heartbeat(line):
    """The stream that an open page holds."""
    return f"{line.split(' at ')[1].split()[0]}gradio_api/heartbeat/session"


@pytest.fixture
def busy_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_missing_model_is_one_line_that_says_what_to_do(tmp_path):
    """Mistake: a traceback, or loading frameworks before looking."""
    result = run_serve(tmp_path / "no")
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith(f"error: there is no model in {tmp_path / 'no'}.")
    assert "translator train" in line
    assert result.stdout == ""


def test_a_blank_key_is_one_line(tmp_path):
    """Catches: a server that says that keys are needed, and lets everybody in."""
    result = run_serve("--api-key", " ")
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("error: a key of the API must not be blank. Received: ' '")


@pytest.mark.parametrize("value", ["", "  "])
def test_a_variable_without_a_key_is_one_line(value):
    """Catches: an API that is open to all, as the variable with its key was not set."""
    result = run_serve(TRANSLATOR_API_KEYS=value)
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("error: TRANSLATOR_API_KEYS is set, but holds no key.")


def test_a_path_of_a_proxy_begins_with_a_slash():
    """Catches: addresses such as http://example.orgtranslate/."""
    result = run_serve("--root-path", "translate")
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("error: --root-path must begin with / or be an address.")


def test_a_folder_without_a_model_is_one_line(tmp_path):
    """Mistake: the log of a framework around the one line."""
    result = run_serve(tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {tmp_path} is not a run folder")
    assert result.stderr.count("\n") == 1


def test_a_folder_of_no_models_is_one_line(tmp_path):
    """Mistake: a server without a model."""
    result = run_serve("--models", tmp_path)
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith(f"error: there is no model in the folders of {tmp_path}.")


def test_every_model_of_a_folder_is_found(run_dir, tmp_path):
    """Mistake: a folder that is none taken for a model; a model that is left out."""
    from serve import find_models

    for name in ("b", "a"):
        shutil.copytree(run_dir, tmp_path / name)
    (tmp_path / "export" / "3").mkdir(parents=True)
    (tmp_path / "export" / "3" / "saved_model.pb").touch()
    (tmp_path / "notes").mkdir()
    (tmp_path / "file.txt").touch()
    shutil.copytree(run_dir, tmp_path / ".part")
    found = find_models([run_dir], [tmp_path])
    assert found == [run_dir, tmp_path / "a", tmp_path / "b", tmp_path / "export"]
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert find_models([tmp_path / "link"], [tmp_path]) == [
        tmp_path / "link",
        tmp_path / "b",
        tmp_path / "export",
    ]
    shipped = find_models([], [])
    assert [path.name for path in shipped] == ["en-de", "en-es", "en-fr"]


def test_models_of_one_name_are_told_apart():
    """Mistake: a model that another one hides; two that are called the same."""
    from serve import name_apart

    models = [SimpleNamespace(name=name) for name in ("a", "a", "a", "b", "a")]
    folders = [Path(name) for name in ("x/a", "y/a-onnx", "y/a", "z/b", "z/b")]
    name_apart(models, folders)
    assert [model.name for model in models] == ["a", "a-onnx", "a-2", "b", "b-2"]


def test_a_port_in_use_is_one_line(tmp_path, busy_port):
    """Mistake: another port than the one asked for."""
    result = run_serve(tmp_path, "--port", busy_port)
    assert result.returncode == 2
    assert result.stderr == (
        f"error: port {busy_port} is in use. Choose another with --port.\n"
    )


def test_a_host_that_is_not_ours_is_one_line(tmp_path):
    """Mistake: waiting for a server that cannot start."""
    result = run_serve(tmp_path, "--host", "192.0.2.1")
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("error: cannot listen on 192.0.2.1")


def test_connections_do_not_wait_for_acknowledgements(monkeypatch):
    """Mistake: 40 ms more for each answer, whose header and body are two packets."""
    monkeypatch.syspath_prepend(SERVE.parent)
    from serve import listen

    with listen("127.0.0.1", None) as listener:
        client = socket.create_connection(listener.getsockname())
        connection, _ = listener.accept()
        with client, connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_with_the_address_and_a_clean_end(number):
    """Mistake: a log line more, or a traceback of KeyboardInterrupt."""
    process = start_server()
    line = process.stdout.readline()
    assert line.startswith("English to Spanish at http://127.0.0.1:")
    with httpx.stream("GET", heartbeat(line), timeout=60) as stream:
        next(stream.iter_raw())  # a page is open
        process.send_signal(number)
        process.wait(timeout=60)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "", "")


def test_the_api_alone():
    """Mistake: a page for everybody, where the API needs a key."""
    process = start_server("--no-page")
    address = process.stdout.readline().split(" at ")[1].split()[0]
    answers = [
        httpx.get(f"{address}{path}") for path in ("ready", "", "gradio_api/info")
    ]
    process.terminate()
    output, errors = process.communicate(timeout=60)
    assert [answer.status_code for answer in answers] == [200, 404, 404]
    assert "error" in answers[1].json()
    assert (process.returncode, output, errors) == (0, "", "")


def test_the_next_port_when_none_was_asked_for(server):
    """Mistake: giving up when somebody else has the usual port."""
    process = start_server()
    line = process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)
    assert line.startswith("English to Spanish at http://127.0.0.1:")
    assert server not in line


def test_a_run_folder_is_loaded_and_answers(run_dir):
    """Mistake: a log line of TensorFlow, or a model that is loaded and not served."""
    process = subprocess.Popen(
        [sys.executable, str(SERVE), str(run_dir)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    address = f"{line.split(' at ')[1].split()[0]}gradio_api/call/translate"
    reply = httpx.post(address, json={"data": ["Where is it?", 2, 2]}, timeout=60)
    stream = httpx.get(f"{address}/{reply.json()['event_id']}", timeout=60).text
    process.terminate()
    output, errors = process.communicate(timeout=120)
    assert "event: complete" in stream
    assert '"source": "Where is it?"' in stream
    assert (process.returncode, output, errors) == (0, "", "")
