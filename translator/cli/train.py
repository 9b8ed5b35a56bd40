"""`translator train`."""

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from translator.cli.options import config_options
from translator.config import (
    DEFAULT_PRESET,
    PRESETS,
    Config,
    make_config,
    option_fields,
    with_options,
)
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
    if resume:
        # A preset names the folder, and was one of what the saved options come from.
        settings = _resumed(run_dir, make_config(DEFAULT_PRESET, config, options))
    else:
        from translator.starting import inherit_options

        settings = inherit_options(settings)
        _check_new(run_dir, settings)
    from translator.startup import import_tensorflow

    import_tensorflow()
    from translator.training import train as run_training

    try:
        run_training(settings, run_dir, resume=resume)
    except BaseException:
        if not resume:
            _remove_untrained(run_dir)
        raise


def _default_dir(settings: Config, preset: str) -> Path:
    if not settings.data.corpus:
        raise UserError(
            "no corpus is given. Use --corpus with a name (see `translator data list`) "
            "or with one or two files; with --resume, --output with the run folder "
            "will do."
        )
    return Path("runs") / f"{Path(settings.data.corpus[0]).stem}-{preset}"


def _check_new(run_dir: Path, settings: Config) -> None:
    """Finds the user's mistakes before anything is made."""
    from translator.corpus.origins import find_origin
    from translator.languages import UNKNOWN_LANGUAGE

    info = find_origin(settings.data).info
    if UNKNOWN_LANGUAGE in info["languages"]:
        raise UserError(
            f"the languages of {info['name']} are not known. Give --source-language, "
            "that of the first column or file, and --target-language; or name a file "
            "such as pairs.en-es.tsv."
        )
    if run_dir.exists() and (not run_dir.is_dir() or any(run_dir.iterdir())):
        raise UserError(
            f"{run_dir} is there already. Choose another folder with --output, or go "
            "on with this one with --resume."
        )


def _remove_untrained(run_dir: Path) -> None:
    """Removes a new run's folder if nothing was trained yet, as there is nothing to
    resume: the same command must be free to try again."""
    from translator.checkpoints import BEST_NAME, LAST_NAME

    if not any((run_dir / name).exists() for name in (BEST_NAME, LAST_NAME)):
        shutil.rmtree(run_dir, ignore_errors=True)


# What may change when a run goes on: how long it takes, not what it is.
_CHANGEABLE = ("epochs", "max_minutes", "patience", "validate_every")


def _resumed(run_dir: Path, settings: Config) -> Config:
    """Returns a run's saved options, with the given ones of how long it takes.

    Given are those of the file and the command line; not those of a preset.

    Raises:
        UserError: Another option is given with another value than the saved one.
    """
    from translator.checkpoints import load_run_config

    saved, _ = load_run_config(run_dir)
    changes = {}
    for name, (section, _) in option_fields().items():
        before, after = (getattr(getattr(c, section), name) for c in (saved, settings))
        is_given = name in getattr(settings, section).model_fields_set
        if not is_given or (name, after) == ("mixed_precision", "auto"):
            continue
        if name in _CHANGEABLE:
            changes[name] = after
        elif before != after:
            raise UserError(
                f"a resumed run keeps its options: {name} is {before!r} in {run_dir}. "
                f"Received: {after!r}. Leave it out, or start a new run with --output."
            )
    return with_options(saved, "training", **changes)
