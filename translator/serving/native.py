"""Our own door, `/v1`: all that the network can tell about a translation."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from translator import inspection
from translator.config import SearchConfig
from translator.errors import UserError
from translator.serving.access import require_access
from translator.serving.errors import ErrorAnswer, explain
from translator.serving.service import Model, Part, Service, join_parts
from translator.translations import Hypothesis, SentenceTranslation, Translation

router = APIRouter(prefix="/v1", tags=["translator"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SearchOptions(_Body):
    """How to search; what is left out is the model's own choice."""

    beam_size: Annotated[
        int | None, Field(ge=1, description="Hypotheses kept; 1 is greedy search.")
    ] = None
    length_penalty: Annotated[
        float | None, Field(ge=0, le=5, description="More than 1 favours long ones.")
    ] = None


class TranslationRequest(_Body):
    """Texts of one client."""

    text: Annotated[
        str | Annotated[list[str], Field(fail_fast=True)],
        Field(description="A text, or several; each of any number of lines."),
    ]
    model: Annotated[str, Field(description="Its name. Default: by languages.")] = ""
    source: Annotated[str, Field(description="Code of the language it is in.")] = ""
    target: Annotated[str, Field(description="Code of the language wanted.")] = ""
    search: SearchOptions = SearchOptions()
    num_hypotheses: Annotated[
        int, Field(ge=1, description="Translations of each sentence, the best first.")
    ] = 1
    tokens: Annotated[bool, Field(description="Whether to list subwords.")] = False
    attention: Annotated[
        bool, Field(description="Whether to list, for each target token, its weights.")
    ] = False
    prefix: Annotated[
        str,
        Field(
            description="What the translation begins with; for a single text. Each of "
            "its sentences is of one of the text."
        ),
    ] = ""
    tree: Annotated[
        bool,
        Field(
            description="Whether to list all that the search looked at; for a "
            "single sentence."
        ),
    ] = False
    gates: Annotated[
        bool,
        Field(
            description="Whether to list the gates of every GRU at every token; for "
            "a single sentence, and a model that is no export."
        ),
    ] = False
    stream: Annotated[
        bool,
        Field(
            description="Whether to answer with server-sent events: `sentence`, a "
            "SentenceEvent, as soon as it is translated; `done`, all of it; or `error`."
        ),
    ] = False


class AlternativesRequest(_Body):
    """A sentence, and how its translation begins."""

    text: Annotated[str, Field(description="One sentence.")]
    prefix: Annotated[
        str, Field(description="The translation up to the word that is asked for.")
    ] = ""
    count: Annotated[int, Field(ge=1, le=20, description="Words to list.")] = 5
    model: Annotated[str, Field(description="Its name. Default: by languages.")] = ""
    source: Annotated[str, Field(description="Code of the language it is in.")] = ""
    target: Annotated[str, Field(description="Code of the language wanted.")] = ""


class AlternativeAnswer(BaseModel):
    """A word that could come next, and what follows then."""

    word: str
    log_prob: Annotated[float, Field(description="Of its first subword; natural.")]
    text: Annotated[str, Field(description="The whole translation with it.")]
    score: float


class NodeAnswer(BaseModel):
    """A beginning that the search looked at: its parent's, and a token."""

    token: str
    parent: Annotated[int | None, Field(description="Its place in the list.")]
    position: int
    log_prob: Annotated[float, Field(description="Of all its tokens; natural.")]
    score: float
    fate: Annotated[str, Field(description="kept, complete or dropped.")]
    rank: Annotated[int | None, Field(description="Among the complete ones.")]


class GatesAnswer(BaseModel):
    """What a GRU did: a list of units for each token that it read."""

    name: str
    tokens: list[str]
    update_gate: list[list[float]]
    reset_gate: list[list[float]]


class HypothesisAnswer(BaseModel):
    """One translation of a sentence."""

    text: str
    score: Annotated[float, Field(description="log_prob / length ** length_penalty.")]
    log_prob: Annotated[float, Field(description="Natural logarithm.")]
    is_finished: Annotated[
        bool, Field(description="False if it was cut off at the longest length.")
    ]
    tokens: list[str] | None = None
    token_log_probs: list[float] | None = None
    attention: list[list[float]] | None = None


class SentenceAnswer(BaseModel):
    """A sentence of a text, and its translations, the best first."""

    source: str
    tokens: list[str] | None = None
    hypotheses: list[HypothesisAnswer]
    tree: list[NodeAnswer] | None = None
    gates: list[GatesAnswer] | None = None


class SentenceEvent(SentenceAnswer):
    """A sentence that is done: a text's translation is all of its, between the white
    space that each of them brings.
    """

    text_index: Annotated[int, Field(description="Which text it is of, from 0.")]
    sentence_index: Annotated[int, Field(description="Which of the text, from 0.")]
    before: Annotated[str, Field(description="White space in front of it.")]
    after: Annotated[str, Field(description="White space behind the last one.")]


# For the documentation: no route has it as its only answer.
_EVENT = SentenceEvent.model_json_schema(ref_template="#/components/schemas/{model}")
del _EVENT["$defs"]


class TextAnswer(BaseModel):
    """A text, with the white space between its sentences as it was."""

    text: str
    score: Annotated[float, Field(description="Mean over the sentences.")]
    sentences: list[SentenceAnswer]


class TranslationAnswer(BaseModel):
    """The translations of all texts, in their order."""

    model: str
    source: str
    target: str
    translations: list[TextAnswer]


@router.post(
    "/translate",
    dependencies=[Depends(require_access)],
    response_model=TranslationAnswer,
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def translate(body: TranslationRequest, request: Request) -> Any:
    """Translates texts; lists alternatives, subwords and attention on request.

    At once, or sentence by sentence.
    """
    service: Service = request.app.state.service
    model = _find(service, body)
    search = service.search_of(model, body.search.model_dump(exclude_none=True))
    texts = [body.text] if isinstance(body.text, str) else body.text
    looks_inside = bool(body.prefix) or body.tree or body.gates
    if looks_inside and (body.stream or len(texts) != 1):
        raise UserError(
            "prefix, tree and gates are for a single text, and for no stream. "
            f"Received: {len(texts)} texts, stream {json.dumps(body.stream)}."
        )
    if body.stream:
        parts = service.stream(model, texts, search, body.num_hypotheses)
        # What is refused is refused as without a stream: before it begins.
        first = await anext(parts, None)
        return StreamingResponse(
            _events(first, parts, service, model, body, service.check_texts(texts)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache"},
        )
    deadline = service.deadline()
    if body.prefix:
        found = [await _complete(service, model, texts, search, body, deadline)]
    else:
        found = await service.translate(
            model, texts, search, body.num_hypotheses, deadline
        )
    size = sum(_num_weights(own, body) for text in found for own in text.sentences)
    _check_num_weights(size, service.limits.weights)
    # Of a long text it takes a while, which other clients need not wait for.
    answer = await run_in_threadpool(_answer, found, model, body)
    if body.tree or body.gates:
        await _look_inside(service, model, search, found[0], answer, body, deadline)
    content = await run_in_threadpool(answer.model_dump_json, exclude_none=True)
    return Response(content, media_type="application/json")


@router.post("/alternatives", dependencies=[Depends(require_access)])
async def list_alternatives(
    body: AlternativesRequest, request: Request
) -> list[AlternativeAnswer]:
    """Lists the likeliest words behind the beginning of a translation."""
    service: Service = request.app.state.service
    model = _find(service, body)
    model.translator.check_can_be_inspected()
    [text] = service.check_texts([body.text])
    prefix = service.check_prefix(body.prefix)
    sentences = model.translator.split(text).sentences
    _check_is_sentence("alternatives are", model, sentences)
    sentence = next(iter(sentences), "")
    found = await service.look_inside(
        partial(inspection.alternatives, model.translator, sentence, prefix, body.count)
    )
    return [
        AlternativeAnswer(
            word=own.word,
            log_prob=own.log_prob,
            text=own.hypothesis.text,
            score=own.hypothesis.score,
        )
        for own in found
    ]


async def _complete(
    service: Service,
    model: Model,
    texts: list[str],
    search: SearchConfig,
    body: TranslationRequest,
    deadline: float,
) -> Translation:
    """Translates a text behind a given beginning."""
    model.translator.check_can_be_inspected()
    [text] = service.check_texts(texts)
    prefix = service.check_prefix(body.prefix)
    service.check_num_hypotheses(model, body.num_hypotheses, search)
    complete = model.translator.complete
    return await service.look_inside(
        partial(complete, text, prefix, search, body.num_hypotheses), deadline
    )


async def _look_inside(
    service: Service,
    model: Model,
    search: SearchConfig,
    translation: Translation,
    answer: TranslationAnswer,
    body: TranslationRequest,
    deadline: float,
) -> None:
    """Adds the tree and the gates of a single sentence to its answer."""
    _check_is_sentence("tree and gates are", model, translation.sentences, at_least=1)
    [sentence], [sentence_answer] = (
        translation.sentences,
        answer.translations[0].sentences,
    )
    text, is_protected = sentence.source_text, sentence.is_protected
    translator = model.translator
    if body.tree:
        model.translator.check_can_be_inspected()
        nodes = await service.look_inside(
            partial(inspection.search_tree, translator, text, search, is_protected),
            deadline,
        )
        sentence_answer.tree = [NodeAnswer(**asdict(node)) for node in nodes]
    if body.gates:
        if not translator.has_gates:
            raise UserError(
                f"{model.name} does not give its gates away, as it is an export. Serve "
                "the run folder."
            )
        tokens = sentence.hypotheses[0].tokens
        sentence_answer.gates = await service.look_inside(
            partial(_read_gates, translator, text, tokens, is_protected), deadline
        )


def _read_gates(*arguments: Any) -> list[GatesAnswer]:
    """As `inspection.read_gates`, for an answer."""
    return [
        GatesAnswer(
            name=trace.name,
            tokens=trace.tokens,
            update_gate=_rounded(trace.update_gate),
            reset_gate=_rounded(trace.reset_gate),
        )
        for trace in inspection.read_gates(*arguments)
    ]


def _check_is_sentence(
    what: str, model: Model, sentences: Sequence, at_least: int = 0
) -> None:
    if not at_least <= len(sentences) <= 1:
        longest = model.translator.max_sentence_characters
        raise UserError(
            f"{what} for a single sentence of at most {longest} "
            f"characters. Received: {len(sentences)}."
        )


def _num_weights(sentence: SentenceTranslation, body: TranslationRequest) -> int:
    """Returns how many weights of the attention its answer lists."""
    if not body.attention:
        return 0
    return sum(own.attention_weights.size for own in sentence.hypotheses)


def _check_num_weights(size: int, limit: int) -> None:
    if size > limit:
        raise UserError(
            f"an answer may have at most {limit:,} weights of the attention. This one "
            f"has {size:,} or more. Send the texts in parts."
        )


def _rounded(values: np.ndarray) -> list[list[float]]:
    return [[round(value, 6) for value in row] for row in values.tolist()]


async def _events(
    first: Part | None,
    parts: AsyncIterator[Part],
    service: Service,
    model: Model,
    body: TranslationRequest,
    texts: list[str],
) -> AsyncIterator[str]:
    """Yields an event for each sentence, and one for the whole or for an error."""
    done, size = [], 0
    try:
        part = first
        while part:
            done.append(part)
            size += _num_weights(part.translation, body)
            _check_num_weights(size, service.limits.weights)
            yield _event("sentence", _sentence_event(part, body))
            part = await anext(parts, None)
        yield await run_in_threadpool(
            lambda: _event("done", _answer(join_parts(texts, done), model, body))
        )
    except Exception as error:
        _, message = explain(error)
        yield _event("error", ErrorAnswer(error=message))


def _event(name: str, data: BaseModel) -> str:
    """An event as it goes over the wire, in ASCII: some clients take U+2028 for an end
    of a line.
    """
    return f"event: {name}\ndata: {json.dumps(data.model_dump(exclude_none=True))}\n\n"


def _sentence_event(part: Part, body: TranslationRequest) -> SentenceEvent:
    answer = _sentence(part.translation, body)
    return SentenceEvent(
        text_index=part.text_index,
        sentence_index=part.sentence_index,
        before=part.before,
        after=part.after,
        **dict(answer),
    )


def _answer(
    found: list[Translation], model: Model, body: TranslationRequest
) -> TranslationAnswer:
    return TranslationAnswer(
        model=model.name,
        source=model.source_language,
        target=model.target_language,
        translations=[_text(translation, body) for translation in found],
    )


@router.get("/models")
async def models(request: Request) -> list[dict[str, Any]]:
    """Lists what this server translates by; the first one is the default."""
    service: Service = request.app.state.service
    return [
        {
            "name": model.name,
            "title": model.title,
            "source": model.source_language,
            "target": model.target_language,
            "search": model.translator.search.model_dump(),
            "is_search_fixed": model.translator.is_search_fixed,
        }
        for model in service.models
    ]


def _find(service: Service, body: TranslationRequest | AlternativesRequest) -> Model:
    """By name, else by the languages that are given, else the first."""
    if body.model:
        model = service.find(body.model)
        wanted = (
            body.source or model.source_language,
            body.target or model.target_language,
        )
        if wanted != (model.source_language, model.target_language):
            raise UserError(
                f"{model.name} translates {model.title}. Received: source "
                f"{body.source!r}, target {body.target!r}."
            )
        return model
    if body.source and body.target:
        return service.find_pair(body.source, body.target)
    for model in service.models:
        if body.source in ("", model.source_language) and body.target in (
            "",
            model.target_language,
        ):
            return model
    return service.find_pair(body.source, body.target)  # says which there are


def _text(translation: Translation, body: TranslationRequest) -> TextAnswer:
    return TextAnswer(
        text=translation.text,
        score=translation.score,
        sentences=[_sentence(sentence, body) for sentence in translation.sentences],
    )


def _sentence(
    sentence: SentenceTranslation, body: TranslationRequest
) -> SentenceAnswer:
    with_tokens = body.tokens or body.attention
    return SentenceAnswer(
        source=sentence.source_text,
        tokens=sentence.source_tokens if with_tokens else None,
        hypotheses=[
            _hypothesis(hypothesis, body) for hypothesis in sentence.hypotheses
        ],
    )


def _hypothesis(hypothesis: Hypothesis, body: TranslationRequest) -> HypothesisAnswer:
    attention = None
    if body.attention:
        attention = _rounded(hypothesis.attention_weights)
    log_probs = hypothesis.token_log_probs
    with_tokens = body.tokens or body.attention
    return HypothesisAnswer(
        text=hypothesis.text,
        score=hypothesis.score,
        log_prob=hypothesis.log_prob,
        is_finished=hypothesis.is_finished,
        tokens=hypothesis.tokens if with_tokens else None,
        token_log_probs=log_probs.tolist()
        if with_tokens and log_probs is not None
        else None,
        attention=attention,
    )
