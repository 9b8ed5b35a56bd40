"""The models of a server: which there are, what they are asked, and how much of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from translator.config import SearchConfig, parse_config
from translator.errors import UserError
from translator.languages import language_name
from translator.serving.gathering import BusyError, Gatherer
from translator.text import SplitText, printable
from translator.text_translator import TextTranslator
from translator.translations import SentenceTranslation, Translation

# What a warm-up translates: it traces, and loads what is loaded at first use.
_WARM_UP = ("Hello.", "Where is it? I do not know.")
# Sentences that are translated before the first of them is streamed, and the most later
# on: each group is twice the one before.
_FIRST_GROUP = 2
_LARGEST_GROUP = 32
# Bytes that one request has translated at a time: others come between, and behind its
# deadline no more of it. Not characters, as a network spells the bytes of those that it
# does not know.
_PIECE_BYTES = 5_000
# Until a service that closes waits no longer for work that nobody waits for.
_CLOSING_SECONDS = 5.0
# Looks inside a translation that wait, or are under way.
_MOST_LOOKING = 16
T = TypeVar("T")


class NotFoundError(UserError):
    """What was asked for by its name is not here."""


class TooLateError(Exception):
    """The answer took longer than `Limits.seconds`."""


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Attributes:
        characters: In one text; never more than the model takes.
        texts: That a client sends in one request.
        request_texts: In all pieces that a request is cut into, as the blocks of HTML.
        request_characters: In all texts of one request, or in one file.
        body_bytes: Of a request.
        beam_size: Of a search.
        hypotheses: Of a sentence.
        prefix_characters: That a translation is told to begin with.
        weights: Of the attention, in one answer.
        seconds: Until an answer has to be there.
        body_seconds: Until all of a request has to be there.
    """

    characters: int = 10_000
    texts: int = 128
    request_texts: int = 20_000
    request_characters: int = 200_000
    body_bytes: int = 1_000_000
    beam_size: int = 16
    hypotheses: int = 10
    prefix_characters: int = 1_000
    weights: int = 1_000_000
    seconds: float = 30.0
    body_seconds: float = 30.0


@dataclass(frozen=True)
class Model:
    """A translator that is served, and what gathers its requests."""

    translator: TextTranslator
    gatherer: Gatherer

    @property
    def name(self) -> str:
        return self.translator.name

    @property
    def source_language(self) -> str:
        return self.translator.source_language

    @property
    def target_language(self) -> str:
        return self.translator.target_language

    @cached_property
    def title(self) -> str:
        """Such as `English to Spanish`."""
        source, target = self.source_language, self.target_language
        return f"{language_name(source)} to {language_name(target)}"


def warm_up(translator: TextTranslator) -> None:
    """Translates, so that no client waits for what is done once."""
    translator.translate(_WARM_UP, translator.search, 1)


class Part(NamedTuple):
    """A translated sentence of one of several texts.

    Fields:
        text_index: Which text, from 0.
        sentence_index: Which sentence of it, from 0.
        before: What stands between it and the sentence before: white space, mostly.
        translation: Of the sentence.
        after: What stands behind the last sentence of a text.
    """

    text_index: int
    sentence_index: int
    before: str
    translation: SentenceTranslation
    after: str


class Service:
    """Translates for many clients, by any of several models.

    Args:
        translators: At least one; of two with one name the last one counts.
        limits: For every request.
    """

    def __init__(
        self, translators: Sequence[TextTranslator], limits: Limits = Limits()
    ):
        self.limits = limits
        self._models: dict[str, Model] = {}
        self.is_ready = False
        self._looking = ThreadPoolExecutor(1, "look-inside")
        self._num_looking = 0
        for translator in translators:
            self.put(translator)

    @property
    def models(self) -> list[Model]:
        """In the order in which they were given."""
        return list(self._models.values())

    def put(self, translator: TextTranslator) -> None:
        """Serves a translator from now on, in place of one of the same name.

        Requests that came before are answered by the old one, which goes with the last
        of them.
        """
        model = Model(translator, Gatherer(translator))
        self._models = self._models | {translator.name: model}

    def warm_up(self) -> None:
        """Translates with each model, so that no client waits for what is done once."""
        for model in self.models:
            warm_up(model.translator)
        self.is_ready = True

    def close(self) -> None:
        """Takes nothing more, and answers what is waiting, if that does not take long:
        who waits for an answer got it before the server stopped."""
        self.is_ready = False
        self._looking.shutdown(wait=False, cancel_futures=True)
        for model in self.models:
            model.gatherer.close(_CLOSING_SECONDS)

    def find(self, name: str) -> Model:
        """Returns a model by its name.

        Raises:
            NotFoundError: There is none.
        """
        if name not in self._models:
            known = ", ".join(self._models)
            raise NotFoundError(f"there is no model {name!r}. There are: {known}.")
        return self._models[name]

    def find_pair(self, source: str, target: str) -> Model:
        """Returns the first model from one language to another.

        Raises:
            NotFoundError: There is none.
        """
        for model in self.models:
            if (model.source_language, model.target_language) == (source, target):
                return model
        pairs = ", ".join(
            f"{m.source_language} to {m.target_language}" for m in self.models
        )
        raise NotFoundError(
            f"there is no model from {source!r} to {target!r}. There are: {pairs}."
        )

    def targets(self) -> dict[str, list[str]]:
        """Returns each source language, and the languages it is translated to."""
        targets: dict[str, list[str]] = {}
        for model in self.models:
            known = targets.setdefault(model.source_language, [])
            if model.target_language not in known:
                known.append(model.target_language)
        return targets

    def check_texts(self, texts: Sequence[Any]) -> list[str]:
        """Returns texts that any program can print: no NUL, no lone surrogates.

        Raises:
            UserError: Too many, too long, or none.
        """
        limits = self.limits
        if len(texts) > limits.texts:
            raise UserError(
                f"a request may have at most {limits.texts} texts. Received: "
                f"{len(texts):,}. Send them in parts."
            )
        for number, text in enumerate(texts, 1):
            if not isinstance(text, str):
                raise UserError(
                    f"a text must be a string. Received: {type(text).__name__} as text "
                    f"{number}."
                )
            if len(text) > limits.characters:
                raise UserError(
                    f"a text may have at most {limits.characters:,} characters. "
                    f"Received: {len(text):,} in text {number}. Send it in parts."
                )
        self.check_size(texts)
        return [printable(text) for text in texts]

    def check_size(self, texts: Sequence[str]) -> None:
        """Raises a UserError if there are more texts, or more characters in them, than
        a request of any kind may have."""
        if len(texts) > self.limits.request_texts:
            raise UserError(
                f"a request may have at most {self.limits.request_texts:,} texts in "
                f"all. Received: {len(texts):,}. Send them in parts."
            )
        size, limit = sum(map(len, texts)), self.limits.request_characters
        if size > limit:
            raise UserError(
                f"a request may have at most {limit:,} characters in all. Received: "
                f"{size:,}. Send them in parts."
            )

    def check_prefix(self, prefix: str) -> str:
        """Returns the beginning of a translation, as `check_texts` does texts.

        Raises:
            UserError: It is too long.
        """
        limit = self.limits.prefix_characters
        if len(prefix) > limit:
            raise UserError(
                f"prefix may have at most {limit:,} characters. Received: "
                f"{len(prefix):,}."
            )
        return printable(prefix)

    def search_of(self, model: Model, options: dict[str, Any]) -> SearchConfig:
        """Returns the model's search with some options changed.

        Raises:
            UserError: An option out of bounds, or any where they are fixed.
        """
        search = model.translator.search
        if not options:
            return search
        if model.translator.is_search_fixed:
            raise UserError(
                f"the search of {model.name} was fixed when it was exported. "
                f"Leave out: {', '.join(options)}."
            )
        search = parse_config({"search": search.model_dump() | options}).search
        if search.beam_size > self.limits.beam_size:
            raise UserError(
                f"beam_size may be at most {self.limits.beam_size}. Received: "
                f"{search.beam_size}."
            )
        return search

    async def translate(
        self,
        model: Model,
        texts: Sequence[Any],
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
        deadline: float | None = None,
    ) -> list[Translation]:
        """Translates the texts of one client, together with those of others.

        Args:
            model: By which.
            texts: To translate.
            search: How to search; default, the model's own options.
            num_hypotheses: Hypotheses of each sentence.
            deadline: Of a request that asks for several things, its `deadline`.

        Raises:
            UserError: Bad texts, or too many hypotheses.
            BusyError: Too much is waiting.
            TooLateError: It took too long.
        """
        texts = self.check_texts(texts)
        search = search or model.translator.search
        self.check_num_hypotheses(model, num_hypotheses, search)
        deadline = deadline or self.deadline()
        return await _ask(model, texts, search, num_hypotheses, deadline)

    async def translate_many(
        self, model: Model, texts: Sequence[str], deadline: float | None = None
    ) -> list[Translation]:
        """As `translate`, for more texts than one request may have; in as much time."""
        self.check_size(texts)
        limit = self.limits.texts
        checked = [
            text
            for start in range(0, len(texts), limit)
            for text in self.check_texts(texts[start : start + limit])
        ]
        search = model.translator.search
        return await _ask(model, checked, search, 1, deadline or self.deadline())

    async def look_inside(
        self, look: Callable[[], T], deadline: float | None = None
    ) -> T:
        """Runs what does without batches, such as a search with a given beginning: for
        all clients on one thread, one after the other.

        Args:
            look: What to run.
            deadline: As of `translate`.

        Raises:
            BusyError: Too many wait, or the server is about to stop.
            TooLateError: It took too long.
        """
        if self._num_looking >= _MOST_LOOKING:
            raise BusyError
        try:
            future = self._looking.submit(look)
        except RuntimeError:  # `close` was called
            raise BusyError from None
        self._num_looking += 1
        loop = asyncio.get_running_loop()

        def leave(_: Any) -> None:
            self._num_looking -= 1

        future.add_done_callback(lambda own: loop.call_soon_threadsafe(leave, own))
        try:
            async with asyncio.timeout_at(deadline or self.deadline()):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise TooLateError from None

    async def stream(
        self,
        model: Model,
        texts: Sequence[Any],
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
    ) -> AsyncIterator[Part]:
        """Yields the sentences that `translate` returns at once, a few at a time.

        A group of sentences is asked for when the one before was taken. Nobody who
        stops asking leaves work behind but that of one group.

        Raises:
            UserError, BusyError, TooLateError: As `translate`; the first two mostly
                before the first sentence.
        """
        texts = self.check_texts(texts)
        search = search or model.translator.search
        self.check_num_hypotheses(model, num_hypotheses, search)
        deadline = self.deadline()
        splits = map(model.translator.split, texts)
        places = [
            place for i, split in enumerate(splits) for place in _places(i, split)
        ]
        start, size = 0, _FIRST_GROUP
        while group := places[start : start + size]:
            sentences = [sentence for *_, sentence in group]
            found = await _ask(model, sentences, search, num_hypotheses, deadline)
            for (i, j, before, after, _), translation in zip(group, found, strict=True):
                [sentence] = translation.sentences
                yield Part(i, j, before, sentence, after)
            start, size = start + size, min(2 * size, _LARGEST_GROUP)

    def deadline(self) -> float:
        """Returns when a request that begins now must be answered, in the time of the
        event loop."""
        return asyncio.get_running_loop().time() + self.limits.seconds

    def check_num_hypotheses(
        self, model: Model, num_hypotheses: int, search: SearchConfig
    ) -> None:
        """Raises a UserError if that many can't be asked for."""
        if num_hypotheses > self.limits.hypotheses:
            raise UserError(
                f"at most {self.limits.hypotheses} translations of a sentence can be "
                f"asked for. Received: {num_hypotheses}."
            )
        model.translator.check_num_hypotheses(num_hypotheses, search)


def join_parts(texts: Sequence[str], parts: Sequence[Part]) -> list[Translation]:
    """Returns what `translate` returns for checked texts, of all that was streamed."""
    translations = []
    for index, text in enumerate(texts):
        own = [part for part in parts if part.text_index == index]
        sentences = [part.translation for part in own]
        separators = [*(part.before for part in own), own[-1].after if own else text]
        split = SplitText([sentence.source_text for sentence in sentences], separators)
        translations.append(Translation(text, split, sentences))
    return translations


def _places(text_index: int, split: SplitText) -> list[tuple[int, int, str, str, str]]:
    """Text and sentence index, what stands before and after, and the sentence."""
    last = len(split.sentences) - 1
    return [
        (text_index, i, split.separators[i], split.separators[-1] * (i == last), own)
        for i, own in enumerate(split.sentences)
    ]


async def _ask(
    model: Model,
    texts: Sequence[str],
    search: SearchConfig,
    num_hypotheses: int,
    deadline: float,
) -> list[Translation]:
    """Waits for translations, until a time of the event loop. Many texts are asked for
    piece by piece, and the sentences of a long one, so that a small request that comes
    meanwhile need not wait long, and nobody works on for one that waits no more."""
    work = _Work(model, texts)
    found: list[Translation] = []
    try:
        async with asyncio.timeout_at(deadline):
            for piece in work.pieces:
                future = model.gatherer.submit(
                    piece, search, num_hypotheses, is_begun=bool(found)
                )
                found += await asyncio.wrap_future(future)
    except TimeoutError:
        raise TooLateError from None
    return work.join(found)


class _Work:
    """Texts of one client, cut into pieces of little work each.

    Args:
        model: What will translate them.
        texts: Any number; of a long one, each sentence is asked for by itself.
    """

    def __init__(self, model: Model, texts: Sequence[str]):
        self._texts = texts
        self._splits = {
            place: model.translator.split(text)
            for place, text in enumerate(texts)
            if _size_of(text) > _PIECE_BYTES
        }

    @property
    def pieces(self) -> Iterator[list[str]]:
        """Lists of texts to translate, one after the other."""
        piece, size = [], 0
        for text in self._asked():
            own = _size_of(text)
            if piece and size + own > _PIECE_BYTES:
                yield piece
                piece, size = [], 0
            piece.append(text)
            size += own
        if piece:
            yield piece

    def _asked(self) -> Iterator[str]:
        for place, text in enumerate(self._texts):
            split = self._splits.get(place)
            yield from split.sentences if split else [text]

    def join(self, found: Sequence[Translation]) -> list[Translation]:
        """Returns the translations of the texts, given those of all pieces."""
        remaining, translations = iter(found), []
        for place, text in enumerate(self._texts):
            if split := self._splits.get(place):
                parts = [next(remaining) for _ in split.sentences]
                sentences = [sentence for own in parts for sentence in own.sentences]
                translations.append(Translation(text, split, sentences))
            else:
                translations.append(next(remaining))
        return translations


def _size_of(text: str) -> int:
    """Returns how much work a text is: its bytes, and one for a blank one, too."""
    return len(text.encode()) + 1


class WaitingTranslator:
    """A served model for code that waits for its answers, such as the page.

    It has all attributes of its translator, and follows the service to the next one.

    Args:
        service: Of the model.
        model: What translates.
    """

    def __init__(self, service: Service, model: Model):
        self._service = service
        self._name = model.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service.find(self._name).translator, name)

    def translate(
        self,
        texts: Sequence[str],
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
    ) -> list[Translation]:
        """Translates the texts of one client, together with those of others.

        Raises:
            UserError, BusyError, TooLateError: As `Service.translate`.
        """
        texts = self._service.check_texts(texts)
        model = self._service.find(self._name)
        search = search or model.translator.search
        deadline = time.monotonic() + self._service.limits.seconds
        work = _Work(model, texts)
        found = []
        for piece in work.pieces:
            future = model.gatherer.submit(
                piece, search, num_hypotheses, is_begun=bool(found)
            )
            try:
                found += future.result(deadline - time.monotonic())
            except TimeoutError:
                future.cancel()
                raise TooLateError from None
        return work.join(found)
