"""The corpora that have a name: where they are, what they are, who made them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from translator.errors import UserError


@dataclass(frozen=True)
class RemoteFile:
    """A file of a public release, identified by its content.

    Args:
        path: Its place in the cache and in a mirror, such as `tatoeba/spa-eng.zip`.
        address: Where its publisher offers it.
        sha256: SHA-256 of the whole file, in hexadecimal digits.
        size: In bytes.
        member: For an archive, the name of the text inside it.
    """

    path: str
    address: str
    sha256: str
    size: int
    member: str = ""


@dataclass(frozen=True)
class Corpus:
    """A named corpus.

    Args:
        name: What `--corpus` takes.
        languages: Codes of the two sides, in the order of the files.
        description: One line for `translator data list`.
        licence: Under which terms the data may be used.
        attribution: The credit that the licence or the authors ask for.
        release: Date or commit of the release that the checksums are of.
        num_pairs: Pairs in the training files, before cleaning; 0 for endless.
        train: One file with both sides, or two line-aligned ones. None for a
            generated corpus.
        dev: The corpus' own development files, likewise. None: split by hash.
        tests: Name of each of the corpus' own test sets -> its files.
        tokenized_tests: Name of a test set -> language -> the text that its authors
            lower-cased and tokenised, which published scores are computed against.
    """

    name: str
    languages: tuple[str, str]
    description: str
    licence: str
    attribution: str
    release: str
    num_pairs: int = 0
    train: tuple[RemoteFile, ...] = ()
    dev: tuple[RemoteFile, ...] = ()
    tests: Mapping[str, tuple[RemoteFile, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    tokenized_tests: Mapping[str, Mapping[str, RemoteFile]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    @property
    def is_generated(self) -> bool:
        """Whether the pairs are made on the fly, from no file."""
        return not self.train

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """All files of the corpus."""
        tests = [file for files in self.tests.values() for file in files]
        for by_language in self.tokenized_tests.values():
            tests += by_language.values()
        return (*self.train, *self.dev, *tests)


def find_corpus(name: str) -> tuple[Corpus, tuple[str, str]]:
    """Returns the corpus of this name, and its languages, source first.

    Each corpus serves both directions: `tatoeba-es-en` is `tatoeba-en-es`, the other
    way round.

    Raises:
        UserError: There is none.

    Example:
        >>> corpus, languages = find_corpus("tatoeba-es-en")
        >>> corpus.name, languages
        ('tatoeba-en-es', ('es', 'en'))
    """
    if name in CORPORA:
        return CORPORA[name], CORPORA[name].languages
    family, *languages = name.rsplit("-", 2)
    corpus = CORPORA.get("-".join((family, *languages[::-1])))
    if corpus is None:
        raise UserError(
            f"there is no corpus and no file {name!r}. "
            f"The named corpora are: {', '.join(CORPORA)}; and the same with their "
            "languages exchanged."
        )
    return corpus, corpus.languages[::-1]


def _tatoeba(
    language: str, address: str, release: str, num_pairs: int, **archive
) -> Corpus:
    english_name = {"es": "Spanish", "fr": "French", "de": "German"}[language]
    path = f"tatoeba/{address.rpartition('/')[2]}"
    return Corpus(
        name=f"tatoeba-en-{language}",
        languages=("en", language),
        description=f"Everyday sentences, English and {english_name}",
        licence="CC-BY 2.0 FR",
        attribution="www.manythings.org/anki and tatoeba.org",
        release=release,
        num_pairs=num_pairs,
        train=(RemoteFile(path=path, address=address, **archive),),
    )


_MULTI30K_COMMIT = "a3d2e0d26b56f3846f66a952536ffed4e401d05a"

_MULTI30K_TESTS = ("test_2016_flickr", "test_2017_flickr")

# Name of a file -> size in bytes, SHA-256.
_MULTI30K_FILES = {
    "train.en.gz": (
        568_929,
        "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    ),
    "train.de.gz": (
        637_044,
        "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    ),
    "train.fr.gz": (
        604_242,
        "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    ),
    "val.en.gz": (
        21_650,
        "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    ),
    "val.de.gz": (
        24_681,
        "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    ),
    "val.fr.gz": (
        23_001,
        "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    ),
    "test_2016_flickr.en.gz": (
        21_077,
        "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    ),
    "test_2016_flickr.de.gz": (
        22_890,
        "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    ),
    "test_2016_flickr.fr.gz": (
        22_310,
        "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
    ),
    "test_2017_flickr.en.gz": (
        19_138,
        "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
    ),
    "test_2017_flickr.de.gz": (
        21_471,
        "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee",
    ),
    "test_2017_flickr.fr.gz": (
        20_434,
        "3ba671ceb2299f3304ffafefea7a833d08632fbaf0ba18546f8a2ec2391af496",
    ),
    "test_2016_flickr.lc.norm.tok.de": (
        71_917,
        "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
    ),
    "test_2016_flickr.lc.norm.tok.en": (
        63_307,
        "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
    ),
    "test_2016_flickr.lc.norm.tok.fr": (
        76_394,
        "1463bd5960f9bfe098ec3cd752d3df0c49c84dc646fb518964a29232658cd836",
    ),
    "test_2017_flickr.lc.norm.tok.de": (
        65_228,
        "02067e4a9402786a4fcb8c1b6f4307e4a5073ced64800abead5273b54f5f31f6",
    ),
    "test_2017_flickr.lc.norm.tok.en": (
        56_123,
        "c9d1dfd7a26add989382e534af235af9f0f658b2a30e7eb0efdaf142496ee54f",
    ),
    "test_2017_flickr.lc.norm.tok.fr": (
        69_537,
        "c0583117a47b31e8a6c6a97cfe8de153e462074668f4e994764fcc80b21d33b4",
    ),
}


def _multi30k(language: str) -> Corpus:
    languages = ("en", language)

    def files(split: str) -> tuple[RemoteFile, ...]:
        return tuple(_multi30k_file("raw", f"{split}.{code}.gz") for code in languages)

    def tokenized(split: str) -> Mapping[str, RemoteFile]:
        names = {code: f"{split}.lc.norm.tok.{code}" for code in languages}
        return {code: _multi30k_file("tok", name) for code, name in names.items()}

    english_name = {"fr": "French", "de": "German"}[language]
    return Corpus(
        name=f"multi30k-en-{language}",
        languages=languages,
        description=f"Image captions, English and {english_name}",
        licence="for research only",
        attribution="Elliott et al. 2016 (doi 10.18653/v1/W16-3210) and 2017 "
        "(doi 10.18653/v1/W17-4718)",
        release=f"github.com/multi30k/dataset at {_MULTI30K_COMMIT[:12]}",
        num_pairs=29_000,
        train=files("train"),
        dev=files("val"),
        tests=MappingProxyType({name: files(name) for name in _MULTI30K_TESTS}),
        tokenized_tests=MappingProxyType(
            {name: tokenized(name) for name in _MULTI30K_TESTS}
        ),
    )


def _multi30k_file(folder: str, name: str) -> RemoteFile:
    size, sha256 = _MULTI30K_FILES[name]
    return RemoteFile(
        path=f"multi30k/{folder}/{name}",
        address="https://raw.githubusercontent.com/multi30k/dataset/"
        f"{_MULTI30K_COMMIT}/data/task1/{folder}/{name}",
        sha256=sha256,
        size=size,
    )


def _numbers(language: str) -> Corpus:
    english_name = {"es": "Spanish", "fr": "French", "de": "German"}[language]
    return Corpus(
        name=f"numbers-en-{language}",
        languages=("en", language),
        description=f"Numbers, dates, times and amounts in English and {english_name} "
        "words, made on the fly",
        licence="none needed",
        attribution="words from num2words, names from Unicode CLDR through Babel",
        release="made on the fly",
    )


CORPORA: Mapping[str, Corpus] = MappingProxyType(
    {
        corpus.name: corpus
        for corpus in (
            _tatoeba(
                "es",
                "https://storage.googleapis.com/download.tensorflow.org/data/spa-eng.zip",
                release="2018-05-13",
                num_pairs=118_964,
                sha256="0c4fd7825d3d872488d38c157f784e035edab4f2ff0df25a2a208790ecb5b58f",
                size=2_638_744,
                member="spa-eng/spa.txt",
            ),
            # The next two addresses offer ever newer releases than the checksums are
            # of, so fetching from there says what to do; a mirror may hold these ones.
            _tatoeba(
                "fr",
                "https://www.manythings.org/anki/fra-eng.zip",
                release="2019-04-07",
                num_pairs=167_130,
                sha256="161c93f18da3a7e6df611ed961426613260de8af06ccf8c79c977afe5135ac44",
                size=3_424_571,
                member="fra-eng/fra.txt",
            ),
            _tatoeba(
                "de",
                "https://www.manythings.org/anki/deu-eng.zip",
                release="2018-05-13",
                num_pairs=169_813,
                sha256="b7688f84f99fa33c17397c14d8bd9cef1fdeb2ee0bf50074767023aee8926e28",
                size=4_012_023,
                member="deu.txt",
            ),
            _multi30k("de"),
            _multi30k("fr"),
            _numbers("es"),
            _numbers("fr"),
            _numbers("de"),
        )
    }
)
