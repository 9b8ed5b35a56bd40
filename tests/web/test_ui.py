import asyncio
import json
import re
import subprocess
import sys
import textwrap

import gradio as gr
import httpx
import pytest
from fake_translator import FakeTranslator

from translator.web import ui
from translator.web.handlers import (
    DEFAULT_ALTERNATIVES,
    NOTHING,
    TOO_LONG,
    Handlers,
    card_body,
    show_step,
)

TEXT = "Hello there. How are you?"
TITLE = "English → Spanish"


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
    return Handlers({TITLE: translator})


def endpoints(app):
    return {fn.api_name: fn for fn in app.fns.values()}


def test_the_app_is_built_and_only_its_api_is_public(translator):
    """Mistake: the page's own events left public, in the way of the API."""
    app = ui.build_app([translator])
    assert app.state_session_capacity == ui.MAX_SESSIONS  # Gradio keeps 10,000
    public = {
        name for name, fn in endpoints(app).items() if fn.api_visibility == "public"
    }
    assert public == {"translate", "translate_with"}
    assert translator.calls == []


def test_the_warm_up_asks_what_the_page_asks(translator, handlers):
    """Mistake: warm with other search options than those that the page starts with."""
    ui.warm_up([translator])
    app = ui.build_app([translator])
    sliders = {b.label: b.value for b in app.blocks.values() if type(b) is gr.Slider}
    handlers.run(TITLE, "Hello.", sliders["Beam size"], sliders["Alternatives"])
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
    ui.warm_up([translator])
    num_traces = len(traces)
    assert num_traces == 2  # of the search in the graph, and of that in steps
    handlers = Handlers({TITLE: translator})
    beam_size = float(translator.search.beam_size)
    for text in ("Where is it?", "The red house is near. " * 3):
        for number in (1, DEFAULT_ALTERNATIVES):
            shown = handlers.run(TITLE, text, beam_size, number)
            assert "<svg" in handlers.show_tree(shown, 0, beam_size)
    assert len(traces) == num_traces


def test_titles_tell_models_apart():
    """Mistake: one of two models of the same languages that cannot be chosen."""
    one, other, back = (
        FakeTranslator(name="small"),
        FakeTranslator(name="large"),
        FakeTranslator("es", "en", "back"),
    )
    titles = ui.titles_of([one, other, back])
    assert titles == {
        "English → Spanish (small)": one,
        "English → Spanish (large)": other,
        "Spanish → English": back,
    }
    with pytest.raises(ValueError, match="at least one translator"):
        ui.titles_of([])


@pytest.mark.parametrize("language", ["en", "es", "fr", "de", "xx"])
def test_examples_are_in_the_language_that_is_read(language):
    """Mistake: English examples for a model that reads another language."""
    app = ui.build_app([FakeTranslator(language, "eo")])
    [examples] = [b for b in app.blocks.values() if isinstance(b, gr.Dataset)]
    assert [text for [text] in examples.samples] == list(ui.EXAMPLES.get(language, ()))
    assert examples.visible is (language != "xx")


def test_the_source_box_of_a_right_to_left_language():
    """Mistake: Hebrew typed from the left."""
    app = ui.build_app([FakeTranslator("he", "en")])
    [source] = [b for b in app.blocks.values() if b.elem_id == "source"]
    assert (source.label, source.rtl) == ("Hebrew", True)


def test_nothing_is_fetched_from_elsewhere_for_the_theme():
    """Mistake: a theme with a font of Google's."""
    theme = ui.page_theme()
    sheets = [font.stylesheet()["url"] for font in (*theme._font, *theme._font_mono)]
    assert sheets == [None, None]


def test_the_card_comes_without_front_matter_and_broken_pictures():
    card = "---\nlicense: cc-by-2.0\n---\n# A model\n\n![Loss](curves.png)\n\nEnd.\n"
    assert card_body(card) == "# A model\n\nEnd.\n"


def test_translation_with_a_choice_of_sentences(handlers, translator):
    """Mistake: the search options of the page not passed on."""
    markup, shown, choice, offers, words, note = handlers.show_translation(
        TITLE, TEXT, 7, 2
    )
    assert shown.text == "olleH .ereht woH era ?uoy"
    assert f"data-text='{shown.text}'" in markup
    assert choice["choices"] == [("1. Hello there.", 0), ("2. How are you?", 1)]
    assert (choice["value"], choice["visible"]) == (0, True)
    assert offers["choices"] == [
        ("olleH .ereht  (-0.25)", 0),
        ("olleH .ereht!  (-1.25)", 1),
    ]
    assert words["visible"] is False
    assert note.startswith("<span aria-hidden='true'>2 sentences, ")
    [(texts, search, num_hypotheses)] = translator.calls
    assert (texts, search.beam_size, num_hypotheses) == ([TEXT], 7, 2)
    assert search.length_penalty == translator.search.length_penalty
    offers, words = handlers.show_sentence(shown, 1)
    assert [text for text, _ in offers["choices"]] == [
        "woH era ?uoy  (-0.25)",
        "woH era ?uoy!  (-1.25)",
    ]


def test_a_text_in_another_language_is_told(translator):
    """Catches: a hint at every text, or one that is no HTML."""

    class Doubting:
        def find_other(self, text, expected):
            assert expected == translator.source_language
            return {"Wo ist der Zug?": "de", "Dov'è il treno?": ""}.get(text)

    handlers = Handlers({TITLE: translator}, Doubting())
    for text, hint in [
        ("Wo ist der Zug?", "This does not look like English, but like German."),
        ("Dov'è il treno?", "This does not look like English."),
    ]:
        note = handlers.show_translation(TITLE, text, 5, 3)[-1]
        assert note.startswith(f"<span class='hint'>{hint}</span> <span aria-hidden")
    note = handlers.show_translation(TITLE, "Where is the train?", 5, 3)[-1]
    assert "hint" not in note and "1 sentence, " in note


def test_another_translation_of_a_sentence_can_be_chosen(handlers):
    """Mistake: the choice of one sentence lost when another is chosen; white space of
    the text lost when it is put together again."""
    _, shown, *_ = handlers.show_translation(TITLE, "Hello there.\n\n Why? ", 5, 3)
    _, shown, *_ = handlers.choose_offer(shown, 0, 2)
    markup, shown, choice, offers, _ = handlers.choose_offer(shown, 1, 1)
    assert shown.text == "olleH .ereht!!\n\n ?yhW! "
    assert (choice["value"], offers["value"]) == (1, 1)
    assert "data-text='olleH .ereht!!\n\n ?yhW! '" in markup


def test_one_sentence_offers_no_choice(handlers):
    """Mistake: a menu with one entry."""
    _, _, choice, *_ = handlers.show_translation(TITLE, "Hello", 5, 3)
    assert choice["visible"] is False


def test_no_more_alternatives_than_the_beam_has(handlers, translator):
    """Mistake: a beam of 1 with 3 alternatives refused by the translator."""
    handlers.show_translation(TITLE, "Hello", 1, 3)
    assert translator.calls[0][2] == 1


@pytest.mark.parametrize("text", ["", "  \n ", None])
def test_blank_text_empties_the_page_with_a_hint(handlers, text, capsys):
    """Mistake: an error, or the last translation left where it was."""
    target, shown, *choices, note = handlers.show_asked(TITLE, text, 5, 3)
    assert (target, shown, note) == ("", None, "")
    assert [choice["visible"] for choice in choices] == [False] * 3
    assert capsys.readouterr().out == "Write something to translate first.\n"
    assert handlers.show_attention(None, None) == NOTHING
    assert handlers.show_tree(None, 0, 5) == NOTHING
    assert handlers.show_gates(None, 0)[0] == NOTHING


def test_attention_is_kept_within_bounds(handlers, translator, monkeypatch):
    """Catches: visitors who fill the server's memory; the best hypotheses without."""
    monkeypatch.setattr("translator.web.handlers._ATTENTION_BYTES", 100)
    shown = handlers.run(TITLE, "Hello there. " * 20, 5, 2)
    kept = [
        [own.attention_weights.nbytes for own in hypotheses]
        for hypotheses in shown.offers
    ]
    assert kept[0][0] and not kept[0][1] and not kept[-1][0]
    assert sum(map(sum, kept)) <= 100
    assert "<svg" in handlers.show_attention(shown, 0)
    assert handlers.show_attention(shown, 19) == TOO_LONG
    assert "class='word" in handlers.show_translation(TITLE, "Hello. " * 20, 5, 2)[0]


def test_typing_is_translated_where_it_is_wanted_and_short(handlers, translator):
    """Mistake: a whole book translated at each pause; a hint at each blank; a long
    translation that one more letter deletes, or that looks like that of the text."""
    translator.max_characters = 10_000
    target, *_ = handlers.show_typed("Hello", True, TITLE, 5, 3)
    assert "olleH" in target
    for text, is_wanted, told in (
        ("Hello", False, "The text has changed: press Translate."),
        ("x" * 3_001, True, "A long text: press Translate."),
    ):
        *rest, note = handlers.show_typed(text, is_wanted, TITLE, 5, 3)
        assert rest == [gr.skip()] * 5
        assert note == f"<span class='stale'>{told}</span>"
    too_long = "x" * (translator.max_characters + 1_234)
    *_, note = handlers.show_typed(too_long, True, TITLE, 5, 3)
    assert "1,234 characters too many." in note
    assert len(translator.calls) == 1
    assert handlers.show_typed("", False, TITLE, 5, 3)[0] == ""


def test_the_open_view_of_a_sentence_is_shown(handlers):
    """Mistake: the tree or the gates of the text before."""
    _, shown, *_ = handlers.show_asked(TITLE, "Hello there", 5, 3)
    attention, tree, gates, *_ = handlers.show_inside("attention", shown, 0, 5)
    assert attention != NOTHING and tree == gates == NOTHING
    attention, tree, gates, *_ = handlers.show_inside("beam", shown, 0, 5)
    assert tree != NOTHING and gates == NOTHING
    *_, gates, _, _, _, _, _ = handlers.show_inside("gates", shown, 0, 5)
    assert gates != NOTHING
    assert handlers.show_inside("gates", None, None, 5)[:3] == (NOTHING,) * 3


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
    handlers.show_translation(TITLE, text, 5, 3)
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
        handlers.show_translation(TITLE, *arguments)
    assert message in caught.value.message
    assert not caught.value.print_exception


@pytest.mark.parametrize(
    "call",
    [
        lambda h, shown: h.show_translation("<b>none</b>", "Hello", 5, 3),
        lambda h, shown: h.show_translation(["x"], "Hello", 5, 3),
        lambda h, shown: h.show_sentence(shown, 7),
        lambda h, shown: h.show_sentence(shown, "0"),
        lambda h, shown: h.choose_offer(shown, True, 0),
        lambda h, shown: h.choose_offer(shown, 0, -1),
        lambda h, shown: h.show_attention(shown, 1.0),
        lambda h, shown: h.show_tree(shown, 99, 5),
        lambda h, shown: h.show_gates(shown, {}),
        lambda h, shown: h.compare("Hello", TITLE, 5, "other", 5),
        lambda h, shown: show_step([object()], "x", 1),
    ],
)
def test_what_no_page_sends_is_refused(handlers, call):
    """Mistake: the page's own events trusted, though programs can call them."""
    _, shown, *_ = handlers.show_translation(TITLE, TEXT, 5, 3)
    with pytest.raises(gr.Error) as caught:
        call(handlers, shown)
    assert "<b>" not in caught.value.message


def test_a_bug_is_logged_and_not_shown(handlers, caplog):
    """Mistake: the exception's own text on the page."""
    with pytest.raises(gr.Error) as caught:
        handlers.show_translation(TITLE, "bug", 5, 3)
    assert "secret" not in caught.value.message
    assert "secret detail" in caplog.text


def test_a_saved_model_keeps_the_search_it_was_exported_with(translator):
    """Mistake: a slider that moves and does nothing."""
    translator.is_search_fixed = True
    translator.search = translator.search.model_copy(update={"beam_size": 3})
    app = ui.build_app([translator])
    [beam_size] = [b for b in app.blocks.values() if b.elem_id == "beam-size"]
    assert (beam_size.value, beam_size.interactive) == (3, False)
    Handlers({TITLE: translator}).show_translation(TITLE, "Hello", 3, 3)
    assert translator.calls[0][1] == translator.search


def test_what_a_model_cannot_show_is_said(handlers):
    """Mistake: an error, or an empty place, for models that search in their graph."""
    _, shown, *_ = handlers.show_translation(TITLE, TEXT, 5, 3)
    assert "Not with this model" in handlers.show_tree(shown, 0, 5)
    assert "Not with this model" in handlers.show_gates(shown, 0)[0]
    assert "<svg" in handlers.show_attention(shown, 1)
    markup, *_ = handlers.show_translation(TITLE, TEXT, 5, 3)
    assert "role='button'" not in markup


def test_a_file_that_is_given_up_leaves_nothing(handlers, tmp_path, monkeypatch):
    """Mistake: a folder a file on a server that runs for months."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / "two.txt"
    path.write_text("one house\n" * 100, "utf-8")
    work = handlers.translate_file(TITLE, str(path), "")
    markup, result = next(work)
    assert "32%" in markup and result["visible"] is False
    assert len(list(tmp_path.iterdir())) == 2
    work.close()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", "x", "a.pdf is of no format that can be translated"),
        ("a.txt", "many words " * 20_000, "at most 500 are accepted"),
        ("a.txt", "many words\n" * 21_000, "200,000 are accepted here"),
    ],
)
def test_files_that_are_refused(handlers, tmp_path, name, content, message):
    """Mistake: a traceback, or a path of the server in the message."""
    path = tmp_path / name
    path.write_text(content, "utf-8")
    with pytest.raises(gr.Error) as caught:
        list(handlers.translate_file(TITLE, str(path), ""))
    assert message in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_two_ways_side_by_side(handlers, translator):
    """Mistake: both answers with the settings of one."""
    answers = handlers.compare(TEXT, TITLE, 1, TITLE, 4)
    assert len(answers) == 2
    assert all(re.search(r"[\d,]+ ms, score -0.25", answer) for answer in answers)
    assert [search.beam_size for _, search, _ in translator.calls] == [1, 4]


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
        other = client.predict("fake", {TEXT!r}, 4, 2, api_name="/translate_with")
        assert other == answer, other
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
    assert translation == "olleH .ereht woH era ?uoy"
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
        ('{"data": []}', "error", "translate is not what it takes: 3 values"),
        ('{"data": ["' + "x" * 500_000 + '", 5, 1]}', "error", "That is too long"),
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


def test_the_icon_is_our_own(server):
    """Catches: Gradio's icon beside our name; none where a proxy adds a path."""
    icon = httpx.get(f"{server}favicon.ico")
    assert icon.headers["content-type"].startswith("image/svg+xml")
    assert "data:image/svg+xml" in httpx.get(server).text


def test_the_first_event_loads_no_plots():
    """Catches: half a second of the first visitor's time, and memory, for nothing."""
    pytest.importorskip("matplotlib", reason="nothing to load")
    program = """
import sys
import translator.web.ui
from gradio.utils import MatplotlibBackendMananger
with MatplotlibBackendMananger():  # as around each event
    pass
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
