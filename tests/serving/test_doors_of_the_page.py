"""What Gradio lets anybody do where serve.py mounts the page, in a real process."""

from pathlib import Path

import httpx
import pytest
from echo_server import start_server
from fastapi import FastAPI
from fastapi.testclient import TestClient

from translator.web.doors import UploadLimit


@pytest.fixture(scope="module")
def client():
    process, address = start_server()
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client
    process.terminate()
    process.communicate(timeout=60)


def upload(client, size):
    return client.post("/gradio_api/upload", files={"files": ("a.html", size * b"x")})


def test_other_sites_are_let_in_nowhere(client):
    """Catches: Gradio's own rule, which lets each site ask, with the cookies of whoever
    visits it."""
    headers = {"Origin": "https://evil.example", "Host": "translate.example.org"}
    asked = {"Access-Control-Request-Method": "POST"} | headers
    for path in ("/gradio_api/info", "/gradio_api/call/translate", "/translate"):
        for answer in (
            client.get(path, headers=headers),
            client.post(path, headers=headers, json={}),
            client.options(path, headers=asked),
        ):
            assert "access-control-allow-origin" not in answer.headers
            assert "access-control-allow-credentials" not in answer.headers


def test_methods_that_a_door_does_not_have(client):
    """Catches: 404 for what is there, as the page stands behind all doors; probes that
    ask by HEAD."""
    for path in ("/health", "/ready", "/languages", "/docs", "/v1/models/en-es", "/"):
        assert client.head(path).status_code == 200, path
    assert client.head("/download_file/x").status_code == 404
    assert not client.head("/languages").content
    for method, path, allowed in (
        ("GET", "/translate", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("DELETE", "/detect", "POST"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert answer.json()["error"].endswith(f"Use {allowed}.")


def test_what_is_not_there_is_told_as_any_mistake(client):
    """Catches: errors in the form of the page, which stands behind all doors."""
    for path in ("/suggest", "/translate/", "/v1/nope"):
        answer = client.post(path, json={})
        assert answer.status_code == 404
        assert answer.json() == {"error": f"there is nothing at {path}. See /docs."}


def test_what_strangers_send_is_a_line_in_the_log():
    """Catches: hundreds of lines of a traceback for an unknown session or function."""
    process, address = start_server()
    with httpx.Client(base_url=address, timeout=60) as client:
        client.post("/gradio_api/call/nope", json={"data": []})
        client.post(
            "/gradio_api/queue/join",
            json={"data": ["secret"], "fn_index": 999, "session_hash": "x"},
        )
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors and "secret" not in errors
    assert len(errors.splitlines()) <= 2


def test_uploads_are_small_and_go_with_the_process():
    """Catches: a large file; a page of a stranger's that is shown as if it were ours;
    files that stay for ever, where all programs of the machine have theirs.
    """
    process, address = start_server()
    with httpx.Client(base_url=address, timeout=60) as client:
        assert upload(client, 1_100_000).status_code == 413
        [path] = upload(client, 1_000).json()
        answer = client.get(f"/gradio_api/file={path}")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert Path(path).exists()
    process.terminate()
    process.communicate(timeout=60)
    assert not Path(path).exists()


def test_a_full_folder_takes_nothing_more(tmp_path):
    """Catches: tiny files that are not counted; a second door to the same folder; a
    door that stays shut.
    """
    app = FastAPI()
    app.add_api_route("/{path:path}", lambda: "done", methods=["GET", "POST"])
    app.add_middleware(UploadLimit, str(tmp_path), 10_000)
    client = TestClient(app)
    assert upload(client, 1).status_code == 200
    for name in "abc":
        (tmp_path / name).write_text("x", "utf-8")
    for answer in (upload(client, 1), client.get("/gradio_api/deep_link/")):
        assert answer.status_code == 503 and "retry-after" in answer.headers
        assert answer.json()["error"].startswith("the server holds as many files")
    assert client.get("/gradio_api/info").status_code == 200
    (tmp_path / "a").unlink()
    assert upload(client, 1).status_code == 200


def test_files_of_the_server_stay_on_it(client):
    for path in ("/etc/passwd", "serve.py", "data/models/en-es/config.json", "../a"):
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)
    assert client.get("/gradio_api/proxy=http://127.0.0.1:1/").status_code == 400


def test_nobody_passes_by_the_queue(client):
    """Catches: /run and /api, which would need no place in it."""
    body = {"data": ["Hello"]}
    assert client.post("/gradio_api/call/v2/translate", json={"text": "a"}).is_success
    for door in ("run", "api"):
        answer = client.post(f"/gradio_api/{door}/translate", json=body)
        assert answer.status_code == 404 and "join the queue" in answer.text


def test_the_queue_is_bounded(client):
    """Catches: a page that queues without end."""
    path, body = "/gradio_api/call/v2/translate", {"text": "A slow one."}
    answers = [client.post(path, json=body) for _ in range(100)]
    statuses = [answer.status_code for answer in answers]
    assert 64 <= statuses.count(200) < 100 and {*statuses} == {200, 503}
    assert "full" in answers[-1].text
