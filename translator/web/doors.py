"""Doors that Gradio leaves open on any page: limits for them."""

import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from translator.serving.errors import error_answer

logger = logging.getLogger(__name__)

_FOLDER = "GRADIO_TEMP_DIR"
_GRADIO_PATH = "/gradio_api/"
# The doors that the page and `gradio_client` use. Others record videos, fetch
# addresses, keep the page's state in files, tell who was here, or stay open for ever.
_KNOWN_DOORS = re.compile(
    r"(app_id|call/.+|cancel|file=(?!\w{2,}:|//).+|heartbeat/.+|info|login_check|"
    r"openapi\.json|queue/.+|reset|run/predict|startup-events|theme\.css|upload|"
    r"upload_progress)/?"
)
_WRITING_PATH = "/gradio_api/upload"
_MAX_FOLDER_BYTES = 100_000_000
_MAX_SECONDS = 3_600  # that Gradio keeps a file that it knows of; and we all others
_BLOCK_BYTES = 4_096  # what a file takes, however small


@contextmanager
def own_upload_folder() -> Iterator[None]:
    """Lets Gradio keep what is uploaded in a folder that goes with this process.

    Otherwise it is one that all Gradio programs of a machine share, and that stays. To
    be entered before Gradio is imported. A user who sets `GRADIO_TEMP_DIR` decides.
    """
    if _FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="translator-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_FOLDER]


class KnownDoors:
    """Answers 404 at all doors of Gradio that the page does not use.

    Args:
        app: The app behind it.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, path = self.app, scope.get("path", "")
        is_door = path.startswith(("/gradio_api", "/monitoring"))
        if is_door and not _KNOWN_DOORS.fullmatch(path.removeprefix(_GRADIO_PATH)):
            app = error_answer(404, "there is nothing here. See /docs.")
        await app(scope, receive, send)


class QuietDoors:
    """Notes in one line what fails at Gradio's own doors.

    What a stranger sends there, such as an unknown session or half a file, ends in an
    error of the program, and in hundreds of lines of the log.

    Args:
        app: The app behind it.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            if not scope.get("path", "").startswith(_GRADIO_PATH):
                raise
            # Gradio has answered 500 already, or the client is gone.
            logger.warning("%r failed: %s", scope["path"], type(error).__name__)


class UploadLimit:
    """Refuses uploads while the folder that holds them is full.

    Args:
        app: The app behind it.
        folder: Where Gradio keeps what is uploaded.
        limit: In bytes.
    """

    def __init__(self, app: ASGIApp, folder: str, limit: int = _MAX_FOLDER_BYTES):
        self.app = app
        self.folder = Path(folder)
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] == "http" and scope["path"].rstrip("/") == _WRITING_PATH:
            if await run_in_threadpool(_size_of, self.folder) > self.limit:
                message = "the server holds as many files as it may. Try again later."
                app = error_answer(503, message, {"Retry-After": "600"})
        await app(scope, receive, send)


def _size_of(folder: Path) -> int:
    """Returns what the files in a folder take, in bytes, without those that have been
    there too long: they go."""
    size, oldest = 0, time.time() - _MAX_SECONDS
    for path in folder.rglob("*"):
        try:
            status = path.stat()
            if S_ISREG(status.st_mode) and status.st_mtime < oldest:
                path.unlink()
            else:
                size += max(status.st_size, _BLOCK_BYTES)
        except OSError:  # it was removed meanwhile
            continue
    return size
