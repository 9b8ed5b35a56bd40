"""Clients that are broken, slow or gone, over real connections: none of them may cost
the server more than an answer, or a line in its log.
"""

import json
import logging
import socket
import threading
import time

import pytest
from echo import Echo
from real_server import real_server, wait_until

from translator.serving.app import create_app
from translator.serving.service import Limits, Service

DOORS = ("/translate", "/detect", "/v1/translate", "/v1/models/en-es:predict")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def service():
    service = Service([Echo()], Limits(characters=1_000, texts=9, body_seconds=0.5))
    service.warm_up()
    yield service
    service.close()


@pytest.fixture(scope="module")
def address(service):
    with real_server(create_app(service)) as address:
        yield address


@pytest.fixture(autouse=True)
def _no_mistake_of_ours(address, caplog):
    yield
    assert b"200" in ask(address, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")[0]
    records = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.getMessage() for r in records if r.name.startswith("translator")] == []
    assert not any(record.exc_info for record in records)


def open_socket(address):
    return socket.create_connection(address, timeout=10)


def request(path, body, kind=JSON, **headers):
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Type: {kind}"]
    headers = {"Content_Length": len(body)} | headers
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer_on(connection):
    """Returns the first line and the body of the next answer."""
    with connection.makefile("rb") as file:
        first, length = file.readline(), 0
        for line in iter(file.readline, b"\r\n"):
            name, _, value = line.lower().partition(b":")
            length = int(value) if name == b"content-length" else length
        return first, file.read(length)


def ask(address, content):
    with open_socket(address) as connection:
        connection.sendall(content)
        return answer_on(connection)


def full(value):
    """A JSON body that every door reads, with a value where a text belongs."""
    return b'{"q": %s, "source": "en", "target": "es"}' % value


def native(value):
    return b'{"text": %s}' % value


def rows(value):
    return b'{"instances": [%s]}' % value


VALUES = {
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "large number": b"1e999",
    "many digits": b"9" * 5_000,
    "null": b"null",
    "false": b"false",
    "object": b'{"a": {"b": []}}',
    "list of lists": b'[["a"], [[1.5]]]',
    "huge list": b"[" + b"1," * 100_000 + b"1]",
    "deep list": b"[" * 50_000 + b"]" * 50_000,
    "not UTF-8": b'"caf\xe9 \xff\xfe"',
    "NUL byte": b'"a\0b"',
    "cut off": b'"abc',
    "two values": b'"a" "b"',
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize(
    ("path", "body_of"),
    [*zip(DOORS, (full, full, native, rows), strict=True)],
    ids=DOORS,
)
def test_bodies_that_are_no_texts_are_one_line(address, path, body_of, value):
    """Catches: an error of ours for a mistake of theirs; NaN in an answer."""
    first, body = ask(address, request(path, body_of(value)))
    status = int(first.split()[1])
    assert status in (200, 400), first
    assert status == 400 or path == "/detect"
    answer = json.loads(body, parse_constant=pytest.fail)
    assert status == 200 or ([*answer] == ["error"] and "\n" not in answer["error"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(rb'"a\u0000b"', "ba"), (rb'"a\ud800"', "\ufffda"), (b'"a\x7f"', "\x7fa")],
)
def test_characters_that_nobody_prints_are_translated(address, value, expected):
    _, body = ask(address, request("/translate", full(value)))
    assert json.loads(body)["translatedText"] == expected


@pytest.mark.parametrize(
    "content",
    [
        request("/translate", b"q=%ff%fe&source=en&target=es", FORM),
        request("/translate", b"q=%00&source=en&target=es", FORM),
        request("/translate", b"&=&==%%%", FORM),
        request("/translate", b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        request("/translate", b"--x", "multipart/form-data"),
        request("/translate", b"q=a", "text/plain; charset=utf-16"),
        request("/translate", full(b'"a"'), f"{JSON}; charset=nonsense"),
        request("/v1/translate", b'{"text": "a"}', "image/png"),
        request("/v1/translate", b"\xef\xbb\xbf" + b'{"text": "a"}'),
        request("/v1/translate", b""),
        request("/v1/translate", b'{"text": "a"}', Content_Length=-3),
        request("/v1/translate", b'{"text": "a"}', Content_Length="many"),
        request("/v1/translate", b"zz\r\nhello\r\n", Transfer_Encoding="chunked"),
        request("/v1/models/%ff%00:predict", b'{"instances": ["a"]}'),
        request("/" + 5_000 * "a", b""),
        b"GET /v1/models/%2e%2e%2f HTTP/1.1\r\nHost: a\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS
    ],
)
def test_requests_that_are_none_get_an_answer(address, content):
    first, body = ask(address, content)
    assert int(first.split()[1]) in (200, 307, *range(400, 500)), (first, body)


@pytest.mark.parametrize("path", DOORS)
def test_a_body_that_does_not_come_is_waited_for_no_longer(address, path):
    """Catches: a client that holds a connection for ever, byte by byte."""
    with open_socket(address) as connection:
        connection.sendall(request(path, b"{", Content_Length=500))
        for _ in range(4):
            time.sleep(0.05)
            connection.sendall(b" ")
        first, body = answer_on(connection)
    assert b" 408 " in first
    assert json.loads(body) == {
        "error": "the request did not come within 0.5 seconds. Send it again."
    }


@pytest.mark.parametrize("path", DOORS)
def test_half_a_body_and_gone(address, service, path):
    """Catches: a traceback in the log for each client that leaves."""
    for _ in range(3):
        with open_socket(address) as connection:
            connection.sendall(request(path, b"{", Content_Length=500))
            time.sleep(0.02)
    time.sleep(0.1)
    assert service.models[0].gatherer.waiting == 0


@pytest.mark.parametrize("path", DOORS[:1] + DOORS[2:])
def test_gone_before_the_answer(address, service, path):
    body = {"q": "a", "source": "en", "target": "es"}
    if path.startswith("/v1"):
        body = {"text": "a"} if path == "/v1/translate" else {"instances": ["a"]}
    for _ in range(20):
        with open_socket(address) as connection:
            connection.sendall(request(path, json.dumps(body).encode()))
    assert wait_until(lambda: service.models[0].gatherer.waiting == 0)


def test_many_that_send_nothing_keep_nobody_out(address):
    """Catches: a thread or a place in a queue for each open connection."""
    idle = [open_socket(address) for _ in range(200)]
    for connection in idle[:100]:
        connection.sendall(b"POST /translate HTTP/1.1\r\nHost: ")
    first, body = ask(address, request("/translate", full(b'"ab"')))
    for connection in idle:
        connection.close()
    assert b" 200 " in first and json.loads(body)["translatedText"] == "ba"


def test_a_reader_that_does_not_read_holds_up_nobody(address):
    """Catches: an answer that is written while the others wait."""
    text = json.dumps("word " * 190)
    body = b'{"text": [%s], "attention": true, "num_hypotheses": 4}' % (
        ", ".join(9 * [text]).encode()
    )
    with open_socket(address) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
        sender = threading.Thread(
            target=connection.sendall, args=(20 * request("/v1/translate", body),)
        )
        sender.start()
        first, _ = ask(address, request("/translate", full(b'"ab"')))
        assert b" 200 " in first
        connection.shutdown(socket.SHUT_RDWR)
        sender.join(10)


HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "start"),
    [(b"", b""), (b"", b"GET"), (b"", HEALTH[:-2]), (HEALTH, b"G")],
)
def test_a_head_that_never_ends(address, first, start):
    """Catches: connections that a client keeps for ever by a byte now and then."""
    with open_socket(address) as connection:
        if first:
            connection.sendall(first)
            assert b"200" in answer_on(connection)[0]
        connection.sendall(start)
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - began < 5


def test_a_connection_may_be_used_again_and_again(address):
    """Catches: a connection that is closed in the midst of its use."""
    with open_socket(address) as connection:
        for _ in range(4):
            time.sleep(0.2)  # longer than a head may take, in all
            connection.sendall(HEALTH[:9])
            time.sleep(0.1)
            connection.sendall(HEALTH[9:])
            assert b"200" in answer_on(connection)[0]


def test_an_answer_may_take_longer_than_a_head(service, address, monkeypatch):
    """Catches: the time of the answer counted as that of the head."""
    search = Echo.search_sentences

    def slow(self, *arguments, **options):
        time.sleep(0.8)
        return search(self, *arguments, **options)

    monkeypatch.setattr(Echo, "search_sentences", slow)
    status, _ = ask(address, request("/v1/translate", native(b'"a"')))
    assert b"200" in status
