"""`translator export` and `translator pack`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from translator.errors import UserError

_Run = Annotated[Path, typer.Argument(help="Run folder.", show_default=False)]
_Output = Annotated[Path, typer.Argument(help="Folder to make.", show_default=False)]
_Exports = Annotated[
    Path,
    typer.Argument(
        help="Folder of exported models; with onnx and litert, the folder to make.",
        show_default=False,
    ),
]
# What each format can store weights as.
_WEIGHTS = {
    "saved_model": ("float32", "float16", "int8"),
    "onnx": ("float32", "int8"),
    "litert": ("float32",),
}


def export(
    run: _Run,
    output: _Exports,
    format: Annotated[  # noqa: A002 - the option's name
        Literal["saved_model", "onnx", "litert"], typer.Option(help="What to write.")
    ] = "saved_model",
    weights: Annotated[
        Literal["float32", "float16", "int8"],
        typer.Option(
            help="How to store them. A SavedModel gets smaller, and computes in "
            "float32 with each. ONNX has float32 and int8, and gets faster, too: see "
            "benchmarks/light_runtime.md for what that costs."
        ),
    ] = "float32",
    version: Annotated[
        int | None,
        typer.Option(min=1, help="Of a SavedModel. Default: one more than the last."),
    ] = None,
) -> None:
    """Write a model for serving: text in, text out.

    saved_model makes OUTPUT/NAME/VERSION, as TensorFlow Serving looks for it. It needs
    TensorFlow and TensorFlow Text to run, not this package; the search options of the
    run are fixed in it.

    onnx is for `translator translate`, `serve.py` and `load_translator`, in place of
    the run folder: it starts in half a second, needs no TensorFlow, and, with int8, is
    1.6 to 2 times as fast.

    litert is the network alone, for programs on small devices that cut into subwords
    and search by themselves: `encode` and `step` in OUTPUT/model.tflite.

    Example: translator export data/models/en-es exports/en-es --format onnx
    """
    if version and format != "saved_model":
        raise UserError("--version is for saved_model alone. Leave it out.")
    if weights not in _WEIGHTS[format]:
        raise UserError(
            f"--weights of {format} may be {' or '.join(_WEIGHTS[format])}. Received: "
            f"{weights}."
        )
    if format == "saved_model":
        _export_saved_model(run, output, version, weights)
        return
    if format == "onnx":
        from translator.light.export import export_onnx

        export_onnx(run, output, is_int8=weights == "int8")
    else:
        _export_litert(run, output)
    size = sum(path.stat().st_size for path in output.iterdir())
    kind = {"onnx": "an ONNX folder", "litert": "a LiteRT folder"}[format]
    typer.echo(f"{output}: {kind}, {size / 1e6:.1f} MB", err=True)


def _export_litert(run: Path, output: Path) -> None:
    from translator.startup import import_tensorflow

    import_tensorflow()
    from translator.inference import Translator
    from translator.litert import export_litert

    export_litert(Translator.load(run), output)


def _export_saved_model(
    run: Path, output: Path, version: int | None, weights: str
) -> None:
    from translator.startup import import_tensorflow

    import_tensorflow()
    from translator.export import export_saved_model
    from translator.inference import Translator

    path = export_saved_model(Translator.load(run), output, version, weights)
    typer.echo(
        f"{path}: a SavedModel with the signatures serving_default, translate_nbest, "
        "translate_with_attention and translate_ids",
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
