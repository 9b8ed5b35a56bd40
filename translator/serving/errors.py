"""Errors as HTTP answers: one line of JSON, `{"error": "..."}`, from every door."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from translator.errors import UserError
from translator.serving.gathering import BusyError
from translator.serving.service import NotFoundError, TooLateError

logger = logging.getLogger(__name__)

# Seconds after which a client that was sent away may come again.
RETRY_AFTER = 2


def add_error_answers(app: FastAPI) -> None:
    """Makes the app answer with `{"error": "..."}` and a fitting status."""

    @app.exception_handler(UserError)
    async def on_user_error(request: Request, error: UserError):
        return error_answer(
            404 if isinstance(error, NotFoundError) else 400, str(error)
        )

    @app.exception_handler(RequestValidationError)
    async def on_validation_error(request: Request, error: RequestValidationError):
        return error_answer(400, _explain(error))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException):
        return error_answer(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(BusyError)
    async def on_busy(request: Request, error: BusyError):
        message = "the server is busy. Try again in a few seconds."
        return error_answer(503, message, {"Retry-After": str(RETRY_AFTER)})

    @app.exception_handler(TooLateError)
    async def on_too_late(request: Request, error: TooLateError):
        message = "the translation took too long. Send less text at a time."
        return error_answer(503, message, {"Retry-After": str(RETRY_AFTER)})

    @app.exception_handler(Exception)
    async def on_failure(request: Request, error: Exception):
        logger.exception("a request failed", exc_info=error)
        message = "something went wrong on the server. Its log has the details."
        return error_answer(500, message)


def error_answer(
    status: int, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers)


def _explain(error: RequestValidationError) -> str:
    """The first of pydantic's complaints, in one line."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{place}: {message}." if place else f"{message}."
