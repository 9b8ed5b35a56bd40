"""Where the pairs of a corpus come from, in the direction that is asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from typing import TypedDict

from translator.config import DataConfig
from translator.corpus.fetching import fetch
from translator.corpus.generated import generate_pairs
from translator.corpus.pairs import Pair
from translator.corpus.readers import guess_languages, read_lines, read_pairs
from translator.corpus.registry import CORPORA, Corpus, RemoteFile, find_corpus
from translator.corpus.splitting import Shares
from translator.errors import UserError
from translator.languages import UNKNOWN_LANGUAGE
from translator.text import main_language

# A generated corpus is cheap and plentiful, so its sets may take more of it.
GENERATED_SHARES = Shares(dev=0.05, test=0.05)
# ISO 639 for a language that nobody told.


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


# Starts reading: a function, so that a set can be left unread or be read twice.
Reader = Callable[[], Iterable[Pair]]


@dataclass(frozen=True)
class Origin:
    """The sets of a corpus, still unread, source side first.

    Args:
        info: What the corpus is.
        train: Reads the training pairs, or all pairs if there are no other sets.
        dev: Reads the development set. None: a share of `train`.
        tests: Name of a test set -> what reads it. Empty: a share of `train`.
        shares: The shares of `train` that are not for training.
        extra: Reads further pairs, all of them for training; None if there are none.
    """

    info: CorpusInfo
    train: Reader
    dev: Reader | None = None
    tests: Mapping[str, Reader] = field(default_factory=dict)
    shares: Shares = field(default_factory=Shares)
    extra: Reader | None = None


def find_origin(config: DataConfig, *, with_extra: bool = True) -> Origin:
    """Returns what reads the corpus of the options; named ones are not fetched yet.

    Args:
        config: Which corpus, in which direction.
        with_extra: Whether `extra_corpus`, all of it for training, is to be read. Its
            files need not be there to score a model that was trained on them.

    Raises:
        UserError: There is no such corpus or file, or it has other languages.
    """
    match config.corpus:
        case []:
            raise UserError(
                "no corpus is given. Use --corpus with a name (see `translator data "
                "list`) or with one or two files."
            )
        case [name] if name in CORPORA or not Path(name).exists():
            origin = _find_named(name, config)
        case _:
            origin = _find_files(config)
    languages = origin.info["languages"]
    if config.dev_corpus:
        paths = [Path(name) for name in config.dev_corpus]
        shares = replace(origin.shares, dev=0.0)
        dev = partial(_read_files, paths, languages)
        info = {**origin.info, "files": origin.info["files"] | _checksums(paths)}
        origin = replace(origin, info=info, dev=dev, shares=shares)
    if with_extra and config.extra_corpus:
        paths = [Path(name) for name in config.extra_corpus]
        info = {**origin.info, "files": origin.info["files"] | _checksums(paths)}
        extra = partial(_read_files, paths, languages)
        origin = replace(origin, info=info, extra=extra)
    return origin


def load_tokenized_references(config: DataConfig) -> dict[str, list[str]]:
    """Returns, for each test set that has one, the official tokenised target side.

    Lower-cased, normalised and tokenised by the corpus' authors, one line for each
    pair of the test; published BLEU is often computed against it. Empty for most
    corpora.

    Example:
        >>> load_tokenized_references(DataConfig(corpus=("numbers-en-es",)))
        {}
    """
    try:
        info = find_origin(config, with_extra=False).info
    except UserError:  # a file that is gone: named corpora alone have such references
        return {}
    corpus = CORPORA.get(info["name"])
    if not corpus:
        return {}
    return {
        name: read_lines(fetch(files[info["languages"][1]], corpus.release))
        for name, files in corpus.tokenized_tests.items()
    }


def _find_named(name: str, config: DataConfig) -> Origin:
    corpus, languages = find_corpus(name)
    languages = _choose_languages(languages, config, name)
    arrange = iter if languages == corpus.languages else _swap
    info = CorpusInfo(
        name=corpus.name,
        languages=list(languages),
        licence=corpus.licence,
        attribution=corpus.attribution,
        release=corpus.release,
        files={file.address: file.sha256 for file in corpus.files},
    )
    if corpus.is_generated:
        return Origin(
            info=info,
            train=lambda: arrange(
                islice(generate_pairs(corpus.languages), config.num_generated_pairs)
            ),
            shares=GENERATED_SHARES,
        )

    def reader(files: tuple[RemoteFile, ...]) -> Reader:
        return lambda: arrange(_read_remote(files, corpus))

    return Origin(
        info=info,
        train=reader(corpus.train),
        dev=reader(corpus.dev) if corpus.dev else None,
        tests={name: reader(files) for name, files in corpus.tests.items()},
        shares=Shares(dev=0.0, test=0.0) if corpus.tests else Shares(),
    )


def _read_remote(files: tuple[RemoteFile, ...], corpus: Corpus) -> Iterator[Pair]:
    paths = [fetch(file, corpus.release) for file in files]
    return read_pairs(paths, corpus.languages, files[0].member)


def _find_files(config: DataConfig) -> Origin:
    paths = [Path(name) for name in config.corpus]
    info = CorpusInfo(
        name=" + ".join(path.name for path in paths),
        languages=list(_choose_file_languages(paths, config)),
        licence="",
        attribution="",
        release="",
        files=_checksums(paths),
    )
    return Origin(info, train=partial(_read_files, paths, info["languages"]))


def _checksums(paths: list[Path]) -> dict[str, str]:
    # Enough to tell en/train.txt from es/train.txt; the rest is nobody's business.
    return {"/".join(path.parts[-2:]): file_checksum(path) for path in paths}


def _read_files(paths: list[Path], languages: list[str]) -> Iterator[Pair]:
    """Reads files whose names may tell that their sides are the other way round."""
    source, target = languages
    guessed = guess_languages(paths)
    if all(guessed) and _in_order(guessed, languages) == guessed[::-1]:
        return _swap(read_pairs(paths, (target, source)))
    return read_pairs(paths, (source, target))


def _choose_languages(
    known: tuple[str, str], config: DataConfig, name: str
) -> tuple[str, str]:
    """Returns the languages, source first."""
    wanted = (config.source_language, config.target_language)
    if languages := _in_order(known, wanted):
        return languages
    raise UserError(
        f"{name} holds {known[0]} and {known[1]}. Received: source_language "
        f"{wanted[0]!r}, target_language {wanted[1]!r}."
    )


def _in_order(known: tuple[str, str], wanted: Sequence[str]) -> tuple[str, str] | None:
    """Returns two languages in the order in which they are wanted, where empty is any;
    None if they are others. Regions count where the languages do not tell them apart:
    pt is that of pt-BR."""
    for key in (str.casefold, main_language):
        for languages in (known, known[::-1]):
            if all(
                not want or key(want) == key(code)
                for want, code in zip(wanted, languages, strict=True)
            ):
                return languages
    return None


def _choose_file_languages(paths: list[Path], config: DataConfig) -> tuple[str, str]:
    """Returns the languages that the options tell, else the names of the files."""
    guessed = guess_languages(paths)
    wanted = (config.source_language, config.target_language)
    if wanted[0] and wanted[0] == wanted[1]:
        raise UserError(
            "source_language and target_language must be two languages. Received: "
            f"{wanted[0]!r} for both."
        )
    known = {"", *map(main_language, guessed)}
    if all(guessed) and known.issuperset(map(main_language, wanted)):
        return _choose_languages(guessed, config, paths[0].name)
    return (wanted[0] or UNKNOWN_LANGUAGE, wanted[1] or UNKNOWN_LANGUAGE)


def _swap(pairs: Iterable[Pair]) -> Iterator[Pair]:
    return (Pair(pair.target, pair.source) for pair in pairs)


def file_checksum(path: Path) -> str:
    """Returns the SHA-256 of a file, which is read once as long as it is the same.

    Raises:
        UserError: It cannot be read.
    """
    try:
        status = path.stat()
        return _checksum(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None


@lru_cache(maxsize=64)
def _checksum(path: Path, size: int, modified: int) -> str:
    """Size and time of the change are there for the cache to tell versions apart."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
