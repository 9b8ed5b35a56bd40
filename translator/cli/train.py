"""`translator train`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from translator.cli.options import config_options
from translator.config import DEFAULT_PRESET, PRESETS, Config, make_config
from translator.errors import UserError

Preset = StrEnum("Preset", list(PRESETS))


@config_options("data", "model", "training", "search")
def train(
    options: dict,
    preset: Annotated[
        Preset,
        typer.Option(
            help="Options to start from: tiny trains in minutes, small does half the "
            "work of base for each pair, best is base for two hours."
        ),
    ] = DEFAULT_PRESET,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of options, in tables such as [data] and [training]."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Run folder to make. Default: runs/CORPUS-PRESET."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on where the run folder's last checkpoint stands.",
            metavar="",
        ),
    ] = False,
) -> None:
    """Train a model, and leave a run folder.

    Options come from the preset, then from the file, then from the command line.

    Example: translator train --corpus tatoeba-en-es
    """
    settings = make_config(preset, config, options)
    run_dir = output or _default_dir(settings, preset)
    from translator.run_folder import check_new, resumed_options

    if resume:
        # A preset names the folder, and was one of what the saved options come from.
        given = make_config(DEFAULT_PRESET, config, options)
        settings = resumed_options(run_dir, given)
    else:
        from translator.starting import inherit_options

        settings = inherit_options(settings)
        check_new(run_dir, settings)
    from translator.startup import import_tensorflow

    import_tensorflow()
    from translator.training import train as run_training

    run_training(settings, run_dir, resume=resume)


def _default_dir(settings: Config, preset: str) -> Path:
    if not settings.data.corpus:
        raise UserError(
            "no corpus is given. Use --corpus with a name (see `translator data list`) "
            "or with one or two files; with --resume, --output with the run folder "
            "will do."
        )
    return Path("runs") / f"{Path(settings.data.corpus[0]).stem}-{preset}"
