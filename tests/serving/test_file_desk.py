"""Files that are sent to the server: what comes back, who has to wait, what stays."""

import asyncio
import errno
import os
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from echo import Echo
from fastapi.testclient import TestClient

from translator.serving.app import create_app
from translator.serving.files import FileDesk
from translator.serving.service import Limits, Service

LIMITS = Limits(characters=100, texts=4, body_bytes=4_000, request_characters=500)


@pytest.fixture
def service():
    service = Service([Echo(), Echo("es", "en")], LIMITS)
    yield service
    service.close()


@pytest.fixture
def client(service):
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        yield client


def send(client, name, content, **fields):
    data = {"source": "en", "target": "es"} | fields
    return client.post("/translate_file", files={"file": (name, content)}, data=data)


def error_of(answer, status=400):
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"} and "\n" not in answer.json()["error"]
    return answer.json()["error"]


def files_of(client):
    return list(client.app.state.file_desk.folder.rglob("*"))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "ab\r\n\r\n 12 cd", "ba\r\n\r\n dc 21"),
        ("b c.CSV", "id;text\n1;ab cd\n", "id;text\n1;dc ba\n"),
        ("d.tsv", "ab\t7\ncd\t8", "ba\t7\ndc\t8"),
        ("é.srt", "1\n0:00:01,0 --> 0:00:02,0\n<i>ab</i>\n", None),
    ],
)
def test_a_file_comes_back_in_its_form(client, name, content, expected):
    answer = send(client, name, content.encode("utf-16"))
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"translatedFileUrl"}
    url = answer.json()["translatedFileUrl"]
    assert re.fullmatch(r"http://testserver/download_file/[\w-]{32}\.\w+", url)
    file = client.get(url)
    expected = expected or content.replace("ab", "ba")
    assert file.content == expected.encode("utf-16")
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.headers["x-content-type-options"] == "nosniff"
    assert len(files_of(client)) == 1  # what was sent is not kept


def test_the_name_of_what_is_fetched(client):
    for name, expected in [
        ("film.srt", 'attachment; filename="film.es.srt"'),
        ("../..\\é.txt", "attachment; filename*=utf-8''..%5C%C3%A9.es.txt"),
    ]:
        url = send(client, name, b"1").json()["translatedFileUrl"]
        assert client.get(url).headers["content-disposition"] == expected
    long = send(client, "a" * 2_000 + ".txt", b"1").json()["translatedFileUrl"]
    assert len(client.get(long).headers["content-disposition"]) < 300


def test_the_language_is_detected_on_request(client):
    text = "¿Dónde está la biblioteca? La casa es muy bonita."
    url = send(client, "a.txt", text, source="auto", target="en").json()
    expected = "?acetoilbib al átse ednóD¿ .atinob yum se asac aL"
    assert client.get(url["translatedFileUrl"]).text == expected


def test_front_ends_learn_that_files_are_taken(client):
    settings = client.get("/frontend/settings").json()
    assert settings["filesTranslation"] is True
    assert settings["supportedFilesFormat"] == [".txt", ".csv", ".tsv", ".srt"]


@pytest.mark.parametrize(
    ("name", "content", "fields", "message"),
    [
        ("a.txt", b"a", {"source": ""}, "Invalid request: missing source parameter"),
        ("a.txt", b"a", {"target": ""}, "Invalid request: missing target parameter"),
        ("a.pdf", b"a", {}, "Invalid request: file format not supported"),
        ("a", b"a", {}, "Invalid request: file format not supported"),
        ("a.txt", b"a", {"source": "xx"}, "xx is not supported"),
        (
            "a.txt",
            b"a",
            {"target": "en"},
            "English (en) is not available as a target language from English (en)",
        ),
        ("a.txt", b"a\nb\xff", {}, "the file, line 2: this is not UTF-8."),
        ("a.csv", b'"a', {}, "the file, line 1: a cell in quotes has no end."),
        ("a.txt", b"a" * 101, {}, "line 1: it has 101 characters; at most 100"),
        (
            "a.txt",
            b"a" * 90 + b"\n" + b"abcdefghi\n" * 50,
            {},
            "Invalid request: request (540) exceeds text limit (500)",
        ),
    ],
)
def test_mistakes_have_the_messages_that_clients_know(
    client, name, content, fields, message
):
    assert message in error_of(send(client, name, content, **fields))
    assert files_of(client) == []


def test_what_is_no_file(client):
    fields = {"source": "en", "target": "es"}
    missing = "Invalid request: missing file parameter"
    post = client.post
    assert error_of(post("/translate_file", data=fields)) == missing
    assert error_of(post("/translate_file", json=fields | {"file": "a"})) == missing
    assert error_of(post("/translate_file", data=fields | {"file": "a"})) == missing
    part = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    values = [(b"source", b"", b"en"), (b"target", b"", b"es")]
    values += [(b"file", b'; filename=""', b"a")]
    content = b"".join(part % value for value in values) + b"--x--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = post("/translate_file", content=content, headers=headers)
    assert error_of(answer) == "Invalid request: empty file"
    two = [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]
    assert "Too many files" in error_of(post("/translate_file", files=two, data=fields))
    assert "at most 4,000 bytes" in error_of(send(client, "a.txt", b"a" * 5_000), 413)
    for key in ("none", "..%2Fx", "a.txt"):
        assert client.get(f"/download_file/{key}").status_code == 404


def test_a_failure_keeps_nothing(client):
    assert "went wrong" in error_of(send(client, "a.txt", b"ok\n" * 9 + b"crash"), 500)
    assert files_of(client) == []


def test_a_full_disk_is_the_servers(client, monkeypatch, caplog):
    """Catches: a client that is blamed, and told a path of the server."""

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/secret")

    monkeypatch.setattr("translator.disk.os.replace", fail)
    message = error_of(send(client, "a.txt", b"ab"), 507)
    assert message == "the server has no room for files. Try again later."
    assert "No space left" in caplog.text and "Traceback" not in caplog.text
    assert not files_of(client)


def test_not_too_many_files_at_a_time(client, monkeypatch):
    """Catches: a queue without an end; a place that is never given back."""
    monkeypatch.setattr("translator.serving.files.MAX_FILES", 0)
    answer = send(client, "a.txt", b"ab")
    assert "busy" in error_of(answer, 503) and answer.headers["retry-after"]
    monkeypatch.setattr("translator.serving.files.MAX_FILES", 1)
    for content in (b"ab", b"\xff", b"ab"):
        answer = send(client, "a.txt", content)
        assert answer.status_code == (400 if content == b"\xff" else 200)


def test_a_server_that_stops_starts_nothing(client):
    """Catches: a server that waits for a large file until it is killed."""
    client.app.state.file_desk.close()
    answer = send(client, "a.txt", b"ab")
    assert "busy" in error_of(answer, 503) and answer.headers["retry-after"]
    assert files_of(client) == []


def test_keys_and_limits_are_those_of_other_doors(service):
    client = TestClient(create_app(service, api_keys=["k"], rate_limit=2))
    assert error_of(send(client, "a.txt", b"a"), 403) == "Invalid API key"
    url = send(client, "a.txt", b"ab", api_key="k").json()["translatedFileUrl"]
    assert "Slowdown" in error_of(send(client, "a.txt", b"a", api_key="k"), 429)
    assert client.get(url).content == b"ba"  # the address is secret enough


# --- The desk ------------------------------------------------------------------------


def keep(desk, content, client=""):
    path = desk.folder / "new.txt"
    path.write_bytes(content)
    return desk.keep(path, "a.txt", client)


def test_results_are_kept_for_a_while(service):
    async def main():
        desk = FileDesk(service, seconds=0.2)
        key = keep(desk, b"a")
        assert desk.find(key)[0].read_bytes() == b"a"
        await asyncio.sleep(0.5)
        assert list(desk.folder.iterdir()) == []
        with pytest.raises(Exception, match="404"):
            desk.find(key)

    asyncio.run(main())


def test_results_have_a_limit_and_the_oldest_makes_room(service):
    """Catches: a disk that fills."""

    async def main():
        desk = FileDesk(service, max_bytes=10)
        keys = [keep(desk, b"1234") for _ in range(4)]
        assert [key in desk._kept for key in keys] == [False, False, True, True]
        assert len(list(desk.folder.iterdir())) == 2

    asyncio.run(main())


def test_who_has_most_makes_room(service):
    """Catches: a client whose many files throw out those of all others."""

    async def main():
        desk = FileDesk(service, max_bytes=10)
        mine = keep(desk, b"12", "me")
        others = [keep(desk, b"1234", "other") for _ in range(3)]
        kept = [key in desk._kept for key in (mine, *others)]
        assert kept == [True, False, True, True]

    asyncio.run(main())


def test_the_folder_is_private_and_goes_with_the_desk(service):
    desk = FileDesk(service)
    folder = desk.folder
    assert os.stat(folder).st_mode & 0o77 == 0
    del desk
    assert not folder.exists()


# --- A server ------------------------------------------------------------------------


class Slow(Echo):
    """Takes a tenth of a second, however much it is."""

    def search_sentences(self, sentences, search=None, num_hypotheses=1):
        time.sleep(0.1)
        return super().search_sentences(sentences, search, num_hypotheses)


@contextmanager
def running(app):
    """Serves an app; gives its address."""
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def slow():
    service = Service([Slow()])
    yield service
    service.close()


def lines(count):
    return "".join(f"line {n}\n" for n in range(count)).encode()


def test_a_large_file_lets_small_requests_pass(slow):
    """Catches: a client that waits for the file of somebody else; files that crowd a
    batch. `libretranslatepy`, which knows no files, asks as it is.
    """
    libretranslatepy = pytest.importorskip("libretranslatepy")
    with running(create_app(slow)) as address, ThreadPoolExecutor() as pool:
        with httpx.Client(base_url=address, timeout=60) as client:
            sent = [pool.submit(send, client, "a.txt", lines(640)) for _ in range(2)]
            while not slow.models[0].translator.calls:
                time.sleep(0.01)
            api = libretranslatepy.LibreTranslateAPI(address)
            for _ in range(3):
                start = time.perf_counter()
                assert api.translate("abc", "en", "es") == "cba"
                # A piece before it, and itself: 0.2 s; both files: 4 s.
                assert time.perf_counter() - start < 1
            assert not any(answer.done() for answer in sent)
            batches = [sentences for sentences, *_ in slow.models[0].translator.calls]
            assert max(map(len, batches)) <= 32 + len(["abc"])
            for answer in sent:
                file = client.get(answer.result().json()["translatedFileUrl"])
                assert file.text.splitlines()[-1] == "936 enil"


def test_a_client_that_goes_away_stops_its_work(slow):
    """Catches: minutes of work for nobody; a file of theirs that stays."""
    app = create_app(slow)
    with running(app) as address:
        with httpx.Client(base_url=address, timeout=0.5) as client:
            with pytest.raises(httpx.ReadTimeout):
                send(client, "a.txt", lines(3_200))  # 10 seconds of work
        time.sleep(0.5)
        calls = slow.models[0].translator.calls
        count = len(calls)
        assert count < 12
        time.sleep(0.5)
        assert len(calls) == count
        assert list(app.state.file_desk.folder.iterdir()) == []


def test_a_folder_that_was_cleaned_away_is_made_again(client):
    """Catches: errors for ever, where a system removes what is old."""
    first = send(client, "a.txt", b"ab").json()["translatedFileUrl"]
    shutil.rmtree(client.app.state.file_desk.folder)
    assert client.get(first).status_code == 404
    second = send(client, "a.txt", b"cd").json()["translatedFileUrl"]
    assert client.get(second).text == "dc"
