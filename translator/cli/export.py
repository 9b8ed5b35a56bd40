"""`translator export` and `translator pack`."""

from pathlib import Path
from typing import Annotated

import typer

_Run = Annotated[Path, typer.Argument(help="Run folder.", show_default=False)]
_Output = Annotated[Path, typer.Argument(help="Folder to make.", show_default=False)]


def export(run: _Run, output: _Output) -> None:
    """Write a SavedModel: text in, text out.

    It needs TensorFlow and TensorFlow Text to run, not this package. Each text is
    taken as one sentence; the search options are those of the run.

    Example: translator export data/models/en-es exports/en-es
    """
    from translator.startup import import_tensorflow

    import_tensorflow()
    from translator.export import export_saved_model
    from translator.inference import Translator

    export_saved_model(Translator.load(run), output)
    typer.echo(
        f"{output}: a SavedModel with the signatures serving_default and "
        "translate_nbest",
        err=True,
    )


def pack(run: _Run, output: _Output) -> None:
    """Copy a run folder for sharing: weights of half the size, no training state.

    Example: translator pack runs/tatoeba-en-es-base en-es
    """
    from translator.checkpoints import pack_run

    pack_run(run, output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    typer.echo(f"{output}: {size / 1e6:.1f} MB", err=True)
