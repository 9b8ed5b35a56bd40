"""When a run may begin in a folder, and how it goes on.

Found out before TensorFlow is loaded: a mistake should cost no seconds.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from translator.checkpoints import BEST_NAME, LAST_NAME, load_run_config
from translator.config import Config, option_fields, with_options
from translator.corpus.origins import find_origin
from translator.errors import UserError
from translator.languages import UNKNOWN_LANGUAGE

# What may change when a run goes on: how long it takes, not what it is.
_CHANGEABLE = ("epochs", "max_minutes", "patience", "validate_every")


def check_new(run_dir: Path, config: Config) -> None:
    """Finds what speaks against a new run, before anything is made.

    Raises:
        UserError: No corpus, or one of unknown languages; or a folder that is not
            empty.
    """
    info = find_origin(config.data).info
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


def resumed_options(run_dir: Path, config: Config) -> Config:
    """Returns a run's saved options, with the given ones of how long it takes.

    Args:
        run_dir: The folder of the run that goes on.
        config: The options that were set in it are the given ones.

    Raises:
        UserError: No run folder; or an option is given with another value than the
            saved one.
    """
    saved, _ = load_run_config(run_dir)
    changes = {}
    for name, (section, _) in option_fields().items():
        before, after = (getattr(getattr(c, section), name) for c in (saved, config))
        is_given = name in getattr(config, section).model_fields_set
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


@contextmanager
def removed_if_untrained(run_dir: Path) -> Iterator[None]:
    """Removes a new run's folder when it fails before anything was trained: there is
    nothing to resume, and the same command must be free to try again."""
    try:
        yield
    except BaseException:
        if not any((run_dir / name).exists() for name in (BEST_NAME, LAST_NAME)):
            shutil.rmtree(run_dir, ignore_errors=True)
        raise
