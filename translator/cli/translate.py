"""`translator translate`: a filter, one line in, one line out, or files as they are."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TextIO

import typer

from translator.cli.options import EnsembleOption, config_options
from translator.config import SearchConfig, parse_config
from translator.disk import is_plain
from translator.errors import RefusedWriteError, UserError

if TYPE_CHECKING:
    from translator.files.document import Document

# Lines translated together when nobody waits for each of them.
_CHUNK_SIZE = 256


@config_options("search", are_of_run=True)
def translate(
    options: dict,
    model: Annotated[
        Path,
        typer.Argument(
            help="Run folder, SavedModel or ONNX folder.", show_default=False
        ),
    ],
    ensemble: EnsembleOption = None,
    input: Annotated[  # noqa: A002 - the option's name
        Path | None,
        typer.Option(
            help="File to read; .txt, .csv, .tsv and .srt keep their form. Default: "
            "standard input."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write. Default: standard output.")
    ] = None,
    column: Annotated[
        str,
        typer.Option(
            help="Of a .csv or .tsv, the only column to translate: its name, or its "
            "number from 1. Default: all cells with letters.",
            show_default=False,
        ),
    ] = "",
    header: Annotated[
        bool | None,
        typer.Option(
            help="Whether the first row of a .csv or .tsv has the columns' names, "
            "which stay. Default: whether it looks like it.",
            show_default=False,
        ),
    ] = None,
    nbest: Annotated[
        int, typer.Option(min=1, help="Translations of each line, at most --beam-size.")
    ] = 1,
    scores: Annotated[
        bool,
        typer.Option(
            "--scores", help="Number the translations, with their scores.", metavar=""
        ),
    ] = False,
) -> None:
    """Translate standard input, line by line, or a file.

    A blank line stays a blank line, so line numbers match. A line of several sentences
    is split, translated, and joined again.

    With --scores a line is NUMBER, SCORE and TRANSLATION with tabs between them,
    numbered from 1 as the input lines are. The score is log_prob / length **
    length_penalty, or the mean of those of several sentences.

    With --nbest there are several such lines for each line of the input, which is
    taken as one sentence.

    Without either, a .txt, .csv, .tsv or .srt named by --input comes out in the form it
    had, with its line ends, quotes, numbers and times. A cell of a table that a
    spreadsheet would run as a formula gets an apostrophe.

    Example: echo "Where is the station?" | translator translate data/models/en-es
    """
    if input and output and output.exists() and output.samefile(input):
        raise UserError(
            f"--output would overwrite {input} while it is read. Choose another file."
        )
    from translator.files.document import Document, has_format

    wants_fields = scores or nbest > 1
    is_document = input is not None and has_format(input) and not wants_fields
    if not is_document and (column or header is not None):
        raise UserError(
            "--column and --header need a .csv or .tsv as --input, and neither "
            "--scores nor --nbest. Leave them out."
        )
    with open_input(input) as source:
        from translator.loading import load_translator

        translator = load_translator(model, ensemble or ())
        search = change_search(translator.search, options)
        if is_document:
            document = Document(input, translator.max_characters, column, header)
            _translate_document(
                document, partial(translator.translate, search=search), output
            )
            return
        origin = str(input or "standard input")
        lines = decode_lines(source, origin, translator.max_characters)
        is_waiting = input is None and sys.stdin.isatty()
        with open_output(output, is_waiting) as target:
            for chunk in _chunks(lines, 1 if is_waiting else _CHUNK_SIZE):
                numbers, texts = zip(*chunk, strict=True)
                found = _find_translations(translator, texts, search, nbest)
                for number, translations in zip(numbers, found, strict=True):
                    for translation in translations:
                        score = f"{number}\t{translation.score:.4f}\t"
                        prefix = score if wants_fields else ""
                        target.write(f"{prefix}{translation.text}\n")
                target.flush()


def _translate_document(
    document: "Document", translate: Callable, output: Path | None
) -> None:
    """Translates a file; somebody who looks at a terminal sees how far it is."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    is_seen = console.is_terminal and (output is not None or not sys.stdout.isatty())
    with Progress(console=console, transient=True, disable=not is_seen) as bar:
        task = bar.add_task(document.name, total=document.num_characters)
        for progress in document.translate(translate, output or sys.stdout.buffer):
            bar.update(task, completed=progress.done)


def _find_translations(
    translator, texts: Sequence[str], search: SearchConfig, num_hypotheses: int
) -> list[list]:
    """Returns the translations of each text: things with a text and a score."""
    if num_hypotheses == 1:
        return [[translation] for translation in translator.translate(texts, search)]
    found = translator.translate_sentences(texts, search, num_hypotheses)
    return [sentence.hypotheses for sentence in found]


def change_search(search: SearchConfig, options: dict) -> SearchConfig:
    """Returns the search options with some of them changed, and checked."""
    config = parse_config({"search": search.model_dump() | options})
    return config.search


def open_input(path: Path | None) -> BinaryIO:
    """Opens a file, or standard input, for reading bytes."""
    if path is None:
        return sys.stdin.buffer
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None


@contextmanager
def open_output(path: Path | None, at_once: bool = False) -> Iterator[TextIO]:
    """Opens a file, or standard output, for writing UTF-8.

    A file is replaced when all is written. What was done when a mistake ended it stays
    beside it, in a file whose name ends in `.part`.

    Args:
        path: The file.
        at_once: Whether its reader is to see each line when it is written.
    """
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        return
    real = part = path
    if is_plain(path) and not at_once:
        real = path.resolve()  # a link stays
        part = real.with_name(f"{real.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        if part != path:
            part.replace(real)
    except OSError as error:
        raise RefusedWriteError(f"cannot write {path}: {error.strerror}.") from None
    except UserError as error:
        if part == path:
            raise
        raise UserError(f"{error} What was translated before is in {part}.") from None


def decode_lines(
    lines: Iterable[bytes], origin: str, max_characters: int
) -> Iterator[tuple[int, str]]:
    """Yields each line's number and its text, without the line end.

    Raises:
        UserError: A line that is no UTF-8, or longer than `max_characters`.
    """
    for number, line in enumerate(lines, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise UserError(
                f"{origin}, line {number}: this is not UTF-8. Convert it first, for "
                "example with iconv."
            ) from None
        # Other line ends inside of it, such as U+2028, stay one line.
        text = " ".join(text.rstrip("\r\n").splitlines())
        if len(text) > max_characters:
            raise UserError(
                f"{origin}, line {number}: it has {len(text):,} characters; at most "
                f"{max_characters:,} are accepted. Split it and try again."
            )
        yield number, text


def _chunks(lines: Iterator, size: int) -> Iterator[list]:
    while chunk := list(islice(lines, size)):
        yield chunk
