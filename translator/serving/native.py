"""Our own door, `/v1`: all that the network can tell about a translation."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

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
        str | list[str],
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
    stream: Annotated[
        bool,
        Field(
            description="Whether to answer with server-sent events: `sentence`, a "
            "SentenceEvent, as soon as it is translated; `done`, all of it; or `error`."
        ),
    ] = False


class HypothesisAnswer(BaseModel):
    """One translation of a sentence."""

    text: str
    score: Annotated[float, Field(description="log_prob / length ** length_penalty.")]
    log_prob: Annotated[float, Field(description="Natural logarithm.")]
    is_finished: Annotated[
        bool, Field(description="False if it was cut off at the longest length.")
    ]
    tokens: list[str] | None = None
    attention: list[list[float]] | None = None


class SentenceAnswer(BaseModel):
    """A sentence of a text, and its translations, the best first."""

    source: str
    tokens: list[str] | None = None
    hypotheses: list[HypothesisAnswer]


class SentenceEvent(SentenceAnswer):
    """A sentence that is done: a text's translation is all of its, between the white
    space that each of them brings.
    """

    text_index: Annotated[int, Field(description="Which text it is of, from 0.")]
    sentence_index: Annotated[int, Field(description="Which of the text, from 0.")]
    before: Annotated[str, Field(description="White space in front of it.")]
    after: Annotated[str, Field(description="White space behind the last one.")]


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
    response_model_exclude_none=True,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def translate(body: TranslationRequest, request: Request) -> Any:
    """Translates texts; lists alternatives, subwords and attention on request.

    At once, or sentence by sentence.
    """
    service: Service = request.app.state.service
    model = _find(service, body)
    search = service.search_of(model, body.search.model_dump(exclude_none=True))
    texts = [body.text] if isinstance(body.text, str) else body.text
    if body.stream:
        parts = service.stream(model, texts, search, body.num_hypotheses)
        # What is refused is refused as without a stream: before it begins.
        first = await anext(parts, None)
        return StreamingResponse(
            _events(first, parts, service.check_texts(texts), model, body),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache"},
        )
    found = await service.translate(model, texts, search, body.num_hypotheses)
    return _answer(found, model, body)


async def _events(
    first: Part | None,
    parts: AsyncIterator[Part],
    texts: list[str],
    model: Model,
    body: TranslationRequest,
) -> AsyncIterator[str]:
    """Yields an event for each sentence, and one for the whole or for an error."""
    done = []
    try:
        part = first
        while part:
            done.append(part)
            yield _event("sentence", _sentence_event(part, body))
            part = await anext(parts, None)
    except Exception as error:
        _, message = explain(error)
        yield _event("error", ErrorAnswer(error=message))
        return
    yield _event("done", _answer(join_parts(texts, done), model, body))


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


def _find(service: Service, body: TranslationRequest) -> Model:
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
        attention = [
            [round(float(weight), 6) for weight in row]
            for row in hypothesis.attention_weights
        ]
    return HypothesisAnswer(
        text=hypothesis.text,
        score=hypothesis.score,
        log_prob=hypothesis.log_prob,
        is_finished=hypothesis.is_finished,
        tokens=hypothesis.tokens if body.tokens or body.attention else None,
        attention=attention,
    )
