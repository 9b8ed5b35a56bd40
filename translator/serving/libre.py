"""The door that programs know: the interface of LibreTranslate, in shapes and errors.

A body is a JSON object or a form; without JSON, fields may also be in the address. A
key comes as the field `api_key`, or in the header as at the other doors.
"""

import json
from itertools import chain
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile

from translator.disk import writing
from translator.files.document import FORMATS, Document, has_format, translated_name
from translator.languages import has_spaces, language_name
from translator.serving.access import TAKES_KEY, check_access, network_of
from translator.serving.detection import Detection
from translator.serving.files import FileDesk
from translator.serving.markup import (
    join_pieces,
    pieces_of,
    place_tags,
    split_markup,
)
from translator.serving.service import Model, NotFoundError, Service
from translator.translations import Translation

router = APIRouter(tags=["LibreTranslate"])

_FORMATS = ("text", "html")
_AUTO = "auto"
# Percent: how sure it must be that a text is in the language that is wanted already, or
# in one that cannot be translated to it; for that a word or two are too little.
_SURE, _CERTAIN = 70.0, 90.0
_FEWEST_CHARACTERS = 20


_KEY = "A key, if one is needed and not in the header."


def _body_of(**fields: str) -> dict[str, Any]:
    """Describes a body for the documentation: field -> description."""
    fields["api_key"] = _KEY
    schema = {
        "type": "object",
        "properties": {
            name: {"description": description} for name, description in fields.items()
        },
        "required": [name for name in ("q", "source", "target") if name in fields],
    }
    kinds = ("application/json", "application/x-www-form-urlencoded")
    content = {kind: {"schema": schema} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/translate",
    dependencies=[TAKES_KEY],
    openapi_extra=_body_of(
        q="Text to translate, or a list of texts.",
        source="Code of its language, or auto.",
        target="Code of the language wanted.",
        format="text (default), or html: tags are kept.",
        alternatives="How many other translations to list; default 0.",
    ),
)
async def translate(request: Request) -> dict[str, Any]:
    """Translates a text or several."""
    service: Service = request.app.state.service
    body = await _read_body(request)
    q, source, target = (_required(body, name) for name in ("q", "source", "target"))
    texts = q if isinstance(q, list) else [q]
    _check_sizes(texts, service)
    kind = body.get("format") or "text"
    if kind not in _FORMATS:
        raise HTTPException(400, f"{kind} format is not supported")
    num_alternatives = _count(body.get("alternatives"), service)
    source, target = (_known_code(service, code) for code in (source, target))
    detected = None
    if source == _AUTO:
        text = " ".join(service.check_texts(texts))
        if kind == "html":
            blocks = (await run_in_threadpool(split_markup, text)).blocks
            text = " ".join(block.text for block in blocks)
        detected = await run_in_threadpool(_detect_source, request, text, target)
        source = detected["language"]
    if source == target and target in _known_languages(service):  # nothing to do
        translations = service.check_texts(texts)
        alternatives = [[] for _ in texts]
    else:
        model = _find(service, source, target)
        translate_texts = _translate_html if kind == "html" else _translate_plain
        translations, alternatives = await translate_texts(
            service, model, texts, num_alternatives
        )
    answer: dict[str, Any] = {"translatedText": translations}
    if detected:
        answer["detectedLanguage"] = [detected] * len(texts)
    if num_alternatives:
        answer["alternatives"] = alternatives
    if not isinstance(q, list):
        answer = {name: value[0] for name, value in answer.items()}
    return answer


@router.post(
    "/detect",
    dependencies=[TAKES_KEY],
    openapi_extra=_body_of(q="Text of an unknown language."),
)
async def detect(request: Request) -> list[dict[str, Any]]:
    """Tells the language of a text, among those that can be translated."""
    q = _required(await _read_body(request), "q")
    text = " ".join(map(str, q)) if isinstance(q, list) else str(q)
    return [await run_in_threadpool(request.app.state.detector.detect, text)]


_FILE_BODY = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "The file."},
        "source": {"type": "string", "description": "Code of its language, or auto."},
        "target": {"type": "string", "description": "Code of the language wanted."},
        "api_key": {"type": "string", "description": _KEY},
    },
    "required": ["file", "source", "target"],
}


@router.post(
    "/translate_file",
    dependencies=[TAKES_KEY],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": _FILE_BODY}},
        }
    },
)
async def translate_file(request: Request) -> dict[str, str]:
    """Translates a .txt, .csv, .tsv or .srt, and tells where the result can be fetched
    for an hour.
    """
    async with request.form(max_files=1) as form:
        body = dict(form)
        check_access(request, body.get("api_key"))
        upload = _required(body, "file")
        service: Service = request.app.state.service
        source, target = (
            _known_code(service, _required(body, name)) for name in ("source", "target")
        )
        if not isinstance(upload, UploadFile):
            raise HTTPException(400, "Invalid request: missing file parameter")
        name = Path(Path(upload.filename or "").name[-100:])  # a header has to hold it
        if not name.name:
            raise HTTPException(400, "Invalid request: empty file")
        if not has_format(name):
            raise HTTPException(400, "Invalid request: file format not supported")
        desk: FileDesk = request.app.state.file_desk
        with desk.admitted(), desk.new_folder() as folder:
            path = Path(folder) / f"source{name.suffix}"
            with writing(path) as stream:
                stream.write(await upload.read())
            document = await _read_document(request, path)
            if source == _AUTO:
                sample = document.sample
                found = await run_in_threadpool(_detect_source, request, sample, target)
                source = found["language"]
            model = _find(service, source, target)
            result = path.with_stem("target")
            await desk.translate(document, model, result, request.is_disconnected)
            name = translated_name(name, model.target_language)
            key = desk.keep(result, name, network_of(request))
    return {"translatedFileUrl": _address_of(request, f"/download_file/{key}")}


@router.get("/download_file/{key}", response_class=FileResponse)
async def download_file(request: Request, key: str) -> FileResponse:
    """Returns a file that was translated; its address is the secret."""
    desk: FileDesk = request.app.state.file_desk
    path, name = desk.find(key)
    # No browser is to show it as a page of this site.
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    kind = "application/octet-stream"
    return FileResponse(path, headers=headers, media_type=kind, filename=name)


@router.get("/languages")
async def languages(request: Request) -> list[dict[str, Any]]:
    """Lists the languages, and what each can be translated to."""
    service: Service = request.app.state.service
    targets = service.targets()
    return [
        {"code": code, "name": language_name(code), "targets": targets.get(code, [])}
        for code in _known_languages(service)
    ]


@router.get("/frontend/settings")
async def settings(request: Request) -> dict[str, Any]:
    """Lists what a front end has to know of this server."""
    service: Service = request.app.state.service
    first = service.models[0]
    names = [
        {"code": code, "name": language_name(code)}
        for code in (first.source_language, first.target_language)
    ]
    return {
        "charLimit": service.limits.characters,
        "frontendTimeout": 500,
        "apiKeys": bool(request.app.state.api_keys),
        "keyRequired": bool(request.app.state.api_keys),
        "suggestions": False,
        "filesTranslation": True,
        "supportedFilesFormat": list(FORMATS),
        "language": {"source": names[0], "target": names[1]},
    }


async def _translate_plain(
    service: Service, model: Model, texts: list, num_alternatives: int
) -> tuple[list[str], list[list[str]]]:
    texts = [t.replace("\r\n", "\n") if isinstance(t, str) else t for t in texts]
    found = await service.translate(model, texts, *_search(model, num_alternatives))
    return [translation.text for translation in found], [
        _alternatives(translation, num_alternatives) for translation in found
    ]


async def _translate_html(
    service: Service, model: Model, texts: list, num_alternatives: int
) -> tuple[list[str], list[list[str]]]:
    """Translates what stands between tags. It has no alternatives as a whole."""
    markups = [
        await run_in_threadpool(split_markup, text)
        for text in service.check_texts(texts)
    ]
    blocks = [block for markup in markups for block in markup.blocks]
    deadline = service.deadline()
    texts_of_blocks = [block.text for block in blocks]
    found = await service.translate_many(model, texts_of_blocks, deadline)
    # Without spaces nobody knows where a word is.
    has_words = has_spaces(model.source_language) and has_spaces(model.target_language)
    rendered = await run_in_threadpool(
        lambda: [
            place_tags(*pair) if has_words or not pair[0].spans else None
            for pair in zip(blocks, found, strict=True)
        ]
    )
    failed = [place for place, own in enumerate(rendered) if own is None]
    pieces = [piece for place in failed for piece in pieces_of(blocks[place])]
    remaining = iter(await service.translate_many(model, pieces, deadline))
    for place in failed:
        own = [next(remaining).text for _ in pieces_of(blocks[place])]
        rendered[place] = join_pieces(blocks[place], own)
    remaining_blocks = iter(rendered)
    joined = [
        markup.join([next(remaining_blocks) for _ in markup.blocks])
        for markup in markups
    ]
    return joined, [[] for _ in texts]


def _search(model: Model, num_alternatives: int):
    """A beam as wide as the alternatives need, where it is not fixed."""
    search = model.translator.search
    if num_alternatives >= search.beam_size and not model.translator.is_search_fixed:
        search = search.model_copy(update={"beam_size": num_alternatives + 1})
    return search, min(num_alternatives + 1, search.beam_size)


def _alternatives(translation: Translation, count: int) -> list[str]:
    """Other translations of a text: its sentences' second best, third best, ..."""
    sentences = translation.sentences
    if not count or not sentences:
        return []
    found: list[str] = []
    for rank in range(1, max(len(s.hypotheses) for s in sentences)):
        text = translation.parts.join(
            [s.hypotheses[min(rank, len(s.hypotheses) - 1)].text for s in sentences]
        )
        if text and text != translation.text and text not in found:
            found.append(text)
    return found[:count]


async def _read_body(request: Request) -> dict[str, Any]:
    """Returns the fields of a request that has a key, if it needs one."""
    kind = request.headers.get("content-type", "").lower()
    content = await request.body()
    if kind.startswith("application/json") or (content and not kind):
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            raise HTTPException(400, "Invalid JSON format") from None
        if not isinstance(body, dict):
            raise HTTPException(400, "Invalid JSON format")
    else:
        body = {**request.query_params, **await request.form()}
    check_access(request, body.get("api_key"))
    return body


async def _read_document(request: Request, path: Path) -> Document:
    """Checks a file that was sent; errors do not repeat its name."""
    limits = request.app.state.service.limits
    document = await run_in_threadpool(
        Document, path, limits.characters, name="the file"
    )
    size, limit = document.num_characters, limits.request_characters
    if size > limit:
        raise _too_much(size, limit)
    return document


def _address_of(request: Request, path: str) -> str:
    """Returns the whole address of a path here, as clients see it."""
    root: str = request.app.state.root_path  # the path of a proxy, or its address
    base = "" if "://" in root else str(request.base_url).rstrip("/")
    return base + root + path


def _too_much(size: int, limit: int) -> HTTPException:
    return HTTPException(
        400, f"Invalid request: request ({size}) exceeds text limit ({limit})"
    )


def _sources_of(service: Service, target: str) -> list[str]:
    return [source for source, known in service.targets().items() if target in known]


def _detect_source(request: Request, text: str, target: str) -> Detection:
    """Tells the language of a text that is to be translated: one that can be, unless it
    is in the target language for sure, or in another one. A word or two may be of any.
    """
    detect = request.app.state.detector.detect
    sources = _sources_of(request.app.state.service, target)
    found = detect(text)
    if len(text) >= _FEWEST_CHARACTERS and found["confidence"] >= _CERTAIN:
        return found
    found = detect(text, [*sources, target] if sources else [])
    if found["language"] == target and sources and found["confidence"] < _SURE:
        found = detect(text, sources)
    return found


def _required(body: dict[str, Any], name: str) -> Any:
    value = body.get(name)
    if not value:
        raise HTTPException(400, f"Invalid request: missing {name} parameter")
    return value


def _check_sizes(texts: list, service: Service) -> None:
    """Refuses what is too much, in the words that clients know."""
    limits = service.limits
    lengths = [len(text) for text in texts if isinstance(text, str)]
    sizes = [
        (len(texts), limits.texts),
        *((length, limits.characters) for length in lengths),
        (sum(lengths), limits.request_characters),
    ]
    for size, limit in sizes:
        if size > limit:
            raise _too_much(size, limit)


def _count(value: Any, service: Service) -> int:
    try:
        count = int(value or 0)
    except (TypeError, ValueError, OverflowError):
        message = "Invalid request: alternatives parameter is not a number"
        raise HTTPException(400, message) from None
    most = service.limits.hypotheses - 1
    if count > most:
        message = f"Invalid request: alternatives parameter must be <= {most}"
        raise HTTPException(400, message)
    return max(0, count)


def _known_languages(service: Service) -> list[str]:
    """The languages of all models, those that can be translated first."""
    targets = service.targets()
    return list(dict.fromkeys(chain(targets, *targets.values())))


def _known_code(service: Service, code: Any) -> str:
    """Returns the code of a language as its models have it, such as pt-BR, whatever
    letters it is asked for in; of an unknown language in small ones."""
    code = str(code).lower()
    known = {own.lower(): own for own in _known_languages(service)}
    return known.get(code, code)


def _find(service: Service, source: str, target: str) -> Model:
    for code in (source, target):
        if code not in _known_languages(service):
            raise HTTPException(400, f"{code} is not supported")
    try:
        return service.find_pair(source, target)
    except NotFoundError:
        names = [f"{language_name(code)} ({code})" for code in (target, source)]
        message = f"{names[0]} is not available as a target language from {names[1]}"
        raise HTTPException(400, message) from None
