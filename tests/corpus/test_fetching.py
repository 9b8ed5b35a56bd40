import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from translator.corpus import fetching
from translator.corpus.fetching import fetch, is_cached
from translator.corpus.registry import CORPORA, RemoteFile
from translator.errors import UserError

CONTENT = bytes(range(256)) * 1_000


class Handler(BaseHTTPRequestHandler):
    """Answers by the first part of the path: how it behaves."""

    def do_GET(self):  # noqa: N802 - the name that http.server calls
        self.server.requests.append(self.path)
        getattr(self, self.path.split("/")[1], self.missing)()

    def answer(self, body: bytes, length: int | None = None):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def good(self):
        self.answer(CONTENT, len(CONTENT))

    def wrong(self):
        self.answer(CONTENT[::-1], len(CONTENT))

    def interrupted(self):
        self.answer(CONTENT[:100_000], len(CONTENT))

    def truncated(self):
        self.answer(CONTENT[:100_000])

    def endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(CONTENT)
        except OSError:
            self.server.hung_up.set()

    def silent(self):
        self.server.hung_up.wait(5)

    def moved(self):
        self.redirect("/good/data.bin")

    def elsewhere(self):
        self.redirect("file:///etc/passwd")

    def redirect(self, address: str):
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def missing(self):
        self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(cache, monkeypatch) -> Iterator[ThreadingHTTPServer]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.hung_up = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.hung_up.set()
    server.shutdown()
    server.server_close()
    thread.join()


def make_file(address: str = "https://example.org/data.bin") -> RemoteFile:
    return RemoteFile(
        path="some/data.bin",
        address=address,
        sha256=sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )


def address_of(server: ThreadingHTTPServer, behaviour: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{behaviour}"


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_fetched_once(server, cache):
    """Catches: fetching at every run; another place than the registry's path."""
    file = make_file(address_of(server, "good"))
    assert not is_cached(file)
    path = fetch(file)
    assert path == cache / "some" / "data.bin"
    assert path.read_bytes() == CONTENT
    assert fetch(file) == path
    assert len(server.requests) == 1
    assert is_cached(file)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("wrong", "is not the file of release 2020"),
        ("truncated", "is not the file of release 2020"),
        ("endless", "is not the file of release 2020"),
        ("interrupted", "cannot fetch http://127"),
        ("missing", "the server says 404"),
        ("elsewhere", "cannot fetch http://127"),
        ("silent", "cannot fetch http://127.* timed out"),
    ],
)
def test_nothing_but_the_right_bytes_is_kept(
    server, cache, monkeypatch, behaviour, message
):
    """Catches: a partial or foreign file in the cache; an endless one; file: links."""
    monkeypatch.setattr(fetching, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(UserError, match=message) as raised:
        fetch(make_file(address_of(server, behaviour)), "2020")
    assert "\n" not in str(raised.value)
    assert files_in(cache) == []
    # The next attempt starts afresh and succeeds.
    assert fetch(make_file(address_of(server, "good"))).read_bytes() == CONTENT


def test_a_redirect_is_followed(server, cache):
    """Catches: the body of the redirect taken for the file."""
    path = fetch(make_file(address_of(server, "moved")))
    assert path.read_bytes() == CONTENT


def test_a_mismatch_says_what_to_do(server, cache):
    """Catches: an error that leaves the user of a newer ManyThings release alone."""
    with pytest.raises(UserError) as raised:
        fetch(make_file(address_of(server, "wrong")), "2018-05-13")
    message = str(raised.value)
    for part in ("2018-05-13", "TRANSLATOR_MIRROR", "--corpus FILE", "SHA-256"):
        assert part in message


def test_nobody_listens(cache):
    """Catches: httpx's own exception as a traceback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        address = address_of(server, "good")
    with pytest.raises(UserError, match="cannot fetch .*TRANSLATOR_MIRROR"):
        fetch(make_file(address))


def test_a_damaged_file_in_the_cache_is_replaced(server, cache):
    """Catches: trusting a file because it is there, or because its size is right."""
    file = make_file(address_of(server, "good"))
    for damaged in (CONTENT[:-1], CONTENT[::-1]):
        path = cache / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damaged)
        assert fetch(file).read_bytes() == CONTENT


def test_an_interruption_leaves_no_partial_file(cache, tmp_path, monkeypatch):
    """Catches: removing the temporary file only after errors, not after Ctrl-C."""

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setenv("TRANSLATOR_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror" / "some").mkdir(parents=True)
    (tmp_path / "mirror" / "some" / "data.bin").write_bytes(CONTENT)
    monkeypatch.setattr(fetching.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(make_file())
    assert files_in(cache) == []


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_mirror_address_stands_in(server, cache, monkeypatch, ending):
    """Catches: the publisher's address asked although there is a mirror."""
    mirror = address_of(server, "good") + ending
    monkeypatch.setenv("TRANSLATOR_MIRROR", mirror)
    assert fetch(make_file()).read_bytes() == CONTENT
    assert server.requests == ["/good/some/data.bin"]


def test_a_mirror_folder_is_checked_like_an_address(cache, tmp_path, monkeypatch):
    """Catches: copying from a folder without looking at the checksum."""
    monkeypatch.setenv("TRANSLATOR_MIRROR", str(tmp_path))
    with pytest.raises(UserError, match=r"TRANSLATOR_MIRROR has no .*data\.bin"):
        fetch(make_file())
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "data.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="is not the file of release"):
        fetch(make_file(), "1")
    (tmp_path / "some" / "data.bin").write_bytes(CONTENT)
    assert fetch(make_file()).read_bytes() == CONTENT


def test_other_kinds_of_addresses_are_refused(cache, monkeypatch):
    """Catches: ftp:// or a typing mistake passed on to the network library."""
    monkeypatch.setenv("TRANSLATOR_MIRROR", "ftp://example.org/data")
    with pytest.raises(UserError, match=r"http:// or https://.*ftp://example\.org"):
        fetch(make_file())


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    """Catches: NotADirectoryError as a traceback."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRANSLATOR_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("TRANSLATOR_MIRROR", str(tmp_path))
    with pytest.raises(UserError, match="cannot write .*TRANSLATOR_CACHE"):
        fetch(make_file())


def test_the_default_cache_is_the_platforms(monkeypatch):
    """Catches: downloads into the folder where the program was started."""
    monkeypatch.delenv("TRANSLATOR_CACHE", raising=False)
    assert fetching.cache_dir().is_absolute()
    assert "translator" in fetching.cache_dir().parts


def test_the_public_files_serve_as_a_mirror(shared_mirror, cache):
    """Catches: registry paths that are not the ones of the mirror folder."""
    for corpus in CORPORA.values():
        for file in corpus.files:
            assert fetch(file, corpus.release) == cache / file.path
