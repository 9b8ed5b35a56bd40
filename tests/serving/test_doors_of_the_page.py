"""What Gradio lets anybody do where serve.py mounts the page, in a real process."""

import json
import os
from pathlib import Path

import httpx
import pytest
from echo_server import start_server
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serve import known_hosts
from translator.web.doors import KnownDoors, UploadLimit, own_upload_folder


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
    """Catches: tiny files that are not counted; a door that stays shut."""
    app = FastAPI()
    app.add_api_route("/{path:path}", lambda: "done", methods=["GET", "POST"])
    app.add_middleware(UploadLimit, str(tmp_path), 10_000)
    client = TestClient(app)
    assert upload(client, 1).status_code == 200
    for name in "abc":
        (tmp_path / name).write_text("x", "utf-8")
    answer = upload(client, 1)
    assert answer.status_code == 503 and "retry-after" in answer.headers
    assert answer.json()["error"].startswith("the server holds as many files")
    assert client.get("/gradio_api/info").status_code == 200
    (tmp_path / "a").unlink()
    assert upload(client, 1).status_code == 200


def test_files_go_after_an_hour(tmp_path):
    """Catches: files and folders that Gradio does not know of, which stay and count;
    files of others that are removed."""
    own, other = tmp_path / "translator-x", tmp_path / "theirs"
    for folder in (own, other):
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "old.txt").write_text("x", "utf-8")
        (folder / "new.txt").write_text("x", "utf-8")
        for path in (folder / "a" / "old.txt", folder / "a"):
            os.utime(path, (1, 1))
        app = FastAPI()
        app.add_middleware(UploadLimit, str(folder))
        TestClient(app).get("/health")
    assert [path.name for path in own.rglob("*")] == ["new.txt"]
    assert (other / "a" / "old.txt").exists()


def test_a_folder_for_uploads_of_our_own(tmp_path, monkeypatch):
    """Catches: a user's folder in which files are removed."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "made"))
    with own_upload_folder():
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        assert folder.parent == tmp_path / "made" and folder.is_dir()
    assert not folder.exists() and (tmp_path / "made").is_dir()


@pytest.mark.parametrize("prefix", ["/translate", "/a/b"])
def test_doors_have_no_second_way(prefix):
    """Catches: a path that Gradio shortens, and reads as one of its own doors."""
    app = FastAPI()
    app.add_api_route("/{path:path}", lambda: "done", methods=["GET", "POST"])
    app.add_middleware(KnownDoors, prefix)
    client = TestClient(app)
    for path in ("/gradio_api/deep_link", "/monitoring/summary", "/gradio_api/upload"):
        assert client.get(f"{prefix}{path}").status_code == 404, path
    for path in ("/gradio_api/upload", "/translate", "/", "/config"):
        assert client.post(path).status_code == 200, path


def test_files_of_the_server_stay_on_it(client):
    for path in (
        "/etc/passwd",
        "/serve.py",
        "serve.py",
        "data/models/en-es/config.json",
        "../a",
    ):
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)


def call(client, number, data):
    """Calls a function of the page as its script does; returns what came of it."""
    body = {"fn_index": number, "session_hash": "abc", "data": data}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data?session_hash=abc") as lines:
        for line in lines.iter_lines():
            event = json.loads(line.removeprefix("data:") or "{}")
            if event.get("msg") == "process_completed":
                return event


def test_a_file_is_one_that_was_uploaded(client, tmp_path):
    """Catches: a path of the server, or another server's address, taken for an upload:
    its content would be translated, and lie where files are handed out."""
    functions = client.get("/config").json()["dependencies"]
    [number] = [own["id"] for own in functions if own["api_name"] == "translate_file"]
    title = client.get("/config").json()["components"]
    [title] = [
        own["props"]["value"] for own in title if own["props"].get("elem_id") == "model"
    ]
    secret = tmp_path / "secret.txt"
    secret.write_text("The key is under the mat.", "utf-8")
    meta = {"_type": "gradio.FileData"}
    address = f"{client.base_url}/health"
    [path] = upload_text(client, "We sing.\n").json()
    folder = str(Path(path).parent)  # to remove it would stop the removing of files
    for other in (str(secret), "/proc/self/environ", address, folder):
        found = call(client, number, [title, {"path": other, "meta": meta}, ""])
        assert not found["success"], other
    long = call(client, number, ["x" * 70_000 + "😀", None, ""])["output"]["error"]
    assert long.startswith("That is too long: about 70,0")
    many = call(client, number, [[1] * 70_000, None, ""])["output"]["error"]
    assert many.startswith("That is too long: about 70,0")
    unknown = call(client, number, ["x" * 50_000, None, ""])["output"]["error"]
    assert len(unknown) < 500
    found = call(client, number, [title, {"path": path, "meta": meta}, ""])
    assert found["success"], found


def upload_text(client, text):
    return client.post("/gradio_api/upload", files={"files": ("a.txt", text.encode())})


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/file=https:/example.org",
        "/gradio_api/file=//example.org",
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/gradio_api/deep_link",
        "/gradio_api/process_recording",
        "/gradio_api/dev/reload",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/gradio_api/vibe-code",
        "/monitoring/summary",
    ],
)
def test_doors_that_the_page_does_not_use_are_shut(client, path):
    """Catches: a server that fetches what a stranger names, or keeps what he sends."""
    for method in ("GET", "POST", "HEAD"):
        assert client.request(method, path, timeout=9).status_code == 404, method


def test_another_name_than_our_own_is_refused(client):
    """Catches: a page from elsewhere whose name was led to this machine."""
    for path in ("/health", "/v1/models", "/", "/gradio_api/info"):
        answer = client.get(path, headers={"Host": "evil.example:7860"})
        assert answer.status_code == 421
        assert "--allowed-host" in answer.json()["error"]
    port = client.base_url.port
    names = ("localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost.")
    for name in (*names, "[0:0:0:0:0:0:0:1]"):
        answer = client.get("/health", headers={"Host": f"{name}:{port}"})
        assert answer.status_code == 200, name


@pytest.mark.parametrize(
    ("host", "root_path", "others", "expected"),
    [
        ("0.0.0.0", "", [], None),
        ("0.0.0.0", "", ["a.example"], {"0.0.0.0", "a.example"}),
        ("127.0.0.1", "", [], set()),
        ("127.0.0.1", "/a", ["b.example"], {"b.example"}),
        ("::1", "https://c.example/a", [], {"c.example"}),
    ],
)
def test_names_of_a_server(host, root_path, others, expected):
    """Catches: a server for all that is asked for by its own name alone; a proxy's
    name refused."""
    names = {*known_hosts(host, root_path, others)}
    local = {"localhost", "127.0.0.1", "::1"}
    assert names == (set() if expected is None else local | expected)


def test_nobody_passes_by_the_queue(client):
    """Catches: /run and /api, which would need no place in it."""
    body = {"data": ["Hello"]}
    assert client.post("/gradio_api/call/v2/translate", json={"text": "a"}).is_success
    functions = client.get("/config").json()["dependencies"]
    [number] = [own["id"] for own in functions if own["api_name"] == "translate"]
    body = {"fn_index": number, "data": ["Hello", 5, 1], "session_hash": "abc"}
    answer = client.post("/gradio_api/run/predict", json=body)
    assert answer.status_code == 404 and "join the queue" in answer.text
    for door in ("run", "api"):
        answer = client.post(f"/gradio_api/{door}/translate", json=body)
        assert answer.status_code == 404 and "nothing here" in answer.text


def test_the_queue_is_bounded(client):
    """Catches: a page that queues without end."""
    path, body = "/gradio_api/call/v2/translate", {"text": "A slow one."}
    answers = [client.post(path, json=body) for _ in range(100)]
    statuses = [answer.status_code for answer in answers]
    assert 64 <= statuses.count(200) < 100 and {*statuses} == {200, 503}
    assert "full" in answers[-1].text
