"""Files and folders that are there as a whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from translator.errors import RefusedWriteError, UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path; what was written there replaces `path` at the end.

    A reader sees the old file or the new one, never half of one, and a full disk leaves
    the old one. A link stays, and what it leads to is replaced.
    """
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Gives a stream to write a file by: in the end it is there as a whole, or what was
    there before still is. A device or a pipe is written to at once.

    Raises:
        RefusedWriteError: It cannot be written.
    """
    try:
        if is_plain(path):
            with replacing(path) as temporary, temporary.open("wb") as stream:
                yield stream
        else:
            with path.open("wb") as stream:
                yield stream
    except OSError as error:
        raise RefusedWriteError(f"cannot write {path}: {error.strerror}.") from None


def write_text(path: Path, text: str) -> None:
    """Writes a text file: see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file that people can read: see `replacing`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def is_plain(path: Path) -> bool:
    """Whether a path is that of a file, or of nothing yet, that can be replaced."""
    return not path.exists() or (path.is_file() and Path("/dev") not in path.parents)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Gives a temporary folder to fill; in the end, as a whole or not at all, it is
    `path`, which must not exist, or be empty.

    Raises:
        UserError: There is something in `path`, or it cannot be made.
    """
    path = path.absolute()  # that of "." has no name
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} is not an empty folder. Choose another one.")
    temporary = path.with_name(f".{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        make_folder(temporary.parent)
        temporary.mkdir()
        yield temporary
        if path.exists():
            path.rmdir()
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, where there is none.

    Raises:
        UserError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the folder {path}: {error.strerror}. Choose another one."
        ) from None
