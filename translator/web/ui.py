"""The page: a Gradio app over any object with the interface of `Translator`."""

import html
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from matplotlib.figure import Figure

from translator.errors import UserError
from translator.languages import is_right_to_left, language_name
from translator.plotting import attention_figure
from translator.text import printable

logger = logging.getLogger(__name__)

MAX_BEAM_SIZE = 16  # what one visitor may ask of a shared server
MAX_ALTERNATIVES = 10
DEFAULT_ALTERNATIVES = 3
MAX_TOGETHER = 16  # requests that wait for the model, to be translated together
MAX_WAITING = 64  # requests in the queue; later ones are told to come back

# What the page offers to somebody who does not know what to type.
EXAMPLES = {
    "en": (
        "Good morning! Did you sleep well?",
        "Could you tell me where the train station is?",
        "I have never seen such a beautiful garden.",
        "My brother wants to learn to play the guitar.",
        "It was raining, so we stayed at home. We cooked soup and watched a film.",
    ),
    "es": (
        "¡Buenos días! ¿Has dormido bien?",
        "¿Me puede decir dónde está la estación?",
        "Nunca he visto un jardín tan bonito.",
        "Llovía, así que nos quedamos en casa. Hicimos sopa y vimos una película.",
    ),
}


def build_app(translator: Any, examples: Sequence[str] | None = None) -> gr.Blocks:
    """Returns the page. It is neither launched nor does it load anything.

    Args:
        translator: A `Translator`, or any object with its `translate` method and
            its attributes.
        examples: Texts to try. Default: `EXAMPLES` of the source language.
    """
    source_name = language_name(translator.source_language)
    target_name = language_name(translator.target_language)
    if examples is None:
        examples = EXAMPLES.get(translator.source_language, ())
    handlers = Handlers(translator)
    with gr.Blocks(
        title=f"{source_name} to {target_name}",
        analytics_enabled=False,
        delete_cache=(3600, 3600),
    ) as app:
        _header(source_name, target_name)
        with gr.Row(equal_height=True):
            source = _source_box(source_name, translator.source_language)
            target = _target_box(target_name, translator.target_language)
        with gr.Row(elem_id="actions"):
            gr.Markdown(
                f"Up to {translator.max_characters:,} characters. "
                "Shift + Enter translates.",
                elem_classes="note",
            )
            button = gr.Button("Translate", variant="primary", elem_id="translate")
        results, sentence, alternatives, attention = _results()
        samples = _examples(examples, source)
        beam_size, num_alternatives = _advanced(handlers)
        with gr.Accordion("About this model", open=False):
            gr.Markdown(card_body(translator.card), elem_id="card")
        gr.api(
            _api_endpoint(handlers),
            api_name="translate",
            concurrency_id="model",
        )
        translation = gr.State(None, time_to_live=3600)
        private = {"api_visibility": "private", "concurrency_id": "model"}
        shown = {
            "fn": handlers.show_sentence,
            "inputs": [translation, sentence],
            "outputs": [alternatives, attention],
        }
        for trigger in (button.click, source.submit, *samples):
            trigger(
                handlers.show_translation,
                [source, beam_size, num_alternatives],
                [target, translation, sentence, results],
                show_progress_on=target,
                **private,
            ).success(**shown, show_progress="hidden", **private)
        sentence.input(**shown, **private)
    return app.queue(max_size=MAX_WAITING, default_concurrency_limit=MAX_TOGETHER)


def mount_page(app: FastAPI, page: gr.Blocks) -> FastAPI:
    """Puts the page at `/`, behind all other routes of an app: with its looks, its
    limits, its privacy.
    """
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=page_theme(),
        css_paths=Path(__file__).with_name("page.css"),
        footer_links=["api", "settings"],
        run_history=False,
        max_file_size="1mb",  # the page takes no files
        show_error=False,
        ssr_mode=False,
    )


def warm_up(translator: Any) -> None:
    """Answers a first request as the page would send it, so that no visitor waits for
    functions to be traced and fonts to be found."""
    handlers = Handlers(translator)
    beam_size = handlers.search.beam_size
    translation = handlers.run("Hello.", beam_size, DEFAULT_ALTERNATIVES)
    handlers.show_sentence(translation, 0)


class Handlers:
    """What the page's buttons and its API call, free of any layout."""

    def __init__(self, translator: Any):
        self._translator = translator
        self.is_search_fixed = translator.is_search_fixed
        # A SavedModel has its own search options; a run has a whole configuration.
        self.search = (
            translator.search if self.is_search_fixed else translator.config.search
        )
        self.max_beam_size = max(MAX_BEAM_SIZE, self.search.beam_size)

    def show_translation(
        self, text: Any, beam_size: Any, num_alternatives: Any
    ) -> tuple:
        """Returns the translation and new states of what is shown below it."""
        with _errors_in_a_sentence():
            translation = self.run(text, beam_size, num_alternatives)
        sentences = translation.sentences
        if not sentences:
            gr.Info("Write something to translate first.", title="Nothing to translate")
        choices = [
            (f"{number}. {_shortened(sentence.source_text)}", number - 1)
            for number, sentence in enumerate(sentences, start=1)
        ]
        return (
            translation.text,
            translation if sentences else None,
            gr.update(
                choices=choices,
                value=0 if sentences else None,
                visible=len(sentences) > 1,
            ),
            gr.update(visible=bool(sentences)),
        )

    def show_sentence(self, translation: Any, index: Any) -> tuple:
        """Returns the alternatives and the attention map of one sentence."""
        if translation is None or index is None:
            return [], None
        with _errors_in_a_sentence():
            sentence = translation.sentences[index]
            return alternative_rows(sentence), sentence_figure(sentence)

    def run(self, text: Any, beam_size: Any, num_alternatives: Any) -> Any:
        """Checks what came over the wire and translates it.

        Returns:
            A `Translation`.

        Raises:
            UserError: If the text is too long, or a value has the wrong type.
        """
        text = checked_text(text, self._translator.max_characters)
        beam_size = _checked_count(beam_size, "the beam size", self.max_beam_size)
        num_hypotheses = min(
            beam_size,
            _checked_count(
                num_alternatives, "the number of alternatives", MAX_ALTERNATIVES
            ),
        )
        search = self.search.model_copy(update={"beam_size": beam_size})
        return self._translator.translate([text], search, num_hypotheses)[0]


def checked_text(text: Any, max_characters: int) -> str:
    """Returns text that can be encoded as UTF-8.

    Lone surrogates, which JSON can carry, become U+FFFD; NUL is left out.

    Raises:
        UserError: If it is no text, or longer than the limit.

    Example:
        >>> checked_text("a\\ud800b\\0c", max_characters=5)
        'a\\ufffdbc'
    """
    if text is None:
        return ""
    if not isinstance(text, str):
        raise UserError(f"the text must be a string. Received: {_kind(text)}.")
    if len(text) > max_characters:
        raise UserError(
            f"the text has {len(text):,} characters, the limit is "
            f"{max_characters:,}. Translate it in parts."
        )
    return printable(text)


def card_body(card: str) -> str:
    """Returns a model card without its YAML front matter.

    Example:
        >>> card_body("---\\nlicense: cc-by-2.0\\n---\\n# A model\\n")
        '# A model\\n'
    """
    return re.sub(r"\A---\r?\n.*?^---\s*?$\s*", "", card, flags=re.DOTALL | re.M)


def alternative_rows(sentence: Any) -> list[list[str]]:
    """Returns translation and score of each hypothesis of a sentence, as text."""
    return [
        [hypothesis.text, f"{hypothesis.score:.2f}"]
        for hypothesis in sentence.hypotheses
    ]


def sentence_figure(sentence: Any) -> Figure | None:
    """Draws where the model looked for its best translation of a sentence.

    None for a sentence without tokens, such as one control character.
    """
    best = sentence.hypotheses[0]
    if not best.tokens:
        return None
    return attention_figure(sentence.source_tokens, best.tokens, best.attention_weights)


def _api_endpoint(handlers: Handlers) -> Callable:
    def translate(
        text: str,
        beam_size: int = handlers.search.beam_size,
        num_alternatives: int = 1,
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
        with _errors_in_a_sentence():
            translation = handlers.run(text, beam_size, num_alternatives)
        return translation.text, [
            {
                "source": sentence.source_text,
                "alternatives": [
                    {"translation": hypothesis.text, "score": hypothesis.score}
                    for hypothesis in sentence.hypotheses
                ],
            }
            for sentence in translation.sentences
        ]

    return translate


@contextmanager
def _errors_in_a_sentence():
    """Shows the user's mistakes as they are; ours in one sentence, and in the log."""
    try:
        yield
    except UserError as error:
        message = str(error)
        # Gradio renders the message as HTML, and it may quote the user's text.
        message = html.escape(message[:1].upper() + message[1:])
        raise gr.Error(message, print_exception=False) from None
    except Exception:
        logger.exception("a request failed")
        raise gr.Error(
            "Something went wrong on the server. Its log has the details.",
            print_exception=False,
        ) from None


def _checked_count(value: Any, name: str, maximum: int) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # A slider in a browser may send 5.0; NaN and infinity are no whole numbers.
    if not is_number or (isinstance(value, float) and not value.is_integer()):
        raise UserError(f"{name} must be a whole number. Received: {_kind(value)}.")
    if not 1 <= value <= maximum:
        raise UserError(
            f"{name} must be from 1 to {maximum}. Received: {_kind(value)}."
        )
    return int(value)


def _kind(value: Any) -> str:
    return f"{value!r:.20}" if isinstance(value, int | float) else type(value).__name__


def _shortened(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _header(source_name: str, target_name: str) -> None:
    gr.HTML(
        f"<h1>{html.escape(source_name)} <span class='arrow'>→</span> "
        f"{html.escape(target_name)}</h1>"
        "<p>Translated by a GRU network with attention, on the machine that serves "
        "this page.</p>",
        elem_id="header",
        padding=False,
    )


def _source_box(name: str, code: str) -> gr.Textbox:
    return gr.Textbox(
        label=name,
        placeholder=f"Type or paste {name} text",
        lines=7,
        max_lines=18,
        min_width=320,  # so that the boxes stack on a phone
        autofocus=True,
        elem_id="source",
        html_attributes=gr.InputHTMLAttributes(lang=code),
    )


def _target_box(name: str, code: str) -> gr.Textbox:
    return gr.Textbox(
        label=name,
        placeholder="The translation appears here",
        lines=7,
        max_lines=18,
        min_width=320,  # so that the boxes stack on a phone
        interactive=False,
        buttons=["copy"],
        elem_id="target",
        rtl=is_right_to_left(code),
        html_attributes=gr.InputHTMLAttributes(lang=code),
    )


def _results() -> tuple[gr.Column, gr.Dropdown, gr.Dataframe, gr.Plot]:
    with gr.Column(visible=False) as results:
        sentence = gr.Dropdown(
            label="Sentence shown below",
            visible=False,
            filterable=False,
            elem_id="sentence",
        )
        with gr.Tabs():
            with gr.Tab("Alternatives"):
                alternatives = gr.Dataframe(
                    headers=["Translation", "Score"],
                    datatype=["str", "str"],
                    type="array",
                    column_widths=["78%", "22%"],
                    interactive=False,
                    wrap=True,
                    show_label=False,
                    buttons=[],
                    elem_id="alternatives",
                )
                gr.Markdown(
                    "Score: natural-log probability, divided by a power of "
                    "the length. Closer to 0 is more likely.",
                    elem_classes="note",
                )
            with gr.Tab("Attention"):
                attention = gr.Plot(
                    format="png",
                    show_label=False,
                    container=False,
                    elem_id="attention",
                )
                gr.Markdown(
                    "How much each word part of the translation (rows) looked at each "
                    "part of the source (columns) when it was written.",
                    elem_classes="note",
                )
    return results, sentence, alternatives, attention


def _examples(examples: Sequence[str], source: gr.Textbox) -> list[Callable]:
    """Adds the examples; returns the events that should translate."""
    if not examples:
        return []
    samples = gr.Examples(
        [[text] for text in examples],
        source,
        label="Try one of these",
        api_visibility="private",
    )
    return [samples.load_input_event.success]


def _advanced(handlers: Handlers) -> tuple[gr.Slider, gr.Slider]:
    with gr.Accordion("Advanced", open=False), gr.Row():
        beam_size = gr.Slider(
            1,
            handlers.max_beam_size,
            handlers.search.beam_size,
            step=1,
            label="Beam size",
            info="Fixed when this model was exported."
            if handlers.is_search_fixed
            else "Hypotheses kept at each position. 1 is greedy and quickest.",
            interactive=not handlers.is_search_fixed,
        )
        num_alternatives = gr.Slider(
            1,
            MAX_ALTERNATIVES,
            DEFAULT_ALTERNATIVES,
            step=1,
            label="Alternatives",
            info="Translations to list, at most as many as the beam size.",
        )
    return beam_size, num_alternatives


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
