"""What /v1 tells from inside a translation: the same as Python, or why not."""

import asyncio
import threading

import numpy as np
import pytest
from echo import Echo
from fastapi.testclient import TestClient

from translator.inference import Translator
from translator.inspection import alternatives, read_gates, search_tree
from translator.light.runtime import OnnxTranslator
from translator.serving.app import create_app
from translator.serving.gathering import BusyError
from translator.serving.service import Limits, Service, TooLateError

SENTENCE = "The red house is near the river."


@pytest.fixture(scope="module")
def client(translator):
    service = Service([translator])
    with TestClient(create_app(service)) as client:
        yield client
    service.close()


def ask(client, path="/v1/translate", **body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def error_of(client, path="/v1/translate", **body):
    answer = client.post(path, json=body)
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


def test_tokens_come_with_their_probabilities(client, translator):
    [text] = ask(client, text=SENTENCE, tokens=True)["translations"]
    [hypothesis] = text["sentences"][0]["hypotheses"]
    [expected] = translator.translate([SENTENCE])
    best = expected.sentences[0].hypotheses[0]
    assert hypothesis["tokens"] == best.tokens
    assert hypothesis["token_log_probs"] == pytest.approx(best.token_log_probs.tolist())


def test_a_translation_begins_as_it_is_told(client, translator):
    """Mistake: the other sentences bound, too; white space lost; alternatives that do
    not begin so."""
    text = f"{SENTENCE}\n\n Nobody sings. "
    [answer] = ask(client, text=text, prefix="Red", num_hypotheses=2)["translations"]
    expected = translator.complete(text, "Red", num_hypotheses=2)
    assert answer["text"] == expected.text
    first, second = answer["sentences"]
    assert all(own["text"].startswith("Red") for own in first["hypotheses"])
    [plain] = translator.translate_sentences(["Nobody sings."], num_hypotheses=2)
    texts = [own["text"] for own in second["hypotheses"]]
    assert texts == [own.text for own in plain.hypotheses]
    assert "\n\n " in answer["text"]
    assert ask(client, text="", prefix="Red")["translations"][0]["text"] == ""


def test_the_tree_and_the_gates(client, translator):
    """Mistake: of another search, or of another translation."""
    body = {"text": SENTENCE, "tree": True, "gates": True, "search": {"beam_size": 2}}
    [answer] = ask(client, **body)["translations"]
    [sentence] = answer["sentences"]
    search = translator.search.model_copy(update={"beam_size": 2})
    nodes = search_tree(translator, SENTENCE, search)
    assert [node["token"] for node in sentence["tree"]] == [n.token for n in nodes]
    [best] = [node for node in sentence["tree"] if node.get("rank") == 0]
    assert best["score"] == pytest.approx(sentence["hypotheses"][0]["score"], abs=1e-4)
    [result] = translator.translate_sentences([SENTENCE], search)
    traces = read_gates(translator, SENTENCE, result.hypotheses[0].tokens)
    assert [gates["name"] for gates in sentence["gates"]] == [t.name for t in traces]
    for gates, trace in zip(sentence["gates"], traces, strict=True):
        np.testing.assert_allclose(gates["reset_gate"], trace.reset_gate, atol=1e-5)


def test_other_words(client, translator):
    found = ask(client, "/v1/alternatives", text=SENTENCE, count=2)
    expected = alternatives(translator, SENTENCE, "", 2)
    assert [own["word"] for own in found] == [own.word for own in expected]
    for text in (f" {SENTENCE}\n", f"- {SENTENCE}"):  # as a whole text is translated
        assert ask(client, "/v1/alternatives", text=text, count=2) == found
    assert ask(client, "/v1/alternatives", text=" ") == []
    assert [own["text"] for own in found] == [own.hypothesis.text for own in expected]
    assert ask(client, "/v1/alternatives", text=" ") == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": "a b c d " * 1_000}, "alternatives are for a single sentence"),
        ({"text": "Who sings? Nobody."}, "Received: 2."),
        ({"text": "a", "prefix": "x" * 1_001}, "at most 1,000 characters"),
        ({"text": "a", "count": 21}, "count"),
    ],
)
def test_other_words_are_those_of_a_sentence(client, body, message):
    """Mistake: a search through a text of any length, which nobody can stop."""
    assert message in error_of(client, "/v1/alternatives", **body)


def test_an_answer_has_only_so_much_attention(translator):
    """Mistake: a short request whose answer fills the memory."""
    service = Service([translator], Limits(weights=500))
    with TestClient(create_app(service)) as client:
        assert ask(client, text=SENTENCE, attention=True)["translations"]
        body = {"text": [SENTENCE] * 20, "attention": True}
        assert "at most 500 weights of the attention" in error_of(client, **body)
        events = client.post("/v1/translate", json=body | {"stream": True}).text
        assert "event: error" in events and "event: done" not in events
        assert "at most 500 weights of the attention" in events
        assert ask(client, text=[SENTENCE] * 20)["translations"]
    service.close()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": ["a", "b"], "prefix": "x"}, "Received: 2 texts, stream false."),
        (
            {"text": "a", "tree": True, "stream": True},
            "1 texts, stream true.",
        ),
        (
            {"text": "Who sings? Nobody.", "gates": True},
            "for a single sentence of at most 200 characters. Received: 2.",
        ),
        ({"text": "a b " * 51, "tree": True}, "Received: 2."),
        ({"text": "", "tree": True}, "Received: 0."),
        ({"text": "a", "prefix": "x" * 1_001}, "at most 1,000 characters"),
        ({"text": "a", "prefix": "x", "num_hypotheses": 11}, "at most 10"),
        ({"text": "a", "prefix": 7}, "prefix"),
    ],
)
def test_what_cannot_be_had_is_said(client, body, message):
    """Mistake: an error of ours, or a part left out in silence."""
    assert message in error_of(client, **body)


def test_what_a_model_cannot_tell_is_said(onnx_dir):
    """Mistake: a traceback for a SavedModel, or for an ONNX folder's gates."""
    onnx = OnnxTranslator.load(onnx_dir)
    service = Service([Echo(), onnx])
    with TestClient(create_app(service)) as client:
        echo = {"text": "a", "model": "en-es"}
        for extra in ({"prefix": "x"}, {"tree": True}):
            assert "fixed inside its SavedModel" in error_of(client, **echo, **extra)
        told = error_of(client, "/v1/alternatives", **echo)
        assert "fixed inside its SavedModel" in told
        told = error_of(client, text=SENTENCE, model=onnx.name, gates=True)
        assert "does not give its gates away" in told
        [answer] = ask(client, text=SENTENCE, model=onnx.name, tree=True)[
            "translations"
        ]
        assert answer["sentences"][0]["tree"]
    service.close()


def test_a_request_that_asks_for_more_gets_no_more_time(run_dir, monkeypatch):
    """Catches: a deadline for each of the steps, so that an answer takes three times as
    long as it may."""
    deadlines = []
    deadline = Service.deadline

    def noted(service):
        deadlines.append(deadline(service))
        return deadlines[-1]

    monkeypatch.setattr(Service, "deadline", noted)
    monkeypatch.setattr("translator.serving.libre.place_tags", lambda *_: None)
    service = Service([Translator.load(run_dir)])
    html = {"q": "<p>A <b>red</b> b</p>", "format": "html"}
    with TestClient(create_app(service)) as client:
        for path, body in (
            ("/v1/translate", {"text": SENTENCE, "tree": True, "gates": True}),
            ("/v1/translate", {"text": SENTENCE, "prefix": "A", "tree": True}),
            ("/translate", html | {"source": "en", "target": "es"}),
        ):
            assert client.post(path, json=body).status_code == 200
    assert len(deadlines) == 3
    service.close()


def test_looks_take_turns_and_not_too_many_wait():
    """Mistake: a thread for each client that looks inside, or a queue without an end;
    a place that is never given back."""
    service = Service([Echo()], Limits(seconds=0.3))
    gate = threading.Event()

    async def ask_many():
        looks = [service.look_inside(lambda: gate.wait(10)) for _ in range(20)]
        found = await asyncio.gather(*looks, return_exceptions=True)
        gate.set()
        await asyncio.sleep(0.3)
        assert await service.look_inside(lambda: 7) == 7
        return [type(one) for one in found]

    kinds = asyncio.run(ask_many())
    assert kinds.count(TooLateError) == 16 and kinds.count(BusyError) == 4
    service.close()
    with pytest.raises(BusyError):
        asyncio.run(service.look_inside(lambda: 7))
