"""The page: a Gradio app over any number of translators."""

import base64
import logging
import os
import platform
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import gradio as gr
from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler
from gradio.utils import get_upload_folder
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

import translator as package
from translator.checkpoints import CURVES_NAME
from translator.files.document import FORMATS
from translator.languages import is_right_to_left, language_name
from translator.serving.detection import Detector
from translator.serving.errors import error_answer
from translator.web.doors import KnownDoors, QuietDoors, UploadLimit
from translator.web.handlers import (
    DEFAULT_ALTERNATIVES,
    LIMITS,
    NOTHING,
    Handlers,
    card_body,
    errors_in_a_sentence,
    show_step,
)
from translator.web.markup import escape

logger = logging.getLogger(__name__)
# Gradio asks Matplotlib for its backend at each event. If none is chosen, pyplot is
# loaded to find one: half a second of the first visitor's time.
os.environ.setdefault("MPLBACKEND", "agg")

MAX_TOGETHER = 16  # requests that wait for the model, to be translated together
MAX_SESSIONS = 200  # pages whose state is kept; the oldest makes room
# Characters of what a call sends, and of an error that may quote it.
_LONGEST_DATA = 60_000
_LONGEST_ERROR = 400
MAX_WAITING = 64  # requests in the queue; later ones are told to come back
# Events that compute in the page's own threads: one after the other.
_INSIDE = {
    "api_visibility": "private",
    "concurrency_id": "inside",
    "concurrency_limit": 1,
}
_MODEL = {"api_visibility": "private", "concurrency_id": "model"}
_QUICK = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
_PACKAGES = ("tensorflow", "keras", "onnxruntime", "sentencepiece", "gradio")

# What the page offers to somebody who does not know what to type.
EXAMPLES = {
    "en": (
        "What time does the next bus leave?",
        "My sister works in a small hospital.",
        "My brother wants to learn to play the guitar.",
        "If I had more time, I would learn another language.",
        "The museum is closed on Mondays. The children are playing in the park.",
    ),
    "es": (
        "¡Buenos días! ¿Has dormido bien?",
        "¿Me puede decir dónde está la estación?",
        "Nunca he visto un jardín tan bonito.",
        "Llovía, así que nos quedamos en casa. Hicimos sopa y vimos una película.",
    ),
    "fr": (
        "Bonjour ! Vous avez bien dormi ?",
        "Pouvez-vous me dire où se trouve la gare ?",
        "Je n'ai jamais vu un aussi beau jardin.",
    ),
    "de": (
        "Guten Morgen! Haben Sie gut geschlafen?",
        "Können Sie mir sagen, wo der Bahnhof ist?",
        "Ich habe noch nie so einen schönen Garten gesehen.",
    ),
}


class _Page(gr.Blocks):
    """Blocks that tell in one line what is wrong with the data of a call."""

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], *others: Any, **options: Any
    ):
        """Overrides what makes the arguments of a function of what came over the wire:
        what a stranger sends there would end in a traceback; stay with his session,
        however long it is; or, as the address of a file, have this server fetch it."""
        try:
            _check_data(inputs)
            return await super().preprocess_data(block_fn, inputs, *others, **options)
        except gr.Error as error:
            error.message = str(error.message)[:_LONGEST_ERROR]  # may quote the data
            error.print_exception = False
            raise
        except Exception as error:
            logger.warning("data of %s: %s", block_fn.name, type(error).__name__)
            count = sum(not isinstance(own, gr.State) for own in block_fn.inputs)
            message = (
                f"The data that was sent to {block_fn.api_name} is not what it takes: "
                f"{count} values, as /gradio_api/info describes them."
            )
            raise gr.Error(message, print_exception=False) from None


def _check_data(data: Any) -> None:
    """Raises a `gr.Error` for more text than a page has, and for a file that nobody
    uploaded."""
    size, left = 0, [data]
    while left:
        own = left.pop()
        size += len(own) if isinstance(own, str) else 1
        if isinstance(own, list | tuple):
            left += own
        elif isinstance(own, dict):
            left += [*own, *own.values()]
            path = own.get("path")
            if isinstance(path, str) and not _is_upload(path):
                raise gr.Error("A file has to be uploaded.")
    if size > _LONGEST_DATA:
        raise gr.Error(
            f"That is too long: about {size:,} characters. Translate it as a file, or "
            "in parts."
        )


def _is_upload(path: str) -> bool:
    try:
        resolved = Path(path).resolve()
        folder = Path(get_upload_folder()).resolve()
        return resolved.is_relative_to(folder) and resolved.is_file()
    except (OSError, ValueError):  # a name that cannot be
        return False


def build_app(
    translators: Sequence[Any], detector: Detector | None = None
) -> gr.Blocks:
    """Returns the page. It is neither launched nor does it load anything.

    Args:
        translators: At least one `TextTranslator`, or object with all its attributes.
            The first is shown at the start.
        detector: Tells if a text is in another language than the model reads; without
            one nothing is said.
    """
    by_title = titles_of(translators)
    handlers = Handlers(by_title, detector)
    first = next(iter(by_title))
    with _Page(
        title="Translator",
        analytics_enabled=False,
        delete_cache=(3600, 3600),
    ) as app:
        shown = gr.State(None, time_to_live=3600)
        model, swap = _header(by_title, first)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Translate"):
                page = _translate_tab(handlers, first)
                page.shown = shown
            with gr.Tab("Look inside") as inside_tab:
                sentence = _inside_tab(handlers, shown, page.beam_size)
            with gr.Tab("Files"):
                _files_tab(handlers, model)
            with gr.Tab("Compare"):
                _compare_tab(handlers, model, first)
            with gr.Tab("About"):
                about = gr.HTML(elem_id="about-head")
                card = gr.Markdown(elem_id="card")
                curves = gr.HTML(elem_id="curves")
        _connect(handlers, page, shown, model)
        _connect_models(handlers, page, model, swap, sentence, [about, card, curves])
        inside_tab.select(
            _choices_of, [shown, page.sentence], [sentence.choice], **_QUICK
        ).then(**sentence.show)
        for name, endpoint in _api_endpoints(handlers, first).items():
            gr.api(endpoint, api_name=name, concurrency_id="model")
        app.load(_about(handlers), [model], [about, card, curves], **_QUICK)
        # Through the queue: a warning outside of it reaches nobody.
        linked = _QUICK | {"queue": True}
        app.load(_deep_link(handlers), None, [model, page.source], **linked).then(
            handlers.show_linked,
            [model, *page.inputs],
            [page.target, shown, *page.choices, page.note],
            **_MODEL,
        ).success(**_ARRIVED)
    # Each session keeps a copy of the page's structure, of some 164 KB, for ever.
    app.state_session_capacity = MAX_SESSIONS
    return app.queue(max_size=MAX_WAITING, default_concurrency_limit=MAX_TOGETHER)


def titles_of(translators: Sequence[Any]) -> dict[str, Any]:
    """Returns each translator by what the page calls it: languages, and its name where
    they are not enough.

    Raises:
        ValueError: There is none.
    """
    if not translators:
        raise ValueError("the page needs at least one translator. Received: none.")
    pairs = [
        f"{language_name(t.source_language)} → {language_name(t.target_language)}"
        for t in translators
    ]
    return {
        pair if pairs.count(pair) == 1 else f"{pair} ({own.name})": own
        for pair, own in zip(pairs, translators, strict=True)
    }


def mount_page(app: FastAPI, page: gr.Blocks) -> FastAPI:
    """Puts the page at `/`, behind all other routes of an app: with its looks, its
    limits, its privacy.
    """
    page.api_open = False  # nobody passes by the queue
    # Else Gradio takes any path of this machine for a file that a visitor uploaded, and
    # hands it out: it checks paths only in pages that it has launched itself.
    page.has_launched = True
    app.add_middleware(KnownDoors, urlsplit(app.state.root_path).path)
    app.add_middleware(UploadLimit, get_upload_folder())
    app.add_middleware(QuietDoors)
    folder = Path(__file__).parent
    script = (folder / "page.js").read_text("utf-8")
    # In the page, too: a browser looks for it outside of a path like `/translate`.
    icon = f"data:image/svg+xml,{quote((folder / 'icon.svg').read_text('utf-8'))}"
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        root_path=app.state.root_path or None,
        theme=page_theme(),
        css_paths=folder / "page.css",
        favicon_path=folder / "icon.svg",
        head=f'<link rel="icon" href="{icon}"><script>{script}</script>',
        footer_links=["api", "settings"],
        run_history=False,
        max_file_size="1mb",
        show_error=False,
        ssr_mode=False,
    )
    for route in app.routes:
        if isinstance(route, Mount):  # it answers what no other route does
            route.app.add_exception_handler(HTTPException, _answer_nothing_here)
    return app


async def _answer_nothing_here(request: Request, error: HTTPException) -> Response:
    if (error.status_code, error.detail) != (404, "Not Found"):
        return await http_exception_handler(request, error)
    return error_answer(404, f"there is nothing at {request.url.path}. See /docs.")


def warm_up(translators: Sequence[Any], detector: Detector | None = None) -> None:
    """Answers first requests as the page would send them, so that no visitor waits for
    functions to be traced, or a detector to be loaded."""
    by_title = titles_of(translators)
    handlers = Handlers(by_title, detector)
    for title, own in by_title.items():
        beam_size = own.search.beam_size
        shown = handlers.run(title, "Hello.", beam_size, DEFAULT_ALTERNATIVES)
        handlers.doubt(title, "Is this English?")
        handlers.show_tree(shown, 0, beam_size)


# ---- parts of the page


def _header(by_title: dict[str, Any], first: str) -> tuple[gr.Dropdown, gr.Button]:
    with gr.Row(elem_id="header"):
        gr.HTML(
            "<h1>Translator</h1><p>A GRU network with attention, on the machine that "
            "serves this page. Nothing you type leaves it.</p>",
            padding=False,
        )
        model = gr.Dropdown(
            list(by_title),
            value=first,
            label="Languages",
            filterable=len(by_title) > 8,
            elem_id="model",
            scale=0,
            min_width=260,
        )
        swap = gr.Button(
            "⇄ Swap",
            elem_id="swap",
            scale=0,
            min_width=120,
            visible=any(_reverse_of(by_title, title) for title in by_title),
            interactive=_reverse_of(by_title, first) is not None,
        )
    return model, swap


def _translate_tab(handlers: Handlers, title: str) -> SimpleNamespace:
    """The first tab; its parts by name."""
    own = handlers.find(title)
    page = SimpleNamespace()
    with gr.Row(equal_height=True, elem_id="sheet"):
        with gr.Column(min_width=320, elem_classes="pane"):
            page.source = gr.Textbox(**_source_look(own), **_SOURCE)
            with gr.Row(elem_classes="pane-foot"):
                page.counter = gr.HTML(
                    f"<span class='counter'>0 / {own.max_characters:,}</span>",
                    elem_id="counter",
                    padding=False,
                )
                page.clear = gr.Button("Clear", size="sm", scale=0, min_width=80)
        with gr.Column(min_width=320, elem_classes="pane tinted"):
            page.target_name = gr.HTML(
                _target_name(own), elem_id="target-name", padding=False
            )
            page.target = gr.HTML(
                elem_id="target", min_height=140, js_on_load=_WORD_CLICKS
            )
            with gr.Row(elem_classes="pane-foot"):
                page.note = gr.HTML(
                    "", elem_id="note", padding=False, js_on_load=_IS_READ_OUT
                )
                copy = gr.Button(
                    "Copy", size="sm", scale=0, min_width=80, elem_id="copy"
                )
    page.words = gr.Radio(
        label="Other words", visible=False, elem_id="words", elem_classes="list"
    )
    with gr.Row(elem_id="actions"):
        page.button = gr.Button("Translate", variant="primary", elem_id="translate")
        page.as_typed = gr.Checkbox(
            True,
            label="Translate as I type",
            container=False,
            elem_id="as-typed",
            min_width=190,
            scale=0,
        )
        gr.HTML(
            "<p class='note'>Shift + Enter translates. Words are underlined where the "
            "model was <span class='word fair'>less</span> or <span class='word "
            "unsure'>hardly</span> sure; click one to choose another.</p>",
            padding=False,
            elem_id="legend",
        )
    page.sentence = gr.Dropdown(
        label="Sentence", visible=False, filterable=False, elem_id="sentence"
    )
    page.offers = gr.Radio(
        label="Translations, with their scores (log-probability by length; closer to "
        "0 is better)",
        visible=False,
        elem_id="offers",
        elem_classes="list",
    )
    examples = EXAMPLES.get(own.source_language, ())
    page.examples = gr.Dataset(
        components=[gr.Textbox(visible=False)],
        samples=[[text] for text in examples],
        label="Try one of these",
        elem_id="examples",
        visible=bool(examples),
    )
    with gr.Accordion("Settings of the search", open=False), gr.Row():
        page.beam_size = gr.Slider(
            **_beam_look(own), step=1, label="Beam size", elem_id="beam-size"
        )
        page.count = gr.Slider(
            1,
            LIMITS.hypotheses,
            DEFAULT_ALTERNATIVES,
            step=1,
            label="Alternatives",
            info="Translations to list, at most as many as the beam size.",
        )
    copy.click(None, js="() => window.translatorCopy()", **_QUICK)
    page.inputs = [page.source, page.beam_size, page.count]
    page.choices = [page.sentence, page.offers, page.words]
    return page


def _connect(
    handlers: Handlers, page: SimpleNamespace, shown: gr.State, model: gr.Dropdown
) -> None:
    """What happens in the first tab."""
    state = [page.target, shown, *page.choices]
    limit = handlers.find(next(iter(handlers.translators))).max_characters
    asked = {
        "fn": handlers.show_asked,
        "inputs": [model, *page.inputs],
        "outputs": [*state, page.note],
        "show_progress_on": page.target,
        **_MODEL,
    }
    # A text may be gone when its translation comes.
    settle = {
        "fn": handlers.forget_if_blank,
        "inputs": [page.source],
        "outputs": [*state, page.note],
        **_QUICK,
    }
    for trigger in (page.button.click, page.source.submit):
        trigger(**asked).success(**_ARRIVED).then(**settle)
    # First, as what comes after `translatorTyped` waits for it.
    page.source.change(
        None,
        [page.source],
        [page.counter],
        js=f"(text) => window.translatorCount(text, {limit})",
        **_QUICK,
    )
    # Gradio's `input` is that of keys alone: no paste, no delete, no phone.
    page.source.change(
        handlers.show_typed,
        [page.source, page.as_typed, model, page.beam_size, page.count],
        [*state, page.note],
        js="(...values) => window.translatorTyped(...values)",
        trigger_mode="always_last",
        show_progress="hidden",
        **_MODEL,
    ).success(**_ARRIVED).then(**settle)
    page.examples.click(
        lambda sample: sample[0], [page.examples], [page.source], **_QUICK
    ).then(**asked).success(**_ARRIVED)
    for slider in (page.beam_size, page.count):
        again = asked | {"fn": handlers.show_linked}
        slider.release(**again).success(**_ARRIVED)
    page.clear.click(
        lambda: ("", "", None, *[gr.update(visible=False)] * 3, ""),
        None,
        [page.source, *state, page.note],
        **_QUICK,
    ).then(**_ARRIVED).then(None, js=_TO_THE_TEXT, **_QUICK)
    clicked = page.target.click(
        handlers.show_words,
        [shown],
        [shown, page.words, page.sentence, page.offers],
        show_progress="hidden",
        **_INSIDE,
    )
    for end in (clicked.success, clicked.failure):
        end(None, js="() => window.translatorShowWords()", **_QUICK)
    page.words.input(handlers.choose_word, [shown, page.words], state, **_QUICK).then(
        None, js="() => window.translatorBackToWord()", **_QUICK
    )
    page.offers.input(
        handlers.choose_offer, [shown, page.sentence, page.offers], state, **_QUICK
    )
    page.sentence.input(
        handlers.show_sentence,
        [shown, page.sentence],
        [page.offers, page.words],
        **_QUICK,
    )


def _connect_models(
    handlers: Handlers,
    page: SimpleNamespace,
    model: gr.Dropdown,
    swap: gr.Button,
    inside: SimpleNamespace,
    about: list,
) -> None:
    """What happens when another model is chosen."""

    def show_model(title: Any) -> tuple:
        with errors_in_a_sentence():
            own = handlers.find(title)
        examples = EXAMPLES.get(own.source_language, ())
        return (
            gr.update(**_source_look(own)),
            _target_name(own),
            gr.update(samples=[[text] for text in examples], visible=bool(examples)),
            gr.update(**_beam_look(own)),
            gr.update(interactive=_reverse_of(handlers.translators, title) is not None),
        )

    def reverse(title: Any, shown: Any) -> tuple:
        with errors_in_a_sentence():
            handlers.find(title)
        other = _reverse_of(handlers.translators, title)
        return (
            gr.skip() if other is None else other,
            gr.skip() if shown is None else shown.text,
        )

    looks = [page.source, page.target_name, page.examples, page.beam_size, swap]
    retranslate = {
        "fn": handlers.show_translation,
        "inputs": [model, *page.inputs],
        "outputs": [page.target, page.shown, *page.choices, page.note],
        **_MODEL,
    }
    swap.click(reverse, [model, page.shown], [model, page.source], **_QUICK)
    choices = [_choices_of, [page.shown, page.sentence], [inside.choice]]
    changed = model.change(show_model, [model], looks, **_QUICK).then(**retranslate)
    changed.success(None, js=_CHOSEN, **_QUICK)
    changed.then(*choices, **_QUICK).then(**inside.show)
    model.change(_about(handlers), [model], about, **_QUICK)


def _inside_tab(
    handlers: Handlers, shown: gr.State, beam_size: gr.Slider
) -> SimpleNamespace:
    """The second tab: attention, beam and gates of one sentence."""
    choice = gr.Dropdown(
        label="Sentence",
        visible=False,
        filterable=False,
        elem_id="inside-sentence",
    )
    traces = gr.State(None, time_to_live=3600)
    view = gr.State("attention", time_to_live=3600)
    with gr.Tabs():
        with gr.Tab("Attention") as attention_tab:
            attention = gr.HTML(NOTHING, elem_id="attention", padding=False)
        with gr.Tab("Beam search") as beam_tab:
            tree = gr.HTML(NOTHING, elem_id="beam", padding=False)
            gr.Markdown(
                "Each box is a beginning of a translation: its last token and its "
                "score. At every position, a column, the best are kept and the others "
                "(dashed) are dropped; complete ones are green. The thick line leads "
                "to the best. Point at a box for its probability.",
                elem_classes="note",
            )
        with gr.Tab("Gates") as gates_tab:
            gates = gr.HTML(NOTHING, elem_id="gates", padding=False)
            gr.Markdown(
                "The update gate *z* is the share of its state that a GRU keeps at a "
                "token; the reset gate *r* is the share of the past that the new "
                "candidate *c* sees: h = z · h before + (1 − z) · c.",
                elem_classes="note",
            )
            with gr.Row():
                cell = gr.Dropdown(
                    label="One GRU, unit by unit",
                    visible=False,
                    filterable=False,
                    elem_id="cell",
                )
                step = gr.Slider(
                    1, 2, 1, step=1, label="Step", visible=False, elem_id="step"
                )
                play = gr.Button(
                    "▶ Play", visible=False, scale=0, min_width=110, elem_id="play"
                )
            units = gr.HTML("", elem_id="units", padding=False)
            timer = gr.Timer(0.9, active=False)
    show = {
        "fn": handlers.show_inside,
        "inputs": [view, shown, choice, beam_size],
        "outputs": [attention, tree, gates, traces, cell, step, play, units],
        **_INSIDE,
    }
    choice.input(**show)
    tabs = {"attention": attention_tab, "beam": beam_tab, "gates": gates_tab}
    for name, tab in tabs.items():
        tab.select(lambda name=name: name, None, [view], **_QUICK).then(**show)
    show_units = {
        "fn": show_step,
        "inputs": [traces, cell, step],
        "outputs": [units],
        **_QUICK,
    }
    step.change(**show_units)
    cell.input(_first_step, [traces, cell], [step], **_QUICK).then(**show_units)
    play.click(
        lambda label: (
            gr.Timer(active="Play" in label),
            "❚❚ Pause" if "Play" in label else "▶ Play",
        ),
        [play],
        [timer, play],
        **_QUICK,
    )
    timer.tick(_next_step, [traces, cell, step], [step, timer, play], **_QUICK)
    return SimpleNamespace(choice=choice, show=show)


def _files_tab(handlers: Handlers, model: gr.Dropdown) -> None:
    gr.Markdown(
        "Text (`.txt`), tables (`.csv`, `.tsv`) and subtitles (`.srt`) of up to "
        f"{LIMITS.request_characters:,} characters come back in the same form. Cells "
        "that a spreadsheet would take for a formula are made harmless.",
        elem_classes="note",
    )
    with gr.Row():
        source = gr.File(
            label="File", file_types=list(FORMATS), elem_id="file", min_width=320
        )
        result = gr.File(
            label="Translation",
            interactive=False,
            visible=False,
            elem_id="translated-file",
            min_width=320,
        )
    column = gr.Textbox(
        label="Only this column of a table",
        placeholder="Its name, or its number from 1; empty: all cells with letters",
        max_lines=1,
        elem_id="column",
    )
    with gr.Row():
        start = gr.Button("Translate the file", variant="primary", elem_id="start")
        stop = gr.Button(
            "Stop", elem_id="stop", scale=0, min_width=110, interactive=False
        )
    progress = gr.HTML("", elem_id="progress", padding=False, js_on_load=_IS_READ_OUT)
    begun, ended = (gr.update(interactive=is_running) for is_running in (True, False))
    nothing = "", gr.update(visible=False)
    source.change(lambda: nothing, None, [progress, result], **_QUICK)
    work = start.click(
        lambda: (*nothing, begun), None, [progress, result, stop], **_QUICK
    ).then(
        handlers.translate_file,
        [model, source, column],
        [progress, result],
        show_progress="hidden",
        api_visibility="private",
        concurrency_id="files",
        concurrency_limit=1,
    )
    for end in (work.then, work.failure):
        end(lambda: ended, None, [stop], **_QUICK)
    stop.click(None, cancels=[work], **_QUICK).then(
        lambda: ("<p class='note'>Stopped.</p>", gr.update(visible=False), ended),
        None,
        [progress, result, stop],
        **_QUICK,
    ).then(None, js="() => document.querySelector('#start').focus()", **_QUICK)


def _compare_tab(handlers: Handlers, model: gr.Dropdown, first: str) -> None:
    own = handlers.find(first)
    text = gr.Textbox(
        label="Text to translate in two ways",
        placeholder="Such as greedy search beside a beam, or one model beside another",
        lines=2,
        max_lines=10,
        elem_id="compare-text",
    )
    settings, models, answers = [], [], []
    with gr.Row():
        for number, beam_size in (("A", 1), ("B", own.search.beam_size)):
            with gr.Column(min_width=320):
                models.append(
                    gr.Dropdown(
                        list(handlers.translators),
                        value=first,
                        label=f"Model {number}",
                        filterable=False,
                    )
                )
                settings.append(models[-1])
                settings.append(
                    gr.Slider(
                        1,
                        max(LIMITS.beam_size, own.search.beam_size),
                        own.search.beam_size if own.is_search_fixed else beam_size,
                        step=1,
                        label=f"Beam size {number}",
                        info="1 is greedy search.",
                    )
                )
                answers.append(gr.HTML(elem_classes="answer", container=True))
    button = gr.Button("Compare", variant="primary", elem_id="compare")
    for trigger in (button.click, text.submit):
        trigger(handlers.compare, [text, *settings], answers, **_MODEL)
    model.change(lambda title: [title] * 2, [model], models, **_QUICK)


def _about(handlers: Handlers) -> Callable:
    def about(title: Any) -> tuple:
        with errors_in_a_sentence():
            own = handlers.find(title)
        return (
            f"<p class='note'>{versions()}</p>",
            card_body(own.card) or "This model came without a card.",
            _curves_of(own),
        )

    return about


def _curves_of(own: Any) -> str:
    """Returns the training curves that stand beside a run, as HTML; or nothing."""
    path = own.folder and own.folder / CURVES_NAME
    if not (path and path.exists()):
        return ""
    picture = base64.b64encode(path.read_bytes()).decode()
    return (
        "<img alt='Loss and scores over the minutes of the training' "
        f"src='data:image/png;base64,{picture}'>"
    )


def versions() -> str:
    """Returns the versions of what runs here, in a line."""
    found = [f"translator {package.__version__}", f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _deep_link(handlers: Handlers) -> Callable:
    def follow(request: gr.Request) -> tuple:
        """Reads `?text=...&source=en&target=es`, or `&model=NAME`."""
        asked = request.query_params
        if not asked:  # somebody may be typing already
            return gr.skip(), gr.skip()

        def fits(own: Any) -> bool:
            facts = {
                "model": own.name,
                "source": own.source_language,
                "target": own.target_language,
            }
            return all(asked.get(name, value) == value for name, value in facts.items())

        fitting = [t for t, own in handlers.translators.items() if fits(own)]
        if not fitting:
            gr.Warning("This server has no such model; another one is shown.")
        title = next(iter(fitting or handlers.translators))
        return title, asked.get("text", gr.skip())

    return follow


def _choices_of(shown: Any, sentence: Any) -> Any:
    """The sentences to look into: those of the first tab, the same one chosen."""
    if shown is None:
        return gr.update(choices=[], value=None, visible=False)
    choices = [
        (f"{number}. {own.source_text}", number - 1)
        for number, own in enumerate(shown.sentences, start=1)
    ]
    return gr.update(choices=choices, value=sentence or 0, visible=bool(choices))


def _first_step(traces: Any, name: Any) -> Any:
    lengths = {trace.name: len(trace.tokens) for trace in traces or ()}
    return gr.update(value=1, maximum=lengths.get(name, 2))


def _next_step(traces: Any, name: Any, step: Any) -> tuple:
    """Goes on by one step; stops at the last one."""
    lengths = {trace.name: len(trace.tokens) for trace in traces or ()}
    last = lengths.get(name, 1)
    if not isinstance(step, int | float) or step >= last:
        return 1, gr.Timer(active=False), "▶ Play"
    return step + 1, gr.skip(), gr.skip()


def _reverse_of(by_title: dict[str, Any], title: str) -> str | None:
    """Returns the first model that translates back."""
    own = by_title[title]
    for other_title, other in by_title.items():
        if (other.source_language, other.target_language) == (
            own.target_language,
            own.source_language,
        ):
            return other_title
    return None


def _api_endpoints(handlers: Handlers, first: str) -> dict[str, Callable]:
    """What `gradio_client` can call: name -> function. The first one has no choice of
    models, as it had before there were several."""
    own = handlers.find(first)

    def translate(
        text: str, beam_size: int = own.search.beam_size, num_alternatives: int = 1
    ) -> tuple[str, list[dict[str, Any]]]:
        """Translates a text of any number of sentences and lines.

        Args:
            text: What to translate.
            beam_size: Hypotheses kept at each position; 1 is greedy search.
            num_alternatives: Translations to list for each sentence, best first;
                never more than beam_size.

        Returns:
            translation: The translated text; white space between sentences is kept.
            sentences: For each sentence its `source` and its `alternatives`, each
                with `translation` and `score`, the length-normalised natural-log
                probability.
        """
        return translate_with(own.name, text, beam_size, num_alternatives)

    def translate_with(
        model: str,
        text: str,
        beam_size: int = own.search.beam_size,
        num_alternatives: int = 1,
    ) -> tuple[str, list[dict[str, Any]]]:
        """Translates with one of several models.

        Args:
            model: Its name.
            text: What to translate.
            beam_size: Hypotheses kept at each position; 1 is greedy search.
            num_alternatives: Translations to list for each sentence, best first;
                never more than beam_size.

        Returns:
            translation: As of `translate`.
            sentences: As of `translate`.
        """
        with errors_in_a_sentence():
            titles = {own.name: title for title, own in handlers.translators.items()}
            title = titles.get(model, model) if isinstance(model, str) else model
            shown = handlers.run(title, text, beam_size, num_alternatives)
        return shown.text, [
            {
                "source": sentence.source_text,
                "alternatives": [
                    {"translation": hypothesis.text, "score": hypothesis.score}
                    for hypothesis in sentence.hypotheses
                ],
            }
            for sentence in shown.sentences
        ]

    return {"translate": translate, "translate_with": translate_with}


# ---- looks

_SOURCE = {
    "lines": 5,
    "max_lines": 18,
    "autofocus": True,
    "elem_id": "source",
}

# What the browser does behind a translation: see page.js.
_ARRIVED = {"fn": None, "js": "() => window.translatorArrived()", **_QUICK}
_CHOSEN = "() => { window.translatorArrived(); window.translatorChosen(); }"
_TO_THE_TEXT = "() => document.querySelector('#source textarea').focus()"
_IS_READ_OUT = "element.setAttribute('role', 'status');"
# A click, or Enter, on a word tells which one it was.
_WORD_CLICKS = """
const tell = (event) => {
  const word = event.target.closest("[data-start]");
  if (!word) return;
  if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  window.translatorAsked(word, event);
  const { sentence, start, end } = word.dataset;
  trigger("click", { sentence: +sentence, start: +start, end: +end });
};
element.addEventListener("click", tell);
element.addEventListener("keydown", tell);
element.setAttribute("aria-live", "polite");  // it is read out when it changes
"""


def _target_name(own: Any) -> str:
    name = escape(language_name(own.target_language))
    return f"<span data-model='{escape(own.name)}'>{name}</span>"


def _source_look(own: Any) -> dict[str, Any]:
    name = language_name(own.source_language)
    return {
        "label": name,
        "placeholder": f"Type or paste {name} text",
        "rtl": is_right_to_left(own.source_language),
        "html_attributes": gr.InputHTMLAttributes(lang=own.source_language),
    }


def _beam_look(own: Any) -> dict[str, Any]:
    return {
        "minimum": 1,
        "maximum": max(LIMITS.beam_size, own.search.beam_size),
        "value": own.search.beam_size,
        "interactive": not own.is_search_fixed,
        "info": "Fixed when this model was exported."
        if own.is_search_fixed
        else "Hypotheses kept at each position. 1 is greedy and quickest.",
    }


def page_theme() -> gr.themes.Base:
    """Neutral greys, one blue; the fonts of the reader's system (see page.css)."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="zinc",
        radius_size="md",
        font=[gr.themes.Font("sans-serif")],
        font_mono=[gr.themes.Font("monospace")],
    ).set(
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary_dark="*neutral_900",
        block_background_fill_dark="*neutral_900",
        body_text_color_subdued="*neutral_500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        table_even_background_fill_dark="*neutral_900",
    )
