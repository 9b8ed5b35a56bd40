"""From the name of a corpus, or files, to training pairs on disk and held-out sets."""

import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict

from translator.config import DataConfig
from translator.corpus.cleaning import CleaningReport, CleaningRules, clean_pairs
from translator.corpus.fetching import fetch
from translator.corpus.generated import generate_pairs
from translator.corpus.pairs import Pair, PairFile
from translator.corpus.readers import guess_languages, read_pairs
from translator.corpus.registry import CORPORA, Corpus, RemoteFile, find_corpus
from translator.corpus.splitting import (
    HeldOut,
    Shares,
    drop_held_out,
    hold_out,
    separate_dev,
)
from translator.errors import UserError
from translator.text import normalize_text

# A generated corpus is small and endless, so its sets may take more of it.
GENERATED_SHARES = Shares(dev=0.05, test=0.05)
# ISO 639 for a language that nobody told.
UNKNOWN_LANGUAGE = "und"

_PROGRESS_INTERVAL = 1_000

# Called with the number of pairs read so far.
Progress = Callable[[int], None]


class CorpusInfo(TypedDict):
    """Where the pairs come from; ready to be written as JSON.

    Its `files` map an address, or the name of the user's file, to its SHA-256.
    """

    name: str
    languages: list[str]
    licence: str
    attribution: str
    release: str
    files: dict[str, str]


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


@dataclass(frozen=True)
class PreparedCorpus(CorpusSets):
    """A corpus ready for training.

    Args:
        train: Training pairs, on disk.
    """

    train: PairFile


def prepare_corpus(
    config: DataConfig,
    *,
    directory: Path | None = None,
    progress: Progress | None = None,
) -> PreparedCorpus:
    """Reads, cleans and splits a corpus; writes its training pairs to disk.

    Everything streams: besides the held-out sets, memory grows only by the hashes that
    duplicates are known by.

    Args:
        config: Which corpus, which direction, which limits.
        directory: Folder for `train.tsv` and its offsets. Default: a temporary one
            that goes when the result does.
        progress: Called now and then with the number of pairs read.

    Raises:
        UserError: The corpus cannot be fetched or read, or is too small to split.
    """
    if directory is None:
        directory = Path(tempfile.mkdtemp(prefix="translator-"))
        try:
            prepared = prepare_corpus(config, directory=directory, progress=progress)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        weakref.finalize(prepared.train, shutil.rmtree, directory, True)
        return prepared
    directory.mkdir(parents=True, exist_ok=True)
    origin, report = _find_origin(config), CleaningReport()
    held_out, pairs = _split(config, origin, report, progress)
    # Which training pairs share a sentence with dev or test is known at the end only.
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        candidates = PairFile.write(Path(temporary) / "candidates.tsv", pairs)
        separate_dev(held_out)
        pairs = drop_held_out(candidates, held_out, report)
        train = PairFile.write(directory / "train.tsv", pairs)
    if not (train and held_out.dev):
        raise UserError(
            f"{origin.info['name']} has too few pairs: {len(train)} for training, "
            f"{len(held_out.dev)} for development. Add pairs, or give the development "
            "pairs with --dev-corpus."
        )
    return PreparedCorpus(**_held_out_fields(held_out, origin, report), train=train)


def load_sets(config: DataConfig, *, progress: Progress | None = None) -> CorpusSets:
    """Returns the development and test sets alone: the same as `prepare_corpus`.

    Training files are only read where the sets are a share of them.
    """
    origin, report = _find_origin(config), CleaningReport()
    held_out, pairs = _split(config, origin, report, progress)
    if not (origin.tests and origin.dev):
        deque(pairs, maxlen=0)
    separate_dev(held_out)
    return CorpusSets(**_held_out_fields(held_out, origin, report))


def find_languages(config: DataConfig) -> tuple[str, str]:
    """Returns the codes of the source and of the target language, reading nothing."""
    return _find_origin(config, with_checksums=False).languages


def _held_out_fields(
    held_out: HeldOut, origin: "_Origin", report: CleaningReport
) -> dict[str, Any]:
    return {
        "dev": held_out.dev,
        "tests": held_out.tests,
        "references": held_out.references,
        "info": origin.info,
        "report": report,
    }


# Starts reading: a function, so that a set can be left unread or be read twice.
Reader = Callable[[], Iterable[Pair]]


@dataclass(frozen=True)
class _Origin:
    """Where each set of a corpus comes from, in the direction that is asked for."""

    info: CorpusInfo
    train: Reader
    dev: Reader | None = None
    tests: Mapping[str, Reader] = field(default_factory=dict)
    shares: Shares = field(default_factory=Shares)

    @property
    def languages(self) -> tuple[str, str]:
        return tuple(self.info["languages"])


def _split(
    config: DataConfig,
    origin: _Origin,
    report: CleaningReport,
    progress: Progress | None,
) -> tuple[HeldOut, Iterator[Pair]]:
    """Returns the held-out sets and the candidates for training.

    Sets that are a share of the corpus fill while the candidates are consumed.
    """
    rules = CleaningRules(config.max_characters, config.max_length_ratio)
    held_out = HeldOut()
    for name, reader in origin.tests.items():
        held_out.tests[name] = _take_set(reader, held_out)
    if origin.dev:
        held_out.dev = _take_set(origin.dev, held_out)
    pairs = clean_pairs(_count(origin.train, progress), rules, report)
    shares = origin.shares
    if origin.dev:
        shares = replace(shares, dev=0.0)
    if origin.tests:
        shares = replace(shares, test=0.0)
    if shares.dev or shares.test:
        pairs = hold_out(pairs, shares, held_out)
    return held_out, pairs


def _take_set(reader: Reader, held_out: HeldOut) -> list[Pair]:
    """Returns a ready-made set, every line of it: published scores are of all lines."""
    pairs = [Pair(*map(normalize_text, pair)) for pair in reader()]
    pairs = [pair for pair in pairs if all(pair)]
    for pair in pairs:
        held_out.add_reference(pair)
    return pairs


def _count(reader: Reader, progress: Progress | None) -> Iterator[Pair]:
    count = 0
    for pair in reader():
        yield pair
        count += 1
        if progress and count % _PROGRESS_INTERVAL == 0:
            progress(count)
    if progress:
        progress(count)


def _find_origin(config: DataConfig, with_checksums: bool = True) -> _Origin:
    match config.corpus:
        case []:
            raise UserError(
                "no corpus is given. Use --corpus with a name (see `translator data "
                "list`) or with one or two files."
            )
        case [name] if name in CORPORA or not Path(name).exists():
            origin = _find_named(find_corpus(name), config)
        case _:
            origin = _find_files(config, with_checksums)
    if config.dev_corpus:
        paths = [Path(name) for name in config.dev_corpus]
        return replace(origin, dev=partial(_read_files, paths, origin.languages))
    return origin


def _find_named(corpus: Corpus, config: DataConfig) -> _Origin:
    languages, is_swapped = _choose_languages(corpus.languages, config, corpus.name)
    arrange = _swap if is_swapped else iter
    info = CorpusInfo(
        name=corpus.name,
        languages=list(languages),
        licence=corpus.licence,
        attribution=corpus.attribution,
        release=corpus.release,
        files={file.address: file.sha256 for file in corpus.files},
    )
    if corpus.is_generated:
        return _Origin(
            info=info,
            train=lambda: arrange(
                islice(generate_pairs(corpus.languages), config.num_generated_pairs)
            ),
            shares=GENERATED_SHARES,
        )

    def reader(files: tuple[RemoteFile, ...]) -> Reader:
        return lambda: arrange(_read_remote(files, corpus))

    return _Origin(
        info=info,
        train=reader(corpus.train),
        dev=reader(corpus.dev) if corpus.dev else None,
        tests={name: reader(files) for name, files in corpus.tests.items()},
    )


def _read_remote(files: tuple[RemoteFile, ...], corpus: Corpus) -> Iterator[Pair]:
    paths = [fetch(file, corpus.release) for file in files]
    return read_pairs(paths, corpus.languages, files[0].member)


def _find_files(config: DataConfig, with_checksums: bool) -> _Origin:
    paths = [Path(name) for name in config.corpus]
    info = CorpusInfo(
        name=" + ".join(path.name for path in paths),
        languages=list(_choose_file_languages(paths, config)),
        licence="",
        attribution="",
        release="",
        files={path.name: _checksum(path) for path in paths if with_checksums},
    )
    return _Origin(info, train=partial(_read_files, paths, tuple(info["languages"])))


def _read_files(paths: list[Path], languages: tuple[str, str]) -> Iterator[Pair]:
    """Reads files whose names may tell that their sides are the other way round."""
    if guess_languages(paths) == languages[::-1]:
        return _swap(read_pairs(paths, languages[::-1]))
    return read_pairs(paths, languages)


def _choose_languages(
    known: tuple[str, str], config: DataConfig, name: str
) -> tuple[tuple[str, str], bool]:
    """Returns the languages, source first, and whether the corpus' sides are swapped."""
    wanted = (config.source_language, config.target_language)
    for languages in (known, known[::-1]):
        if all(want in ("", code) for want, code in zip(wanted, languages)):
            return languages, languages != known
    raise UserError(
        f"{name} holds {known[0]} and {known[1]}. Received: source_language "
        f"{wanted[0]!r}, target_language {wanted[1]!r}."
    )


def _choose_file_languages(paths: list[Path], config: DataConfig) -> tuple[str, str]:
    """Returns the languages that the options tell, else the names of the files."""
    guessed = guess_languages(paths)
    wanted = (config.source_language, config.target_language)
    if all(guessed) and {*wanted} <= {*guessed, ""}:
        return _choose_languages(guessed, config, paths[0].name)[0]
    return (wanted[0] or UNKNOWN_LANGUAGE, wanted[1] or UNKNOWN_LANGUAGE)


def _swap(pairs: Iterable[Pair]) -> Iterator[Pair]:
    return (Pair(pair.target, pair.source) for pair in pairs)


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
