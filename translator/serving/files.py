"""Files that clients send: translated between all other requests, kept for a while."""

import asyncio
import os
import secrets
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool

from translator.files.document import Document
from translator.serving.gathering import BusyError
from translator.serving.service import Model, Service

# Texts of a file translated together: a small request that comes meanwhile waits half
# a second for them, and the file loses a sixth of its speed.
MAX_TEXTS = 32
# Files that are translated at a time, in turns; more are sent away.
MAX_FILES = 16


class _Kept(NamedTuple):
    """A result: what to call it, whose it is, and its bytes."""

    name: str
    client: str
    size: int


class FileDesk:
    """Translates files for many clients, and keeps the results until they are fetched.

    Args:
        service: What translates.
        seconds: How long a result is kept.
        max_bytes: Of all results; the oldest makes room for a new one.

    Attributes:
        folder: For files of this server; it goes when the desk does, or the process.
    """

    def __init__(
        self, service: Service, seconds: float = 3600, max_bytes: int = 100_000_000
    ):
        self._service = service
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._kept: dict[str, _Kept] = {}  # by key, the oldest first
        self._turn = asyncio.Lock()
        self._num_open = 0
        self._is_closed = False
        self.folder = Path(tempfile.mkdtemp(prefix="translator-files-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    async def translate(
        self,
        document: Document,
        model: Model,
        target: Path,
        is_gone: Callable[[], Awaitable[bool]],
    ) -> None:
        """Translates a file, piece by piece; several files take turns.

        So at most one piece is before or among the other requests.

        Args:
            document: The file.
            model: What translates it.
            target: Where to write it.
            is_gone: Tells whether nobody waits for it any more.

        Raises:
            BusyError, TooLateError: As `Service.translate`; or `close` was called.
            HTTPException: 499, the client is gone.
        """
        max_texts = min(MAX_TEXTS, self._service.limits.texts)
        with closing(document.pieces(target, max_texts)) as pieces:
            # On another thread: a large file is read and written between the pieces.
            while piece := await run_in_threadpool(next, pieces, None):
                async with self._turn:
                    if self._is_closed:
                        raise BusyError
                    if await is_gone():
                        raise HTTPException(499, "the client is gone.")
                    found = await self._service.translate(model, piece.texts)
                piece.translations = [translation.text for translation in found]

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Holds one of the `MAX_FILES` places.

        Raises:
            BusyError: All are taken.
        """
        if self._num_open >= MAX_FILES:
            raise BusyError
        self._num_open += 1
        try:
            yield
        finally:
            self._num_open -= 1

    def new_folder(self) -> tempfile.TemporaryDirectory:
        """Returns a folder for the files of one request."""
        # Systems clean up after some days what nobody writes to.
        self.folder.mkdir(mode=0o700, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=self.folder)

    def keep(self, path: Path, name: str, client: str = "") -> str:
        """Takes a file from its place in `folder`; returns the key to find it by.

        Where there is no more room, it is made by the oldest file of the client who has
        most of it.

        Args:
            path: The file.
            name: What to call it for whoever fetches it.
            client: Whose it is.
        """
        key = secrets.token_urlsafe(24) + path.suffix
        os.replace(path, self._place(key))
        self._kept[key] = _Kept(name, client, self._place(key).stat().st_size)
        while (sizes := self._sizes()).total() > self._max_bytes:
            [(largest, _)] = sizes.most_common(1)
            own = (key for key, file in self._kept.items() if file.client == largest)
            self._drop(next(own))
        asyncio.get_running_loop().call_later(self._seconds, self._drop, key)
        return key

    def find(self, key: str) -> tuple[Path, str]:
        """Returns a file that was kept, and what to call it.

        Raises:
            HTTPException: 404, no such file, or not any more.
        """
        if key not in self._kept or not self._place(key).exists():
            raise HTTPException(404, "there is no such file, or not any more.")
        return self._place(key), self._kept[key].name

    def close(self) -> None:
        """Translates no further piece: a server that stops waits for no large file."""
        self._is_closed = True

    def _place(self, key: str) -> Path:
        return self.folder / key

    def _sizes(self) -> Counter[str]:
        """Bytes of the files of each client."""
        sizes: Counter[str] = Counter()
        for file in self._kept.values():
            sizes[file.client] += file.size
        return sizes

    def _drop(self, key: str) -> None:
        self._kept.pop(key, None)
        self._place(key).unlink(missing_ok=True)
