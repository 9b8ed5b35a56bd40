"""From the name of a corpus, or files, to training pairs on disk and held-out sets."""

import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

from translator.config import DataConfig
from translator.corpus.cleaning import (
    CleaningReport,
    CleaningRules,
    clean_pairs,
    keep_first,
)
from translator.corpus.keeping import (
    TRAIN_NAME,
    CorpusSets,
    is_whole,
    load_kept_sets,
    load_prepared,
    save_prepared,
)
from translator.corpus.origins import Origin, Reader, find_origin
from translator.corpus.pairs import Pair, PairFile, write_pairs
from translator.corpus.splitting import (
    HeldOut,
    drop_held_out,
    hold_out,
    separate_dev,
)
from translator.disk import make_folder
from translator.errors import UserError
from translator.text import normalize_text

_PROGRESS_INTERVAL = 1_000

# Called with the number of pairs read so far.
Progress = Callable[[int], None]


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
    allow_empty: bool = False,
) -> PreparedCorpus:
    """Reads, cleans and splits a corpus; writes its training pairs to disk.

    Everything streams: besides the held-out sets, which have an upper limit, memory
    grows only by the hashes that duplicates are known by.

    Args:
        config: Which corpus, which direction, which limits.
        directory: Folder for the results; if it has them already, of the same files by
            the same rules, they are used again. Default: a temporary one that goes
            when `train` does.
        progress: Called now and then with the number of pairs read.
        allow_empty: Whether a set may stay without pairs, as in a small corpus.

    Raises:
        UserError: The corpus cannot be fetched or read, or is too small to split.
    """
    if directory is None:
        directory = Path(tempfile.mkdtemp(prefix="translator-"))
        try:
            prepared = prepare_corpus(
                config, directory=directory, progress=progress, allow_empty=allow_empty
            )
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        weakref.finalize(prepared.train, shutil.rmtree, directory, ignore_errors=True)
        return prepared
    origin = find_origin(config)
    sets = load_prepared(directory, origin, config)
    if not sets:
        sets = _prepare(origin, config, directory, progress)
        save_prepared(directory, sets, origin, config)
    train = PairFile(directory / TRAIN_NAME)
    if not (allow_empty or (len(train) and sets.dev)):
        raise UserError(
            f"{origin.info['name']} has too few pairs: {len(train)} for training, "
            f"{len(sets.dev)} for development{_after(sets.report)}. Add pairs, or give "
            "the development pairs with --dev-corpus."
        )
    return PreparedCorpus(**vars(sets), train=train)


def load_kept_corpus(directory: Path) -> PreparedCorpus | None:
    """Returns what `prepare_corpus` left in a folder, whatever became of the files that
    it was made of; None if it is not whole."""
    if not is_whole(directory):
        return None
    sets = load_kept_sets(directory)
    return PreparedCorpus(**vars(sets), train=PairFile(directory / TRAIN_NAME))


def _after(report: CleaningReport) -> str:
    """What was dropped of a corpus, as the end of a sentence."""
    return f"; of {report.read:,} read {report.summary}" if report.dropped else ""


def _prepare(
    origin: Origin, config: DataConfig, directory: Path, progress: Progress | None
) -> CorpusSets:
    """Writes the training pairs to the folder, and returns the sets."""
    report = CleaningReport()
    held_out = _read_own_sets(origin)
    make_folder(directory)
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        # Which training pairs share a sentence with dev or test is known at the end.
        candidates, extra = (Path(temporary) / f"{name}.tsv" for name in "ab")
        pairs = _clean_and_split(origin, config, held_out, report, progress)
        write_pairs(candidates, pairs)
        pairs = _clean(origin.extra, config, report, progress) if origin.extra else ()
        write_pairs(extra, pairs)
        separate_dev(held_out)
        own, further = (
            drop_held_out(PairFile(path), held_out, report)
            for path in (candidates, extra)
        )
        own = keep_first(own, config.max_translations, report)
        copies = chain.from_iterable(
            repeat(pair, config.extra_copies) for pair in further
        )
        write_pairs(Path(temporary) / TRAIN_NAME, chain(own, copies))
        for path in Path(temporary).glob("train.*"):
            path.replace(directory / path.name)
    return CorpusSets(**vars(held_out), info=origin.info, report=report)


def load_sets(
    config: DataConfig,
    *,
    directory: Path | None = None,
    progress: Progress | None = None,
) -> CorpusSets:
    """Returns the development and test sets alone: the same as `prepare_corpus`.

    Training files are read only where the sets are a share of them, those of
    `extra_corpus` never.

    Args:
        config: As of `prepare_corpus`.
        directory: Folder where `prepare_corpus` left its results: then nothing else is
            read, as the files may have changed since. Without any in it, as if there
            was none.
        progress: As of `prepare_corpus`.

    Raises:
        UserError: The corpus cannot be fetched or read.
    """
    if directory and (kept := load_kept_sets(directory)):
        return kept
    origin, report = find_origin(config, with_extra=False), CleaningReport()
    held_out = _read_own_sets(origin)
    if origin.shares.dev or origin.shares.test:
        pairs = _clean_and_split(origin, config, held_out, report, progress)
        deque(pairs, maxlen=0)
    separate_dev(held_out)
    return CorpusSets(**vars(held_out), info=origin.info, report=report)


def read_corpus(config: DataConfig) -> Iterator[Pair]:
    """Yields the pairs of a corpus as they are, in the direction that is asked for.

    Example:
        >>> from itertools import islice
        >>> pairs = read_corpus(DataConfig(corpus=("numbers-en-es",)))
        >>> [len(pair) for pair in islice(pairs, 3)]
        [2, 2, 2]
    """
    return iter(find_origin(config, with_extra=False).train())


def _read_own_sets(origin: Origin) -> HeldOut:
    """Returns the sets that the corpus brings, whole: scores are of all their lines."""
    held_out = HeldOut()
    for name, reader in origin.tests.items():
        held_out.tests[name] = _read_set(reader, held_out)
    if origin.dev:
        held_out.dev = _read_set(origin.dev, held_out)
    return held_out


def _read_set(reader: Reader, held_out: HeldOut) -> list[Pair]:
    pairs = [Pair(*map(normalize_text, pair)) for pair in reader()]
    pairs = [pair for pair in pairs if all(pair)]
    for pair in pairs:
        held_out.add_reference(pair)
    return pairs


def _clean_and_split(
    origin: Origin,
    config: DataConfig,
    held_out: HeldOut,
    report: CleaningReport,
    progress: Progress | None,
) -> Iterator[Pair]:
    """Yields candidates for training; the other sets and the report fill meanwhile."""
    pairs = _clean(origin.train, config, report, progress)
    return hold_out(pairs, origin.shares, held_out)


def _clean(
    reader: Reader,
    config: DataConfig,
    report: CleaningReport,
    progress: Progress | None,
) -> Iterator[Pair]:
    rules = CleaningRules(config.max_characters, config.max_length_ratio)
    return clean_pairs(_count(reader, progress), rules, report)


def _count(reader: Reader, progress: Progress | None) -> Iterator[Pair]:
    count = 0
    for count, pair in enumerate(reader(), 1):
        yield pair
        if progress and count % _PROGRESS_INTERVAL == 0:
            progress(count)
    if progress:
        progress(count)
