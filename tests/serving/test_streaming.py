"""Server-sent events of /v1/translate, over a real connection."""

import json
import threading
from contextlib import contextmanager

import httpx
import pytest
from echo import Echo
from fastapi.testclient import TestClient
from real_server import real_server, wait_until
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from translator.serving.app import create_app
from translator.serving.service import Limits, Service


class Gated(Echo):
    """Translates a group of sentences each time that it is allowed to."""

    def __init__(self):
        super().__init__()
        self.allowed = threading.Semaphore(0)

    def search_sentences(self, sentences, search=None, num_hypotheses=1):
        result = super().search_sentences(sentences, search, num_hypotheses)
        assert self.allowed.acquire(timeout=10)
        return result


@pytest.fixture
def translator():
    return Gated()


@pytest.fixture
def open_client(translator):
    @contextmanager
    def open_client(limits=None, **options):
        service = Service([translator], limits or Limits())
        app = create_app(service, **options)
        try:
            with real_server(app) as (host, port):
                with httpx.Client(base_url=f"http://{host}:{port}") as client:
                    yield client
        finally:
            translator.allowed.release(1_000)
            service.close()

    return open_client


def stream(client, text, **body):
    return client.stream(
        "POST", "/v1/translate", json={"text": text, "stream": True} | body
    )


def events(answer):
    """Yields name and data of each event."""
    name = None
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def test_no_proxy_holds_events_back():
    """Catches: the events of a page, which nginx would collect."""

    async def page(request):
        return StreamingResponse(iter(["data: 1\n\n"]), media_type=request.url.query)

    app = create_app(Service([Gated()]))
    app.mount("/page", Starlette(routes=[Route("/events", page)]))
    client = TestClient(app)
    name = "x-accel-buffering"
    assert client.get("/page/events?text/event-stream").headers[name] == "no"
    assert name not in client.get("/page/events?text/plain").headers


def test_a_sentence_comes_when_it_is_done_and_the_rest_later(translator, open_client):
    """Catches: an answer that is sent when all is done; a group of everything."""
    with open_client() as client:
        translator.allowed.release()
        with stream(client, "Ab. Cd. Ef. Gh.") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            found = events(answer)
            assert [next(found)[1]["source"] for _ in range(2)] == ["Ab.", "Cd."]
            assert len(translator.calls) <= 2  # the next ones wait to be allowed
            translator.allowed.release()
            assert [name for name, _ in found] == ["sentence", "sentence", "done"]


def test_sentences_rejoin_and_the_whole_is_that_without_a_stream(
    translator, open_client
):
    """Catches: white space lost, indices of another text, another whole."""
    texts = ["  One here.  Two?\n\n*** \n Three it is!\t", " ", "Four\u2028Five. 😀"]
    body = {"num_hypotheses": 2, "tokens": True}
    translator.allowed.release(1_000)
    with open_client() as client:
        plain = client.post("/v1/translate", json={"text": texts} | body).json()
        with stream(client, texts, **body) as answer:
            *sentences, (last, whole) = events(answer)
    assert last == "done" and whole == plain
    assert {name for name, _ in sentences} == {"sentence"}
    for index, text in enumerate(plain["translations"]):
        own = [data for _, data in sentences if data["text_index"] == index]
        assert [data["sentence_index"] for data in own] == [*range(len(own))]
        for data, sentence in zip(own, text["sentences"], strict=True):
            assert {name: data[name] for name in sentence} == sentence
        if own:
            assert text["text"] == "".join(
                data["before"] + data["hypotheses"][0]["text"] + data["after"]
                for data in own
            )
    assert len(sentences) == 5


def test_blank_text_is_done_at_once(open_client):
    with open_client() as client, stream(client, [" \n"]) as answer:
        [(name, whole)] = events(answer)
    assert name == "done" and whole["translations"][0]["text"] == " \n"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"text": "a" * 99}, 400, "at most 50 characters"),
        ({"text": ["a"] * 9}, 400, "at most 3 texts"),
        ({"num_hypotheses": 9}, 400, "translations of a sentence"),
        ({"search": {"beam_size": 99}}, 400, "beam_size"),
        ({"model": "xx"}, 404, "no model 'xx'"),
        ({"stream": "perhaps"}, 400, "stream: "),
        ({"text": "crash"}, 500, "something went wrong on the server"),
    ],
)
def test_what_is_refused_is_no_stream(translator, open_client, body, status, message):
    """Catches: 200 for a mistake."""
    translator.allowed.release(10)
    with open_client(Limits(characters=50, texts=3, hypotheses=4)) as client:
        answer = client.post("/v1/translate", json={"text": "a", "stream": True} | body)
    assert (answer.status_code, [*answer.json()]) == (status, ["error"])
    assert message in answer.json()["error"]


def test_keys_limits_and_metrics_hold_for_streams(translator, open_client):
    translator.allowed.release(10)
    with open_client(api_keys=["k"], rate_limit=2) as client:
        with stream(client, "Ab.") as answer:
            assert answer.status_code == 403
        client.headers["authorization"] = "Bearer k"
        for status in (200, 429):
            with stream(client, "Ab.") as answer:
                assert answer.status_code == status
                answer.read()
        line = 'translator_requests_total{route="/v1/translate",status="%d"} 1.0'
        metrics = client.get("/metrics").text
    assert all(line % status in metrics for status in (200, 403, 429))


def test_an_error_later_on_is_the_last_event(translator, open_client):
    """Catches: a stream that breaks off, or tells secrets."""
    translator.allowed.release(10)
    with open_client() as client:
        with stream(client, "Ab. Cd. A crash. Ef.") as answer:
            assert answer.status_code == 200
            *first, (name, error) = events(answer)
    assert [data["source"] for _, data in first] == ["Ab.", "Cd."]
    assert name == "error"
    assert error == {
        "error": "something went wrong on the server. Its log has the details."
    }


def test_a_stream_that_takes_too_long_ends(translator, open_client):
    translator.allowed.release()
    with open_client(Limits(seconds=0.3)) as client:
        with stream(client, "Ab. Cd. Ef.") as answer:
            name, error = [*events(answer)][-1]
    assert name == "error" and "took too long" in error["error"]


def test_who_goes_away_leaves_no_work_behind(translator, open_client):
    """Catches: a stream that is translated to its end for nobody."""
    text = " ".join(f"Sentence number {n}." for n in range(200))
    with open_client() as client:
        translator.allowed.release()
        with stream(client, text) as answer:
            next(events(answer))
        line = 'translator_requests_total{route="/v1/translate",status="200"} 1.0'
        assert wait_until(lambda: line in client.get("/metrics").text)
        translator.allowed.release(1_000)
        idle = 'translator_waiting_characters{model="en-es"} 0.0'
        assert wait_until(lambda: idle in client.get("/metrics").text)
    sentences = [s for group, *_ in translator.calls for s in group]
    assert len(sentences) <= 6  # two and at most four
