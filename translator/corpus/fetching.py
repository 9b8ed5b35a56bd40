"""Brings the files of the registry to a cache folder, checked.

`TRANSLATOR_CACHE` names the cache (default: the platform's folder for caches).
`TRANSLATOR_MIRROR` names a folder, or an http(s) address, that holds the files under
their `RemoteFile.path` and stands in for their publishers' addresses.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit
from uuid import uuid4

from translator.corpus.registry import RemoteFile
from translator.errors import UserError

# Seconds without a byte, for connecting and for each read.
TIMEOUT_SECONDS = 30.0

_CHUNK_BYTES = 1 << 16


def cache_dir() -> Path:
    """Returns the folder of the fetched files; it need not exist."""
    if folder := os.environ.get("TRANSLATOR_CACHE"):
        return Path(folder).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("translator", appauthor=False)


def is_cached(file: RemoteFile) -> bool:
    """Returns whether the file lies in the cache, whole and unchanged."""
    path = cache_dir() / file.path
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        return file_digest(content, "sha256").hexdigest() == file.sha256


def fetch(file: RemoteFile, release: str = "") -> Path:
    """Returns the path of the file in the cache, fetching it if needed.

    The bytes go to a temporary file, which gets the final name only when its SHA-256
    is right: an interrupted or damaged download is never used.

    Args:
        file: What to fetch.
        release: The release that the checksum is of, for the error message.

    Raises:
        UserError: The file cannot be fetched, or is not the one of the registry.
    """
    path = cache_dir() / file.path
    if is_cached(file):
        return path
    origin = _choose_origin(file)
    temporary_path = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_path.open("xb") as temporary:
            digest = _download(origin, file, temporary)
        if digest != file.sha256:
            raise UserError(_explain_mismatch(origin, file, release, digest))
        os.replace(temporary_path, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}. "
            "Name another folder in TRANSLATOR_CACHE."
        ) from None
    finally:
        with suppress(OSError):
            temporary_path.unlink()
    return path


def _choose_origin(file: RemoteFile) -> str:
    """Returns the address to fetch from, or a path below a mirror folder."""
    mirror = os.environ.get("TRANSLATOR_MIRROR", "")
    if not mirror:
        return file.address
    if not urlsplit(mirror).netloc:
        return str(Path(mirror).expanduser() / file.path)
    if _is_web_address(mirror):
        return f"{mirror.rstrip('/')}/{quote(file.path)}"
    raise UserError(
        f"TRANSLATOR_MIRROR must be a folder or start with http:// or https://. "
        f"Received: {mirror!r}."
    )


def _is_web_address(address: str) -> bool:
    return urlsplit(address).scheme in ("http", "https")


def _download(origin: str, file: RemoteFile, output: IO[bytes]) -> str:
    """Writes the bytes, shows progress on a terminal, and returns their SHA-256."""
    digest, received = sha256(), 0
    with _open_origin(origin) as chunks, _progress_bar(file) as advance:
        for chunk in chunks:
            digest.update(chunk)
            output.write(chunk)
            received += len(chunk)
            advance(len(chunk))
            if received > file.size:
                # Not our file, whatever follows; it might never end.
                break
    return digest.hexdigest()


@contextmanager
def _open_origin(origin: str) -> Iterator[Iterator[bytes]]:
    """Opens an address or a file of a mirror folder, as chunks of bytes."""
    if not _is_web_address(origin):
        try:
            content = open(origin, "rb")
        except OSError as error:
            raise UserError(
                f"TRANSLATOR_MIRROR has no {origin}: {error.strerror}."
            ) from None
        with content:
            yield iter(lambda: content.read(_CHUNK_BYTES), b"")
        return
    import httpx

    headers = {"User-Agent": "translator", "Accept-Encoding": "identity"}
    try:
        with httpx.stream(
            "GET",
            origin,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            follow_redirects=True,
        ) as response:
            response.raise_for_status()
            yield response.iter_bytes(_CHUNK_BYTES)
    except httpx.HTTPStatusError as error:
        status = f"{error.response.status_code} {error.response.reason_phrase}"
        raise UserError(f"cannot fetch {origin}: the server says {status}.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(
            f"cannot fetch {origin}: {error}. Without a network, set "
            "TRANSLATOR_MIRROR to a folder that holds the file."
        ) from None


@contextmanager
def _progress_bar(file: RemoteFile):
    """Yields a function that takes the number of bytes that came."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = ("{task.description}", BarColumn(), DownloadColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        task = progress.add_task(file.path, total=file.size)
        yield lambda count: progress.advance(task, count)


def _explain_mismatch(origin: str, file: RemoteFile, release: str, digest: str) -> str:
    return (
        f"{origin} is not the file of release {release} that is known here (SHA-256 "
        f"{digest[:16]}..., expected {file.sha256[:16]}...): the publisher replaced it "
        "or the download broke. Try again, set TRANSLATOR_MIRROR to a place that has "
        "that release, or download it yourself and give it with --corpus FILE."
    )
