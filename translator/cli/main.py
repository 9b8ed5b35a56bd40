"""The `translator` command."""

import logging
import os
import sys
from typing import Annotated

import typer

import translator
from translator.cli import data
from translator.cli.evaluate import evaluate
from translator.cli.export import export, pack
from translator.cli.train import train
from translator.cli.translate import translate
from translator.errors import UserError, explain_refusal

app = typer.Typer(
    name="translator",
    help="Train your own translator, see how good it is, and use it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
for command in (train, translate, evaluate, export, pack):
    app.command()(command)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"translator {translator.__version__}")
        raise typer.Exit


@app.callback()
def main(
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", help="Log what is done, on standard error.", metavar=""
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Version.",
            metavar="",
        ),
    ] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )


def run() -> None:
    """Runs the command line: the entry point of the package.

    A user's mistake is one line on standard error and exit status 2, and so is a full
    disk; a bug keeps its traceback.
    """
    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does. Python would complain
        # once more when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if not (line := explain_refusal(error)):
            raise
        typer.echo(f"error: {line}", err=True)
        sys.exit(2)
