"""Loading a model from a folder, whichever kind it is."""

from collections.abc import Sequence
from pathlib import Path

from translator.checkpoints import (
    BEST_NAME,
    CONFIG_NAME,
    TOKENIZER_NAME,
    load_run_config,
    saved_versions,
)
from translator.errors import UserError
from translator.text_translator import TextTranslator

# The files that a model of any kind is loaded from; `*` is a version.
_FILES = (
    CONFIG_NAME,
    TOKENIZER_NAME,
    BEST_NAME,
    "encoder.onnx",
    "step.onnx",
    "saved_model.pb",
    "*/saved_model.pb",
    "*/variables/*",
    "*/assets.extra/*",
)
# Path, number on its disk, time of the last change and size of each file.
ModelStamp = frozenset[tuple[str, int, int, int]]


def model_stamp(path: str | Path) -> ModelStamp:
    """Returns what differs when a model folder was changed.

    Of a folder that cannot be read it is empty.
    """
    found = set()
    try:
        files = [file for pattern in _FILES for file in Path(path).glob(pattern)]
    except OSError:
        return frozenset()
    for file in files:
        try:
            facts = file.stat()
        except OSError:  # it is being replaced
            continue
        found.add((str(file), facts.st_ino, facts.st_mtime_ns, facts.st_size))
    return frozenset(found)


def load_translator(
    path: str | Path, ensemble: Sequence[str | Path] = ()
) -> TextTranslator:
    """Loads a run folder, an ONNX folder or a SavedModel: what is in it decides.

    Of an exported model with several versions it is the newest. The first two run on
    onnxruntime, which starts sooner and is faster on a CPU; TensorFlow is imported, in
    silence, for a SavedModel, for several runs together, and when somebody looks at a
    run's gates. `Translator.load` runs one on TensorFlow.

    Args:
        path: The folder.
        ensemble: Further run folders, to translate together with this one.

    Raises:
        UserError: It is none of them, or damaged; or no run folder, with others.
    """
    if isinstance(ensemble, str | Path):
        raise TypeError(
            f"ensemble should be a list of folders. Received: {ensemble!r}. Put one "
            "alone in a list."
        )
    path = Path(path)
    if ensemble:
        for folder in (path, *map(Path, ensemble)):
            if is_onnx_folder(folder) or is_saved_model(folder):
                raise UserError(
                    f"{folder} is no run folder, and only run folders translate "
                    "together."
                )
    path = newest_version(path)
    is_graph = is_saved_model(path)
    if not (is_graph or ensemble):
        from translator.light.runtime import OnnxTranslator

        return OnnxTranslator.load(path)
    if ensemble:
        load_run_config(path)  # a mistake is found before TensorFlow is imported
    from translator.startup import count_cores, import_tensorflow, set_threads

    import_tensorflow()
    if is_graph:
        from translator.export import SavedModelTranslator

        return SavedModelTranslator.load(path)
    from translator.inference import Translator

    set_threads(count_cores(), 1)  # it searches a batch on each core
    return Translator.load_ensemble([path, *ensemble])


def find_models(folder: Path) -> list[Path]:
    """Returns the folders in a folder that look like models, by name.

    Raises:
        UserError: There is none.
    """
    found = [
        path
        for path in sorted(folder.glob("*"))
        if not path.name.startswith(".") and _is_model(path)  # else one being written
    ]
    if not found:
        raise UserError(
            f"there is no model in the folders of {folder}. Give the folder that holds "
            "trained models, or make one with `translator train`."
        )
    return found


def _is_model(path: Path) -> bool:
    has_config = (path / CONFIG_NAME).exists()
    return has_config or is_saved_model(path) or bool(saved_versions(path))


def is_onnx_folder(path: Path) -> bool:
    """Whether `translator export --format onnx` wrote the folder."""
    if (path / "encoder.onnx").exists():
        return True
    try:  # one that is still being copied
        return "onnx_format" in load_run_config(path)[1]
    except UserError:
        return False


def is_saved_model(path: Path) -> bool:
    return (path / "saved_model.pb").exists()


def newest_version(path: Path) -> Path:
    """Returns the newest version of an exported model, or the path as it is."""
    versions = saved_versions(path)
    return path / str(versions[-1]) if versions else path
