"""Errors as HTTP answers: one line of JSON, `{"error": "..."}`, from every door."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from translator.errors import RefusedWriteError, UserError
from translator.serving.gathering import BusyError
from translator.serving.service import NotFoundError, TooLateError

logger = logging.getLogger(__name__)

# Seconds after which a client that was sent away may come again.
RETRY_AFTER = 2


class ErrorAnswer(BaseModel):
    """What was received, what was expected, what to do: one line."""

    error: str


def add_error_answers(app: FastAPI) -> None:
    """Makes the app answer with `{"error": "..."}` and a fitting status."""

    @app.exception_handler(RequestValidationError)
    async def on_validation_error(request: Request, error: RequestValidationError):
        return error_answer(400, _first_complaint(error))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException):
        return error_answer(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(UserError)
    @app.exception_handler(BusyError)
    @app.exception_handler(TooLateError)
    @app.exception_handler(ClientDisconnect)
    @app.exception_handler(Exception)
    async def on_other_error(request: Request, error: Exception):
        status, message = explain(error, f"{request.method} {route_of(request.scope)}")
        headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else None
        return error_answer(status, message, headers)


def explain(error: Exception, request: str = "a request") -> tuple[int, str]:
    """Returns the status and the line that a client gets; logs what is our mistake.

    Args:
        error: What went wrong.
        request: What it was that failed, for the log.
    """
    match error:
        case NotFoundError():
            return 404, str(error)
        case RefusedWriteError():
            logger.error("%s", error)
            return 507, "the server has no room for files. Try again later."
        case UserError():
            return 400, str(error)
        case BusyError():
            return 503, "the server is busy. Try again in a few seconds."
        case TooLateError():
            return 503, "the translation took too long. Send less text at a time."
        case ClientDisconnect():  # nobody reads it, but the metrics count it
            return 400, "the request broke off. Send it again."
    logger.exception("%s failed", request, exc_info=error)
    return 500, "something went wrong on the server. Its log has the details."


def route_of(scope: Scope) -> str:
    """Returns the path of a request as it was declared: one of few, without what a
    client wrote."""
    return getattr(scope.get("route"), "path", "other")


def error_answer(
    status: int, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers)


def _first_complaint(error: RequestValidationError) -> str:
    """The first of pydantic's complaints, in one line.

    Of a field that may be of several types it complains once for each: that of the type
    which fits best, down to where it does not fit, is told.
    """
    errors = error.errors()
    first = errors[0]
    if first["type"] == "json_invalid":
        return f"the body is not JSON: {first['ctx']['error']}."
    if first["loc"] == ("body",):
        return (
            "the body must be a JSON object, sent with the header Content-Type: "
            "application/json."
        )
    own = [e for e in errors if e["loc"][:2] == first["loc"][:2]]
    deepest = max(len(e["loc"]) for e in own)
    fitting = [e for e in own if len(e["loc"]) == deepest]
    place = ".".join(map(str, filter(_is_place, fitting[-1]["loc"])))
    messages = dict.fromkeys(_with_small_letter(e["msg"]) for e in fitting)
    return f"{place}: {', or '.join(messages)}."


def _is_place(part: str | int) -> bool:
    """Whether a part of an error's place is one in the body: others are types."""
    return part not in ("body", "str", "int") and "[" not in str(part)


def _with_small_letter(message: str) -> str:
    return message[:1].lower() + message[1:]
