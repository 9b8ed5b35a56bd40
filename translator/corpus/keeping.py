"""What was prepared of a corpus, kept in a folder for a run that goes on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import translator
from translator.config import DataConfig
from translator.corpus.cleaning import CleaningReport
from translator.corpus.origins import CorpusInfo, Origin
from translator.corpus.pairs import Pair
from translator.disk import write_text

TRAIN_NAME = "train.tsv"
SETS_NAME = "sets.json"


@dataclass(frozen=True)
class CorpusSets:
    """The held-out part of a corpus.

    Args:
        dev: Development pairs.
        tests: Name of a test set -> its pairs. `test` is the one chosen by hash, with
            one line for each distinct source sentence.
        references: Source sentence of a set -> all its known translations.
        info: Origin, licence and languages, source language first.
        report: What cleaning kept and dropped.
    """

    dev: list[Pair]
    tests: dict[str, list[Pair]]
    references: dict[str, list[str]]
    info: CorpusInfo
    report: CleaningReport


def save_prepared(
    directory: Path, sets: CorpusSets, origin: Origin, config: DataConfig
) -> None:
    """Writes the sets beside the training pairs, and what both were made of."""
    content = asdict(sets) | {"made_of": _made_of(directory, origin, config)}
    write_text(directory / SETS_NAME, json.dumps(content))


def load_prepared(
    directory: Path, origin: Origin, config: DataConfig
) -> CorpusSets | None:
    """Returns the sets that `save_prepared` wrote.

    None if there are none, or if they are of other files, of other rules, by another
    version of this package, or do not belong to the training pairs.
    """
    found = _read(directory)
    try:
        is_same = found and found[1] == _made_of(directory, origin, config)
    except OSError:
        return None
    return found[0] if is_same else None


def load_kept_sets(directory: Path) -> CorpusSets | None:
    """Returns the sets that `save_prepared` wrote, whatever became of the files that
    they were made of; None if there are none."""
    found = _read(directory)
    return found[0] if found else None


def is_whole(directory: Path) -> bool:
    """Whether the folder has the sets, and the training pairs that belong to them."""
    found = _read(directory)
    path = directory / TRAIN_NAME
    return bool(found) and path.exists() and path.stat().st_size == found[1].get("size")


def _read(directory: Path) -> tuple[CorpusSets, dict[str, Any]] | None:
    """Returns the sets, and what they were made of."""
    try:
        content = json.loads((directory / SETS_NAME).read_text("utf-8"))
        made_of = content.pop("made_of")
        report = content["report"]
        content["report"] = CleaningReport(
            report["kept"],
            report["dropped"],
            {reason: _pairs(rows) for reason, rows in report["examples"].items()},
        )
        content["dev"] = _pairs(content["dev"])
        content["tests"] = {
            name: _pairs(rows) for name, rows in content["tests"].items()
        }
        return CorpusSets(**content), made_of
    except (OSError, ValueError, KeyError, TypeError):
        return None  # cut off, or not ours: it is made anew


def _pairs(rows: list[list[str]]) -> list[Pair]:
    return [Pair(*row) for row in rows]


def _made_of(directory: Path, origin: Origin, config: DataConfig) -> dict[str, Any]:
    """All that the training pairs and the sets depend on; ready for JSON."""
    return {
        "version": translator.__version__,
        "info": origin.info,
        "shares": asdict(origin.shares),
        "extra_copies": config.extra_copies,
        "max_translations": config.max_translations,
        "num_generated_pairs": config.num_generated_pairs,
        "max_characters": config.max_characters,
        "max_length_ratio": config.max_length_ratio,
        "size": (directory / TRAIN_NAME).stat().st_size,
    }
