"""Weights and training state on disk, as NumPy archives that anything can read."""

import json
import os
import shutil
import zipfile
import zlib
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from translator.config import Config, parse_config
from translator.disk import make_folder, new_folder, replacing
from translator.errors import UserError

CONFIG_NAME = "config.json"
TOKENIZER_NAME = "tokenizer.model"
CARD_NAME = "README.md"
CURVES_NAME = "curves.png"
DATA_NAME = "data"
EVALUATION_DIR = "evaluation"
BEST_NAME = "checkpoints/best.npz"
LAST_NAME = "checkpoints/last.npz"
# Entry of `last.npz` that holds the progress as JSON; a variable cannot be called so.
_PROGRESS = "progress.json"
# Fields of `metrics.jsonl` and `report.json` that quote the corpus.
_SENTENCES = ("samples", "worst", "best", "hypotheses")
# What a damaged archive can raise, wherever the damage is.
_READ_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # a flag says "encrypted"; an unknown method of compression
)


def variable_arrays(variables) -> dict[str, np.ndarray]:
    """Returns name -> value of Keras variables.

    Raises:
        ValueError: Two variables of one name: they could not be told apart.
    """
    names = _variable_names(variables)
    if len(set(names)) != len(names):
        raise ValueError("two variables have the same path; name the layers apart.")
    values = [np.asarray(variable.value) for variable in variables]
    return dict(zip(names, values, strict=True))


def assign_arrays(variables, arrays: dict[str, np.ndarray], origin: Path | str) -> None:
    """Assigns name -> value to Keras variables.

    Raises:
        UserError: A variable is missing in `arrays`, or has another shape.
    """
    names = _variable_names(variables)
    for name, variable in zip(names, variables, strict=True):
        found = arrays.get(name)
        if found is None or found.shape != tuple(variable.shape):
            raise UserError(
                f"{origin} does not fit the network that config.json describes: "
                f"{name} should have shape {tuple(variable.shape)}. Received: "
                f"{'nothing' if found is None else found.shape}. Use the config.json "
                "that was written with it."
            )
    for name, variable in zip(names, variables, strict=True):
        variable.assign(arrays[name].astype(variable.dtype))


def _variable_names(variables) -> list[str]:
    """Returns the variables' paths, but numbers the seeds of dropout in their order.

    Keras numbers them through the whole process: another model, built before, would
    change their paths.
    """
    numbers = count()
    return [
        f"dropout_seed_{next(numbers)}"
        if variable.path.endswith("seed_generator_state")
        else variable.path
        for variable in variables
    ]


def save_arrays(
    path: Path, arrays: dict[str, np.ndarray], *, is_compressed: bool = False
) -> None:
    """Writes arrays to an `.npz` file; compressing takes a second for each 20 MB."""
    make_folder(path.parent)
    save = np.savez_compressed if is_compressed else np.savez
    with replacing(path) as temporary, temporary.open("wb") as file:
        save(file, **arrays)
        file.flush()
        os.fsync(file.fileno())


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads what `save_arrays` wrote.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array")
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing. Train the model first, or give another run folder."
        ) from None
    except _READ_ERRORS as error:
        raise UserError(
            f"{path} cannot be read as a NumPy archive ({error}). Copy it again or "
            "use another checkpoint."
        ) from None


def save_weights(model, path: Path) -> None:
    """Writes a model's weights."""
    save_arrays(path, variable_arrays(model.weights))


def load_weights(model, path: Path) -> None:
    """Reads weights, of any float type, into a model."""
    assign_arrays(model.weights, load_arrays(path), path)


def save_state(path: Path, variables, progress: dict[str, Any]) -> None:
    """Writes all that training needs to go on: variables and a JSON of progress."""
    text = np.array(json.dumps(progress))
    save_arrays(path, variable_arrays(variables) | {_PROGRESS: text})


def load_state(path: Path, variables) -> dict[str, Any]:
    """Reads the variables that `save_state` wrote, and returns the progress."""
    arrays = load_arrays(path)
    if _PROGRESS not in arrays:
        raise UserError(f"{path} holds weights, not a training state.")
    progress = json.loads(str(arrays.pop(_PROGRESS)))
    assign_arrays(variables, arrays, path)
    return progress


def load_run_config(run_dir: Path) -> tuple[Config, dict[str, Any]]:
    """Reads a run folder's options, and the facts stored beside them.

    Raises:
        UserError: No such folder, or no readable `config.json` in it.
    """
    path = run_dir / CONFIG_NAME
    try:
        content = json.loads(path.read_text("utf-8"))
    except PermissionError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
    except OSError:
        if not run_dir.exists():
            raise UserError(f"there is no folder {run_dir}.") from None
        raise UserError(
            f"{run_dir} is not a run folder: it has no {CONFIG_NAME}. Give the folder "
            "that `translator train` or `translator export` wrote."
        ) from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} should hold a JSON object. Received: {content!r}.")
    sections = {name: content.get(name, {}) for name in Config.model_fields}
    if isinstance(sections["data"], dict):  # what older runs do not tell, they had not
        sections["data"] = {"augmentation": 0.0, "placeholders": 0.0} | sections["data"]
    facts = {name: value for name, value in content.items() if name not in sections}
    return parse_config(sections, str(path)), facts


def pack_run(run_dir: Path, out_dir: Path) -> None:
    """Copies a run folder for sharing: half-precision weights, no training state.

    No sentence of the corpus goes with it: samples, examples and translations of the
    test set stay behind, the scores come along. Of files only the names are told, not
    where they are.

    Raises:
        UserError: `run_dir` is no run folder, or `out_dir` is not empty.
    """
    config, _ = load_run_config(run_dir)
    arrays = load_arrays(run_dir / BEST_NAME)
    with new_folder(out_dir) as temporary:
        save_arrays(
            temporary / BEST_NAME,
            {name: array.astype(np.float16) for name, array in arrays.items()},
            is_compressed=True,
        )
        for name in (CONFIG_NAME, TOKENIZER_NAME, CARD_NAME, CURVES_NAME):
            if (run_dir / name).exists():
                shutil.copy2(run_dir / name, temporary / name)
        for path in filter(
            Path.exists, (temporary / CONFIG_NAME, temporary / CARD_NAME)
        ):
            path.write_text(_without_folders(path.read_text("utf-8"), config), "utf-8")
        for path in (
            *run_dir.glob("metrics*.jsonl"),
            *run_dir.glob("evaluation/*/report.json"),
        ):
            _copy_without_sentences(path, temporary / path.relative_to(run_dir))
        for path in run_dir.glob("evaluation/*/robustness.json"):  # numbers alone
            out_path = temporary / path.relative_to(run_dir)
            out_path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, out_path)


def _without_folders(text: str, config: Config) -> str:
    """Returns a text with the names of the files of a training, not their places."""
    data = config.data
    paths = (*data.corpus, *data.dev_corpus, *data.extra_corpus)
    paths = map(Path, (*paths, config.training.start_from))
    for path in sorted(paths, key=lambda path: -len(str(path))):
        for shown in (str(path), "/".join(path.parts[-2:])):  # as in its `files`, too
            if len(path.parts) > 1:
                text = text.replace(shown, path.name)
                text = text.replace(json.dumps(shown)[1:-1], path.name)
    return text


def _copy_without_sentences(path: Path, out_path: Path) -> None:
    """Copies a file of JSON objects, one or one a line, without their sentences."""
    text = path.read_text("utf-8")
    is_lines = path.suffix == ".jsonl"
    kept = [
        {name: value for name, value in record.items() if name not in _SENTENCES}
        for record in map(json.loads, text.splitlines() if is_lines else [text])
    ]
    dumped = (
        json.dumps(record, ensure_ascii=False, indent=None if is_lines else 2) + "\n"
        for record in kept
    )
    out_path.parent.mkdir(parents=True, exist_ok=True)
    out_path.write_text("".join(dumped), "utf-8")


def saved_versions(model_dir: Path) -> list[int]:
    """Returns the versions of an exported model, ascending, as a server sees them."""
    names = [path.parent.name for path in model_dir.glob("*/saved_model.pb")]
    return sorted(int(name) for name in names if name.isdecimal())
