"""The door of TensorFlow Serving: its REST interface over the models of this server.

A client that was written for `tensorflow_model_server` and the signature
`serving_default` of `translator export` works here, too. A text may be any number of
sentences here, as at every door of this server.

Source: TensorFlow Serving, "RESTful API" (api_rest.md).
"""

import base64
import binascii
import json
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from translator.errors import UserError
from translator.serving.access import require_access
from translator.serving.service import Model, NotFoundError, Service
from translator.translations import Translation

router = APIRouter(prefix="/v1/models", tags=["TensorFlow Serving"])

VERSION = "1"
_SIGNATURE = "serving_default"


@router.get("/{name}")
@router.get("/{name}/versions/{version}", include_in_schema=False)
async def status(name: str, request: Request) -> dict[str, Any]:
    """Tells whether a model is there."""
    _find(request, name)
    state = {"error_code": "OK", "error_message": ""}
    return {
        "model_version_status": [
            {"version": VERSION, "state": "AVAILABLE", "status": state}
        ]
    }


@router.get("/{name}/metadata")
@router.get("/{name}/versions/{version}/metadata", include_in_schema=False)
async def metadata(name: str, request: Request) -> dict[str, Any]:
    """Describes the signatures: what goes in, what comes out."""
    _find(request, name)
    signature = {
        "inputs": {"text": _tensor("DT_STRING", -1)},
        "outputs": {
            "translation": _tensor("DT_STRING", -1),
            "score": _tensor("DT_FLOAT", -1),
        },
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": {_SIGNATURE: signature}}},
    }


_BODY = {
    "type": "object",
    "properties": {
        "signature_name": {"type": "string", "description": _SIGNATURE},
        "instances": {"type": "array", "items": {}, "description": "Texts."},
        "inputs": {"description": "A text, a list of texts, or an object with them."},
    },
}


@router.post(
    "/{name}:predict",
    dependencies=[Depends(require_access)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _BODY}},
        }
    },
)
@router.post(
    "/{name}/versions/{version}:predict",
    include_in_schema=False,
    dependencies=[Depends(require_access)],
)
async def predict(name: str, request: Request) -> Response:
    """Translates `instances` (a list of texts) or `inputs` (columns)."""
    model = _find(request, name)
    body = await _read_json(request)
    signature = body.get("signature_name") or _SIGNATURE
    if signature != _SIGNATURE:
        raise UserError(
            f"there is no signature {signature!r} here. Use {_SIGNATURE}, or ask /v1/"
            "translate for alternatives."
        )
    unknown = {*body} - {"signature_name", "instances", "inputs"}
    if unknown or ("instances" in body) == ("inputs" in body):
        raise UserError(
            "a request must have either instances or inputs, and may have a "
            f"signature_name. Received: {', '.join(sorted(body)) or 'nothing'}."
        )
    is_rows = "instances" in body
    texts = _rows(body["instances"]) if is_rows else _columns(body["inputs"])
    service: Service = request.app.state.service
    found = await service.translate_many(model, texts)
    # Of many texts it takes a while, which other clients need not wait for.
    content = await run_in_threadpool(_answer, found, is_rows)
    return Response(content, media_type="application/json")


def _answer(translations: list[Translation], is_rows: bool) -> str:
    rows = [{"translation": own.text, "score": own.score} for own in translations]
    if is_rows:
        return json.dumps({"predictions": rows})
    names = ("translation", "score")
    return json.dumps(
        {"outputs": {name: [row[name] for row in rows] for name in names}}
    )


async def _read_json(request: Request) -> dict[str, Any]:
    """Returns the body; as there, whatever its content type says, as curl sets one of
    forms."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise UserError("the request is not JSON.") from None
    if not isinstance(body, dict):
        raise UserError("the request must be a JSON object.")
    return body


def _find(request: Request, name: str) -> Model:
    version = request.path_params.get("version", VERSION)
    if version != VERSION:
        raise NotFoundError(
            f"there is no version {version} of {name}. There is: {VERSION}."
        )
    return request.app.state.service.find(name)


def _rows(instances: Any) -> list[str]:
    """Texts in a list, or each in an object under `text`."""
    if not isinstance(instances, list):
        raise UserError("instances must be a list of texts.")
    return [
        _text(row["text"] if isinstance(row, dict) and "text" in row else row)
        for row in instances
    ]


def _columns(inputs: Any) -> list[str]:
    """A text, a list of texts, or either of them under `text`."""
    if isinstance(inputs, dict) and {*inputs} == {"text"}:
        inputs = inputs["text"]
    return [_text(text) for text in (inputs if isinstance(inputs, list) else [inputs])]


def _text(value: Any) -> str:
    """A string, or `{"b64": ...}` of one in UTF-8."""
    if isinstance(value, dict) and {*value} == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True).decode(
                errors="replace"
            )
        except (binascii.Error, TypeError, ValueError):
            raise UserError("the value of b64 is not Base64.") from None
    if not isinstance(value, str):
        raise UserError(
            f"a text must be a string, or an object with b64. Received: "
            f"{type(value).__name__}."
        )
    return value


def _tensor(dtype: str, *sizes: int) -> dict[str, Any]:
    dim = [{"size": str(size), "name": ""} for size in sizes]
    shape = {"dim": dim, "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": ""}
