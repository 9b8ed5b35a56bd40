"""What the page does when somebody types, clicks or chooses: free of any layout.

Whatever a browser sends is checked: the page's own events can be called by programs.
"""

import html
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
import numpy as np

from translator.config import SearchConfig
from translator.errors import UserError
from translator.files.document import Document, translated_name
from translator.inspection import (
    Alternative,
    GateTrace,
    alternatives,
    read_gates,
    search_tree,
)
from translator.languages import language_name
from translator.serving.detection import Detector
from translator.serving.errors import explain
from translator.serving.files import MAX_TEXTS
from translator.serving.service import Limits
from translator.text import SplitText, printable
from translator.translations import Hypothesis, SentenceTranslation
from translator.web.markup import (
    alignment_markup,
    escape,
    step_markup,
    translation_markup,
    words_of,
)
from translator.web.pictures import (
    attention_picture,
    gates_overview,
    tree_picture,
    units_picture,
)

LIMITS = Limits()  # a visitor may ask for what a program may
DEFAULT_ALTERNATIVES = 3
MAX_TYPED = 3_000  # characters that are translated at each pause of typing
NUM_WORDS = 6  # other words to choose among
_DETECTED = 2_000  # characters by which a language is known
_ATTENTION_BYTES = 1_000_000  # that are kept for a visitor

TOO_LONG = (
    "<p class='note'>The attention is kept for shorter texts only. Translate this "
    "sentence alone.</p>"
)
NOTHING = "<p class='note'>Translate something first; it is shown here.</p>"


@dataclass(frozen=True)
class Shown:
    """A translation as one visitor sees it.

    Attributes:
        title: Of the model that made it.
        parts: The text, in sentences.
        sentences: Their translations.
        offers: For each sentence all hypotheses to choose among.
        chosen: For each sentence, which of them is shown.
        word: The word that was asked for: sentence, start and end in its translation.
        words: What could stand in its place.
    """

    title: str
    parts: SplitText
    sentences: Sequence[SentenceTranslation]
    offers: Sequence[Sequence[Hypothesis]]
    chosen: Sequence[int]
    word: tuple[int, int, int] | None = None
    words: Sequence[Alternative] = ()

    @property
    def hypotheses(self) -> list[Hypothesis]:
        """The chosen translation of each sentence."""
        return [own[place] for own, place in zip(self.offers, self.chosen, strict=True)]

    @property
    def text(self) -> str:
        """The whole translation, with the text's own white space."""
        return self.parts.join([hypothesis.text for hypothesis in self.hypotheses])

    def choose(self, sentence: int, place: int) -> "Shown":
        """Returns it with another hypothesis of a sentence."""
        chosen = [*self.chosen]
        chosen[sentence] = place
        return replace(self, chosen=chosen, word=None, words=())

    def add(self, sentence: int, hypothesis: Hypothesis) -> "Shown":
        """Returns it with a hypothesis that is offered from now on, and chosen."""
        offers = [list(own) for own in self.offers]
        texts = [own.text for own in offers[sentence]]
        if hypothesis.text not in texts:
            offers[sentence].append(hypothesis)
            texts.append(hypothesis.text)
        place = texts.index(hypothesis.text)
        return replace(self, offers=offers).choose(sentence, place)


class Handlers:
    """The page's answers, over any number of models.

    Args:
        translators: Title -> `TextTranslator`, at least one.
        detector: Of languages, if there is one.
    """

    def __init__(
        self, translators: Mapping[str, Any], detector: Detector | None = None
    ):
        self.translators = dict(translators)
        self.detector = detector

    # ---- what the translator does

    def find(self, title: Any) -> Any:
        """Returns a translator by its title.

        Raises:
            UserError: There is none.
        """
        if not isinstance(title, str) or title not in self.translators:
            known = ", ".join(self.translators)
            raise UserError(
                f"there is no model {title!r:.60}. There are: {known}. An open page "
                "has to be reloaded."
            )
        return self.translators[title]

    def run(self, title: Any, text: Any, beam_size: Any, count: Any) -> Shown:
        """Checks what came over the wire, and translates it.

        Raises:
            UserError: An unknown model, too long a text, or a value of a wrong type.
        """
        translator = self.find(title)
        text = checked_text(text, translator.max_characters)
        search = self.search(translator, beam_size)
        count = checked_count(count, "the number of alternatives", LIMITS.hypotheses)
        count = min(count, search.beam_size)
        [translation] = translator.translate([text], search, count)
        sentences = _with_bounded_attention(translation.sentences)
        return Shown(
            title,
            translation.parts,
            sentences,
            [sentence.hypotheses for sentence in sentences],
            [0] * len(sentences),
        )

    def search(self, translator: Any, beam_size: Any) -> SearchConfig:
        """Returns a translator's search with another beam size."""
        longest = max(LIMITS.beam_size, translator.search.beam_size)
        beam_size = checked_count(beam_size, "the beam size", longest)
        return translator.search.model_copy(update={"beam_size": beam_size})

    def doubt(self, title: Any, text: str) -> str:
        """Returns a hint for a text that is in another language than the model reads;
        empty if it may well be in that."""
        expected = self.find(title).source_language
        other = None
        if self.detector:
            other = self.detector.find_other(text[:_DETECTED], expected)
        if other is None:
            return ""
        hint = f"This does not look like {language_name(expected)}"
        return f"{hint}, but like {language_name(other)}." if other else f"{hint}."

    # ---- the first tab

    def show_translation(self, title: Any, text: Any, beam: Any, count: Any) -> tuple:
        """Returns the translation, what is known about it, and what is offered."""
        with errors_in_a_sentence():
            start = time.perf_counter()
            shown = self.run(title, text, beam, count)
            seconds = time.perf_counter() - start
        if not shown.sentences:
            return (*self._nothing(shown), "")
        words = "sentence" if len(shown.sentences) == 1 else "sentences"
        # Not read out at each pause of typing, as a hint is.
        note = f"{len(shown.sentences)} {words}, {seconds * 1000:,.0f} ms"
        note = f"<span aria-hidden='true'>{note}</span>"
        if hint := self.doubt(title, text):
            note = f"<span class='hint'>{escape(hint)}</span> {note}"
        return (*self._shown(shown, 0), note)

    def show_typed(
        self, text: Any, is_wanted: Any, title: Any, beam: Any, count: Any
    ) -> tuple:
        """As `show_translation`, at a pause of typing: if it is wanted, and short."""
        size = len(text) if isinstance(text, str) else 0
        if not size or (is_wanted and size <= MAX_TYPED):
            return self.show_translation(title, text, beam, count)
        # What is shown is that of another text: the look of `stale` says so.
        told = "A long text: press Translate."
        if size <= MAX_TYPED:
            told = "The text has changed: press Translate."
        with errors_in_a_sentence():
            surplus = size - self.find(title).max_characters
        if surplus > 0:
            told = f"{surplus:,} characters too many."
        return *(gr.skip(),) * 5, f"<span class='stale'>{told}</span>"

    def forget_if_blank(self, text: Any) -> tuple:
        """Empties the first tab if there is no text any more."""
        if isinstance(text, str) and not text:
            return *self._nothing(None), ""
        return (gr.skip(),) * 6

    def show_linked(self, title: Any, text: Any, beam: Any, count: Any) -> tuple:
        """As `show_translation`, for the text of a link, if it had one."""
        if not text:
            return (gr.skip(),) * 6
        return self.show_translation(title, text, beam, count)

    def show_asked(self, title: Any, text: Any, beam: Any, count: Any) -> tuple:
        """As `show_translation`, for somebody who asked; says if there is nothing."""
        if not (isinstance(text, str) and text.strip()):
            gr.Info("Write something to translate first.", title="Nothing to translate")
        return self.show_translation(title, text, beam, count)

    def show_sentence(self, shown: Shown | None, sentence: Any) -> tuple:
        """Returns the choices of another sentence."""
        if shown is None:
            return gr.update(visible=False), gr.update(visible=False)
        with errors_in_a_sentence():
            sentence = checked_place(sentence, len(shown.sentences))
        is_asked = shown.word is not None and shown.word[0] == sentence
        words = gr.skip() if is_asked else gr.update(visible=False)
        return self._offers(shown, sentence), words

    def show_words(self, shown: Shown | None, event: gr.EventData) -> tuple:
        """Returns other words for the one that was clicked."""
        if shown is None:
            return (gr.skip(),) * 4
        with errors_in_a_sentence():
            sentence = checked_place(event.sentence, len(shown.sentences))
            hypothesis = shown.hypotheses[sentence]
            spans = {word[:2] for word in words_of(hypothesis)}
            span = (event.start, event.end)
            if span not in spans:
                raise UserError("there is no such word. Translate the text again.")
            own = shown.sentences[sentence]
            found = alternatives(
                self.find(shown.title),
                own.source_text,
                hypothesis.text[: span[0]],
                NUM_WORDS + 1,
                is_protected=own.is_protected,
            )
            others = (o for o in found if o.hypothesis.text != hypothesis.text)
            found = list(islice(others, NUM_WORDS))
            shown = replace(shown, word=(sentence, *span), words=found)
        word = hypothesis.text[slice(*span)]
        choices = [
            (f"{other.word}  ·  {other.hypothesis.text}", place)
            for place, other in enumerate(found)
        ]
        return (
            shown,
            gr.update(
                choices=choices,
                value=None,
                label=f"Instead of “{word}”, and what follows then",
                visible=True,
            ),
            gr.update(value=sentence),
            self._offers(shown, sentence),
        )

    def choose_word(self, shown: Shown | None, place: Any) -> tuple:
        """Puts another word, and what follows, in the place of the one clicked."""
        if shown is None or shown.word is None or place is None:
            return (gr.skip(),) * 5
        with errors_in_a_sentence():
            place = checked_place(place, len(shown.words))
            sentence = shown.word[0]
            shown = shown.add(sentence, shown.words[place].hypothesis)
        return self._shown(shown, sentence)

    def choose_offer(self, shown: Shown | None, sentence: Any, place: Any) -> tuple:
        """Shows another translation of a sentence."""
        if shown is None or place is None:
            return (gr.skip(),) * 5
        with errors_in_a_sentence():
            sentence = checked_place(sentence, len(shown.sentences))
            place = checked_place(place, len(shown.offers[sentence]))
            shown = shown.choose(sentence, place)
        return self._shown(shown, sentence)

    def _shown(self, shown: Shown, sentence: int) -> tuple:
        """The state of the first tab: target, state, sentence, offers, words."""
        translator = self.find(shown.title)
        choices = [
            (f"{number}. {_shortened(own.source_text)}", number - 1)
            for number, own in enumerate(shown.sentences, start=1)
        ]
        return (
            translation_markup(
                shown.parts,
                shown.hypotheses,
                translator.target_language,
                translator.can_be_inspected,
            ),
            shown,
            gr.update(choices=choices, value=sentence, visible=len(choices) > 1),
            self._offers(shown, sentence),
            gr.update(visible=False),
        )

    def _nothing(self, shown: Shown | None) -> tuple:
        """The state of the first tab without choices: the text as it is, if any."""
        empty = gr.update(visible=False)
        if shown is None:
            return "", None, empty, empty, empty
        text = escape(shown.text)
        text = f"<div class='translation' data-text='{text}'>{text}</div>"
        return text if shown.text.strip() else "", None, empty, empty, empty

    def _offers(self, shown: Shown, sentence: int) -> Any:
        choices = [
            (f"{hypothesis.text}  ({hypothesis.score:.2f})", place)
            for place, hypothesis in enumerate(shown.offers[sentence])
        ]
        return gr.update(
            choices=choices, value=shown.chosen[sentence], visible=len(choices) > 1
        )

    # ---- looking inside

    def show_attention(self, shown: Shown | None, sentence: Any) -> str:
        """Returns where the model looked, as two lines of tokens and as a map."""
        with errors_in_a_sentence():
            own = self._sentence(shown, sentence)
            if own is None:
                return NOTHING
            source, best = own.source_tokens, shown.hypotheses[sentence]
        if not best.attention_weights.size and best.tokens:
            return TOO_LONG
        return alignment_markup(
            source, best.tokens, best.attention_weights
        ) + _with_picture(
            "attention",
            attention_picture(source, best.tokens, best.attention_weights),
        )

    def show_inside(
        self, view: Any, shown: Shown | None, sentence: Any, beam_size: Any
    ) -> tuple:
        """Returns what the second tab shows of a sentence: the attention, and of the
        other views the one that is open; those that are not are of no text any more.

        Args:
            view: `attention`, `beam` or `gates`.
            shown, sentence, beam_size: As of each view.
        """
        hidden = gr.update(visible=False)
        tree, gates = NOTHING, (NOTHING, None, hidden, hidden, hidden, "")
        if view == "beam":
            tree = self.show_tree(shown, sentence, beam_size)
        if view == "gates":
            gates = self.show_gates(shown, sentence)
        return self.show_attention(shown, sentence), tree, *gates

    def show_tree(self, shown: Shown | None, sentence: Any, beam_size: Any) -> str:
        """Returns the tree of the search."""
        with errors_in_a_sentence():
            own = self._sentence(shown, sentence)
            if own is None:
                return NOTHING
            translator = self.find(shown.title)
            if not translator.can_be_inspected:
                return _refusal("its search is fixed inside the SavedModel")
            search = self.search(translator, beam_size)
            nodes = search_tree(translator, own.source_text, search, own.is_protected)
        return _with_picture("beam", tree_picture(nodes))

    def show_gates(self, shown: Shown | None, sentence: Any) -> tuple:
        """Returns the gates of all GRUs, and the traces to play through."""
        with errors_in_a_sentence():
            own = self._sentence(shown, sentence)
            hidden = gr.update(visible=False)
            if own is None:
                return NOTHING, None, hidden, hidden, hidden, ""
            translator = self.find(shown.title)
            if not translator.has_gates:
                told = _refusal("there are no gates in exports")
                return told, None, hidden, hidden, hidden, ""
            tokens = shown.hypotheses[sentence].tokens
            traces = read_gates(translator, own.source_text, tokens, own.is_protected)
        names = [trace.name for trace in traces]
        return (
            _with_picture("gates", gates_overview(traces)),
            traces,
            gr.update(choices=names, value=names[0], visible=True),
            gr.update(maximum=len(traces[0].tokens), value=1, visible=True),
            gr.update(visible=True),
            show_step(traces, names[0], 1),
        )

    @staticmethod
    def _sentence(shown: Shown | None, sentence: Any) -> SentenceTranslation | None:
        """Returns a sentence with tokens, or None."""
        if shown is None or sentence is None:
            return None
        sentence = checked_place(sentence, len(shown.sentences))
        own = shown.sentences[sentence]
        return own if shown.hypotheses[sentence].tokens else None

    # ---- files

    def translate_file(self, title: Any, path: Any, column: Any) -> Iterator[tuple]:
        """Translates a file, piece by piece; to stop it, drop the iterator.

        Args:
            title: Of a model.
            path: The uploaded file.
            column: Of a table, the only one to translate; empty: all.

        Yields:
            How far it is, as HTML, and the translated file at the end.
        """
        with errors_in_a_sentence(), TemporaryDirectory() as folder:
            translator = self.find(title)
            if not isinstance(path, str):
                raise UserError("choose a file first.")
            column = checked_text(column, 1_000).strip()
            name = Path(path).name
            document = Document(
                Path(path), translator.max_characters, column, name=name
            )
            if document.num_characters > LIMITS.request_characters:
                raise UserError(
                    f"{name} has {document.num_characters:,} characters to translate; "
                    f"at most {LIMITS.request_characters:,} are accepted here. Use "
                    "`translator translate --input` for more."
                )
            target = Path(folder) / translated_name(
                Path(name), translator.target_language
            )
            start = time.perf_counter()
            with closing(document.pieces(target, MAX_TEXTS)) as pieces:
                for piece in pieces:
                    found = translator.translate(piece.texts)
                    piece.translations = [own.text for own in found]
                    yield progress_markup(*piece.progress), gr.update(visible=False)
            seconds = time.perf_counter() - start
            done = f"{document.num_characters:,} characters in {seconds:,.1f} s."
            file = gr.update(value=str(target), visible=True)
            yield f"<p class='note'>Done: {done}</p>", file

    # ---- comparing

    def compare(self, text: Any, *settings: Any) -> list[str]:
        """Translates one text in several ways.

        Args:
            text: Any text.
            settings: Title and beam size of the first way, of the second, and so on.
        """
        if not (isinstance(text, str) and text.strip()):
            gr.Info("Write something to translate first.", title="Nothing to translate")
            return [""] * (len(settings) // 2)
        answers = []
        with errors_in_a_sentence():
            for title, beam_size in zip(settings[::2], settings[1::2], strict=True):
                translator = self.find(title)
                start = time.perf_counter()
                shown = self.run(title, text, beam_size, 1)
                seconds = time.perf_counter() - start
                scores = [hypothesis.score for hypothesis in shown.hypotheses]
                told = f"{seconds * 1000:,.0f} ms"
                if scores:
                    told += f", score {sum(scores) / len(scores):.2f}"
                answers.append(
                    translation_markup(
                        shown.parts,
                        shown.hypotheses,
                        translator.target_language,
                        is_clickable=False,
                    )
                    + f"<p class='note'>{told}</p>"
                )
        return answers


def show_step(traces: Sequence[GateTrace] | None, name: Any, step: Any) -> str:
    """Returns one step of one GRU.

    Args:
        traces: Of all GRUs.
        name: Of one of them.
        step: From 1; the last one stands for all behind it.
    """
    if not traces:
        return ""
    with errors_in_a_sentence():
        by_name = {trace.name: trace for trace in traces}
        if not isinstance(name, str) or name not in by_name:
            raise UserError(f"there is no GRU {name!r:.60}. Reload the page.")
        trace = by_name[name]
        step = min(checked_count(step, "the step", 10_000), len(trace.tokens)) - 1
    return step_markup(trace, step) + _with_picture("units", units_picture(trace, step))


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


def checked_count(value: Any, name: str, maximum: int) -> int:
    """Returns a whole number from 1 to the maximum.

    Raises:
        UserError: It is something else.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # A slider in a browser may send 5.0; NaN and infinity are no whole numbers.
    if not is_number or (isinstance(value, float) and not value.is_integer()):
        raise UserError(f"{name} must be a whole number. Received: {_kind(value)}.")
    if not 1 <= value <= maximum:
        raise UserError(
            f"{name} must be from 1 to {maximum}. Received: {_kind(value)}."
        )
    return int(value)


def checked_place(value: Any, length: int) -> int:
    """Returns the place of one of several things.

    Raises:
        UserError: There is none.
    """
    if type(value) is not int or not 0 <= value < length:
        raise UserError("this is no longer there. Translate the text again.")
    return value


def progress_markup(done: int, total: int) -> str:
    """Returns a bar that says how far a file is, in characters."""
    share = done / max(total, 1)
    return (
        f"<label class='note'>{share:.0%} of {total:,} characters "
        f"<progress value='{done}' max='{total}'></progress></label>"
    )


def card_body(card: str) -> str:
    """Returns a model card without its YAML front matter, and without the pictures
    beside it, which a page elsewhere cannot show.

    Example:
        >>> card_body("---\\nlicense: cc-by-2.0\\n---\\n# A model\\n")
        '# A model\\n'
    """
    card = re.sub(r"^!\[.*?\]\([^)]*\)\n*", "", card, flags=re.M)
    return re.sub(r"\A---\r?\n.*?^---\s*?$\s*", "", card, flags=re.DOTALL | re.M)


@contextmanager
def errors_in_a_sentence():
    """Shows the user's mistakes as they are; ours in one sentence, and in the log."""
    try:
        yield
    except Exception as error:
        _, message = explain(error, "an event of the page")
        if message.split(" ")[0].isalpha():  # not the name of a file
            message = message[:1].upper() + message[1:]
        # Gradio renders the message as HTML, and it may quote the user's text.
        message = html.escape(message, quote=False)
        raise gr.Error(message, print_exception=False) from None


def _with_bounded_attention(
    sentences: Sequence[SentenceTranslation],
) -> list[SentenceTranslation]:
    """Returns them with no more attention than may be kept for each of many visitors:
    that of the best hypotheses goes first."""
    kept: list[list[Hypothesis]] = [[] for _ in sentences]
    left = _ATTENTION_BYTES
    for rank in range(max((len(own.hypotheses) for own in sentences), default=0)):
        for place, own in enumerate(sentences):
            for hypothesis in own.hypotheses[rank : rank + 1]:
                left -= hypothesis.attention_weights.nbytes
                if left < 0:
                    nothing = np.zeros((0, 0), np.float32)
                    hypothesis = replace(hypothesis, attention_weights=nothing)
                kept[place].append(hypothesis)
    return [
        replace(own, hypotheses=hypotheses)
        for own, hypotheses in zip(sentences, kept, strict=True)
    ]


def _with_picture(name: str, picture: str) -> str:
    return (
        f"<div class='with-picture' id='{name}-picture'>"
        f"<div class='scroll' tabindex='0'>{picture}</div>"
        "<button type='button' class='save-picture'>Save this picture</button></div>"
    )


def _refusal(reason: str) -> str:
    return (
        f"<p class='note'>Not with this model: {reason}. Serve the run folder of "
        "<code>translator train</code> to see it.</p>"
    )


def _kind(value: Any) -> str:
    return f"{value!r:.20}" if isinstance(value, int | float) else type(value).__name__


def _shortened(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
