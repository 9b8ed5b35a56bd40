"""Doors that Gradio leaves open on any page: limits for them."""

import logging
import math
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from translator.disk import make_folder
from translator.serving.errors import error_answer

logger = logging.getLogger(__name__)

_FOLDER = "GRADIO_TEMP_DIR"
_PREFIX = "translator-"
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
_MAX_SECONDS = 3_600  # that a file is kept
_CLEANING_SECONDS = 300
_BLOCK_BYTES = 4_096  # what a file takes, however small


@contextmanager
def own_upload_folder() -> Iterator[None]:
    """Lets Gradio keep what is uploaded in a folder that goes with this process.

    Otherwise it is one that all Gradio programs of a machine share, and that stays. To
    be entered before Gradio is imported. A user who sets `GRADIO_TEMP_DIR` decides
    where that folder is made.
    """
    before = os.environ.get(_FOLDER)
    if before:
        make_folder(Path(before))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=before) as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[_FOLDER]
            else:
                os.environ[_FOLDER] = before


class KnownDoors:
    """Answers 404 at all doors of Gradio that the page does not use.

    Args:
        app: The app behind it.
        root_path: What a proxy takes away of paths. Gradio takes it away, too, so that
            there would be a second way to each door.
    """

    def __init__(self, app: ASGIApp, root_path: str = ""):
        self.app = app
        self.prefix = f"{root_path.rstrip('/')}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, path = self.app, scope.get("path", "")
        route = f"/{path.removeprefix(self.prefix).removeprefix('/')}"
        is_known = _KNOWN_DOORS.fullmatch(path.removeprefix(_GRADIO_PATH))
        if route.startswith(("/gradio_api", "/monitoring")) and not is_known:
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
    """Refuses uploads while the folder that holds them is full, and removes what has
    been there too long: Gradio does not know of all of it.

    Args:
        app: The app behind it.
        folder: Where Gradio keeps what is uploaded.
        limit: In bytes.
    """

    def __init__(self, app: ASGIApp, folder: str, limit: int = _MAX_FOLDER_BYTES):
        self.app = app
        self.folder = Path(folder)
        self.limit = limit
        self.cleaned = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if time.monotonic() - self.cleaned > _CLEANING_SECONDS:
            self.cleaned = time.monotonic()
            await run_in_threadpool(_clean, self.folder)
        if scope["type"] == "http" and scope["path"].rstrip("/") == _WRITING_PATH:
            if await run_in_threadpool(_size_of, self.folder) > self.limit:
                message = "the server holds as many files as it may. Try again later."
                app = error_answer(503, message, {"Retry-After": "600"})
        await app(scope, receive, send)


def _size_of(folder: Path) -> int:
    """What the files in a folder take, in bytes."""
    size = 0
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except OSError:  # it was removed meanwhile
            continue
        if S_ISREG(status.st_mode):
            size += max(status.st_size, _BLOCK_BYTES)
    return size


def _clean(folder: Path) -> None:
    """Removes old files and empty folders from a folder of `own_upload_folder`: others
    may hold what is not ours."""
    oldest = time.time() - _MAX_SECONDS
    old = []
    for path in folder.rglob("*") if folder.name.startswith(_PREFIX) else ():
        with suppress(OSError):  # it is gone
            if path.stat().st_mtime < oldest:
                old.append(path)
    for path in reversed(old):  # what is in a folder comes behind it
        with suppress(OSError):  # a folder with a newer file
            path.rmdir() if path.is_dir() else path.unlink()
