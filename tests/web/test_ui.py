import asyncio
import json
import subprocess
import sys
import textwrap

import gradio as gr
import httpx
import numpy as np
import pytest
from fake_translator import FakeTranslator

from translator.web import ui

TEXT = "Hello there. How are you?"


@pytest.fixture(autouse=True)
def closed_event_loops(monkeypatch):
    """Closes the event loops that Gradio makes for an app and then forgets."""
    loops = []
    new_event_loop = asyncio.new_event_loop

    def make():
        loops.append(new_event_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", make)
    yield
    asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()


@pytest.fixture
def translator():
    return FakeTranslator()


@pytest.fixture
def handlers(translator):
    return ui.Handlers(translator)


def endpoints(app):
    return {fn.api_name: fn for fn in app.fns.values()}


def test_the_app_is_built_and_only_its_api_is_public(translator):
    """Mistake: the page's own events left public, in the way of the API."""
    app = ui.build_app(translator)
    public = {
        name for name, fn in endpoints(app).items() if fn.api_visibility == "public"
    }
    assert public == {"translate"}
    assert translator.calls == []


def test_the_warm_up_asks_what_the_page_asks(translator):
    """Mistake: warm with other search options than those that the page starts with."""
    ui.warm_up(translator)
    app = ui.build_app(translator)
    sliders = {b.label: b.value for b in app.blocks.values() if type(b) is gr.Slider}
    ui.Handlers(translator).run("Hello.", sliders["Beam size"], sliders["Alternatives"])
    warm, asked = translator.calls
    assert warm == asked


def test_no_request_is_traced_after_the_warm_up(run_dir, monkeypatch):
    """Mistake: seconds of tracing for the first visitor, or for each new length."""
    from translator.inference import Translator
    from translator.model import Seq2Seq

    traces, encode = [], Seq2Seq.encode
    monkeypatch.setattr(
        Seq2Seq, "encode", lambda *args: traces.append(1) or encode(*args)
    )
    translator = Translator.load(run_dir)
    ui.warm_up(translator)
    assert len(traces) == 1
    handlers = ui.Handlers(translator)
    for text in ("Where is it?", "The red house is near. " * 3):
        for number in (1, ui.DEFAULT_ALTERNATIVES):
            handlers.run(text, float(handlers.search.beam_size), number)
    assert len(traces) == 1


def test_the_page_names_the_languages_and_hides_the_front_matter(translator):
    """Mistake: codes as labels, or the card's YAML shown as text."""
    app = ui.build_app(translator)
    boxes = [block for block in app.blocks.values() if isinstance(block, gr.Textbox)]
    assert [box.label for box in boxes] == ["English", "Spanish"]
    texts = [b.value for b in app.blocks.values() if isinstance(b, gr.Markdown)]
    assert "# A fake model\n\nWrites backwards." in [text.strip() for text in texts]
    assert any("500 characters" in text for text in texts)


@pytest.mark.parametrize(
    ("language", "examples", "expected"),
    [
        pytest.param("en", None, list(ui.EXAMPLES["en"]), id="own"),
        pytest.param("en", ["One."], ["One."], id="given"),
        pytest.param("xx", None, [], id="none"),
    ],
)
def test_examples(translator, language, examples, expected):
    """Mistake: English examples for a model that reads another language."""
    translator.source_language = language
    app = ui.build_app(translator, examples)
    found = [b.samples for b in app.blocks.values() if isinstance(b, gr.Dataset)]
    assert [text for samples in found for [text] in samples] == expected


def test_the_target_box_of_a_right_to_left_language(translator):
    """Mistake: Hebrew written from the left."""
    translator.target_language = "he"
    app = ui.build_app(translator)
    boxes = [block for block in app.blocks.values() if isinstance(block, gr.Textbox)]
    assert [box.rtl for box in boxes] == [False, True]


def test_nothing_is_fetched_from_elsewhere_for_the_theme():
    """Mistake: a theme with a font of Google's."""
    theme = ui.page_theme()
    sheets = [font.stylesheet()["url"] for font in (*theme._font, *theme._font_mono)]
    assert sheets == [None, None]


def test_translation_with_a_choice_of_sentences(handlers, translator):
    """Mistake: the search options of the page not passed on."""
    text, translation, choice, results = handlers.show_translation(TEXT, 7, 2)
    assert text == "olleH ereht. woH era ?uoy"
    assert choice["choices"] == [("1. Hello there", 0), ("2. How are you?", 1)]
    assert (choice["value"], choice["visible"], results["visible"]) == (0, True, True)
    [(texts, search, num_hypotheses)] = translator.calls
    assert (texts, search.beam_size, num_hypotheses) == ([TEXT], 7, 2)
    assert search.length_penalty == translator.config.search.length_penalty

    rows, figure = handlers.show_sentence(translation, 1)
    assert rows == [["woH era ?uoy", "-0.25"], ["woH era ?uoy!", "-1.25"]]
    weights = translation.sentences[1].hypotheses[0].attention_weights
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), weights)


def test_one_sentence_offers_no_choice(handlers):
    """Mistake: a menu with one entry."""
    _, _, choice, _ = handlers.show_translation("Hello", 5, 3)
    assert choice["visible"] is False


def test_no_more_alternatives_than_the_beam_has(handlers, translator):
    """Mistake: a beam of 1 with 3 alternatives refused by the translator."""
    handlers.show_translation("Hello", 1, 3)
    assert translator.calls[0][2] == 1


@pytest.mark.parametrize("text", ["", "  \n ", None])
def test_blank_text_empties_the_page_with_a_hint(handlers, text, capsys):
    """Mistake: an error, or the last translation left where it was."""
    shown, translation, choice, results = handlers.show_translation(text, 5, 3)
    assert (shown.strip(), translation) == ("", None)
    assert (choice["visible"], results["visible"]) == (False, False)
    assert handlers.show_sentence(translation, choice["value"]) == ([], None)
    assert capsys.readouterr().out == "Write something to translate first.\n"


@pytest.mark.parametrize(
    ("text", "received"),
    [
        pytest.param("👩‍👩‍👧 smile", "👩‍👩‍👧 smile", id="emoji"),
        pytest.param("שלום עולם", "שלום עולם", id="right-to-left"),
        pytest.param("a\0b", "ab", id="nul"),
        pytest.param("a\ud800b", "a\ufffdb", id="lone-surrogate"),
        pytest.param("\ud83d\ude00", "😀", id="surrogate-pair"),
        pytest.param("=cmd()|<script>", "=cmd()|<script>", id="formula"),
        pytest.param("</s> ▁ <pad>", "</s> ▁ <pad>", id="special-tokens"),
    ],
)
def test_hard_text_reaches_the_translator_as_unicode(
    handlers, translator, text, received
):
    """Mistake: a lone surrogate, which JSON allows, handed to TensorFlow."""
    handlers.show_translation(text, 5, 3)
    assert translator.calls[0][0] == [received]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x" * 501, 5, 3), "has 501 characters, the limit is 500"),
        (({"a": 1}, 5, 3), "The text must be a string. Received: dict."),
        ((["a"], 5, 3), "Received: list"),
        ((7, 5, 3), "Received: 7"),
        (("a", "5", 3), "The beam size must be a whole number. Received: str."),
        (("a", None, 3), "Received: NoneType"),
        (("a", True, 3), "Received: True"),
        (("a", 2.5, 3), "Received: 2.5"),
        (("a", float("nan"), 3), "Received: nan"),
        (("a", float("inf"), 3), "Received: inf"),
        (("a", 10**400, 3), "The beam size must be from 1 to 16."),
        (("a", 5, 0), "The number of alternatives must be from 1 to 10."),
        (("refuse", 5, 3), "Cannot translate &lt;b&gt;refuse&lt;/b&gt;."),
    ],
)
def test_mistakes_are_told_in_a_sentence(handlers, arguments, message):
    """Mistake: a traceback, or the user's text shown as HTML."""
    with pytest.raises(gr.Error) as caught:
        handlers.show_translation(*arguments)
    assert message in caught.value.message
    assert not caught.value.print_exception


def test_a_bug_is_logged_and_not_shown(handlers, caplog):
    """Mistake: the exception's own text on the page."""
    with pytest.raises(gr.Error) as caught:
        handlers.show_translation("bug", 5, 3)
    assert "secret" not in caught.value.message
    assert "secret detail" in caplog.text


def test_a_saved_model_keeps_the_search_it_was_exported_with(translator):
    """Mistake: reading the options of a configuration that it does not have."""
    translator.is_search_fixed = True
    translator.search = translator.config.search.model_copy(update={"beam_size": 3})
    translator.config = None
    app = ui.build_app(translator)
    beam_size, _ = [b for b in app.blocks.values() if isinstance(b, gr.Slider)]
    assert (beam_size.value, beam_size.interactive) == (3, False)
    ui.Handlers(translator).show_translation("Hello", 3, 3)
    assert translator.calls[0][1] == translator.search


def test_a_sentence_without_tokens_has_no_picture(handlers, translator):
    """Mistake: a heat map of shape (0, 0)."""
    _, translation, *_ = handlers.show_translation("Hello", 5, 1)
    best = translation.sentences[0].hypotheses[0]
    best.tokens, best.attention_weights = [], np.zeros((0, 0))
    assert handlers.show_sentence(translation, 0)[1] is None


def test_gradio_client_gets_typed_answers(server):
    """Mistake: the parameters renamed, or the figure among the answers.

    In a process of its own, as gradio_client leaves its sockets to the exit.
    """
    script = f"""
        import json
        from gradio_client import Client
        client = Client({server!r}, verbose=False)
        answer = client.predict(text={TEXT!r}, num_alternatives=2, beam_size=4,
                                api_name="/translate")
        parameters = client.view_api(return_format="dict", print_info=False)
        print(json.dumps([answer, parameters["named_endpoints"]["/translate"]]))
    """
    output = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    (translation, sentences), endpoint = json.loads(output)
    assert translation == "olleH ereht. woH era ?uoy"
    assert sentences[1] == {
        "source": "How are you?",
        "alternatives": [
            {"translation": "woH era ?uoy", "score": -0.25},
            {"translation": "woH era ?uoy!", "score": -1.25},
        ],
    }
    types = {p["parameter_name"]: p["type"]["type"] for p in endpoint["parameters"]}
    assert types == {
        "text": "string",
        "beam_size": "integer",
        "num_alternatives": "integer",
    }
    assert [value["type"]["type"] for value in endpoint["returns"]] == [
        "string",
        "array",
    ]


def call(server, body):
    """What a program without gradio_client sends: returns the event and its data."""
    address = f"{server}gradio_api/call/translate"
    headers = {"Content-Type": "application/json"}
    reply = httpx.post(address, content=body, headers=headers, timeout=60)
    assert reply.status_code == 200, reply.text
    stream = httpx.get(f"{address}/{reply.json()['event_id']}", timeout=60).text
    event, data = stream.strip().splitlines()[-2:]
    return event.removeprefix("event: "), data.removeprefix("data: ")


@pytest.mark.parametrize(
    ("body", "event", "expected"),
    [
        ('{"data": ["\\ud800 hi", 5, 1]}', "complete", "ih"),
        ('{"data": ["a\\u0000b", 5, 1]}', "complete", "ba"),
        ('{"data": ["", 5, 1]}', "complete", '["", []]'),
        ('{"data": [null, 5, 1]}', "complete", '["", []]'),
        ('{"data": [{"a": [1]}, 5, 1]}', "error", "must be a string"),
        ('{"data": ["hi", "5", 1]}', "error", "must be a whole number"),
        ('{"data": ["hi", 5, NaN]}', "error", "must be a whole number"),
        ('{"data": ["bug", 5, 1]}', "error", "Something went wrong"),
        ('{"data": ["' + "x" * 500_000 + '", 5, 1]}', "error", "the limit is 500"),
    ],
    ids=lambda value: value[:24],
)
def test_bad_calls_of_the_api(server, body, event, expected):
    """Mistake: annotations trusted to check types, which Gradio does not do."""
    received, data = call(server, body)
    assert received == event
    assert expected in data
    assert "Traceback" not in data


def test_no_door_takes_more_than_a_text(server):
    """Mistake: Gradio's upload, which takes files though the page has none for them."""
    for path in ("upload", "call/translate", "queue/join"):
        files = {"files": b"x" * 2_000_000}
        reply = httpx.post(f"{server}gradio_api/{path}", files=files, timeout=60)
        assert reply.status_code == 413
        assert "1,000,000 bytes" in reply.json()["error"]


def test_the_api_stands_beside_the_page(server):
    """Mistake: a page that swallows all routes, or one that is swallowed."""
    body = {"q": "Hello you", "source": "en", "target": "es"}
    answer = httpx.post(f"{server}translate", json=body, timeout=60).json()
    assert answer == {"translatedText": "olleH uoy"}
    assert httpx.get(f"{server}ready").json() == {"status": "ready"}
    assert "/v1/translate" in httpx.get(f"{server}openapi.json").json()["paths"]
    assert "gradio" in httpx.get(server).text
