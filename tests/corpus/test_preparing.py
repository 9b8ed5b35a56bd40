import gc
import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from toy_corpus import make_pairs, write_tsv

from translator.config import DataConfig
from translator.corpus import (
    Pair,
    load_sets,
    load_tokenized_references,
    prepare_corpus,
    read_corpus,
)
from translator.corpus.splitting import sentence_key
from translator.errors import UserError

TATOEBA = ["tatoeba-en-es", "tatoeba-en-fr", "tatoeba-en-de"]
MULTI30K = ["multi30k-en-de", "multi30k-en-fr"]


def config(*corpus: str | Path, **options) -> DataConfig:
    return DataConfig(corpus=tuple(map(str, corpus)), **options)


@pytest.fixture
def toy(tmp_path) -> Path:
    return write_tsv(tmp_path / "toy.en-es.tsv", make_pairs(1_900))


def test_every_pair_is_accounted_for(toy):
    """Catches: pairs lost between cleaning, splitting and writing."""
    corpus = prepare_corpus(config(toy))
    held_out = sum(
        len(corpus.references[pair.source])
        for pair in [*corpus.dev, *corpus.tests["test"]]
    )
    assert corpus.report.read == len(make_pairs(1_900))
    # What separate_dev dropped is in neither set, but counts as kept by cleaning.
    assert len(corpus.train) + held_out <= corpus.report.kept
    assert corpus.report.kept - len(corpus.train) - held_out < 10
    assert len(corpus.train) > 0.8 * corpus.report.read  # two sets of a twentieth


def test_training_pairs_lie_in_the_folder_asked_for(toy, tmp_path):
    """Catches: candidates left beside them, which hold the test sentences."""
    corpus = prepare_corpus(config(toy), directory=tmp_path / "run")
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["sets.json", "train.offsets.npy", "train.tsv"]
    text = (tmp_path / "run" / "train.tsv").read_text("utf-8")
    pairs = [Pair(*line.split("\t")) for line in text.splitlines()]
    assert corpus.train.take(np.arange(len(corpus.train))) == pairs
    assert set(pairs) < set(make_pairs(1_900))


def test_a_temporary_folder_goes_with_the_corpus(toy):
    """Catches: a copy of the corpus left in /tmp by every run."""
    corpus = prepare_corpus(config(toy))
    folder = corpus.train.path.parent
    assert folder.is_dir()
    del corpus
    gc.collect()
    assert not folder.exists()


def test_a_failure_leaves_no_temporary_folder(toy, tmp_path, monkeypatch):
    """Catches: cleaning up only after success."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    toy.write_text("a\tb\nbroken\n")
    with pytest.raises(UserError, match="line 2"):
        prepare_corpus(config(toy))
    assert not list((tmp_path / "temporary").iterdir())


@pytest.fixture
def no_reading(monkeypatch):
    """Calling it makes reading a corpus a failure."""

    def forbid():
        def fail(*_):
            raise AssertionError("the corpus is read again")

        monkeypatch.setattr("translator.corpus.origins.read_pairs", fail)

    return forbid


def test_what_is_prepared_is_not_read_again(toy, tmp_path, no_reading):
    """Catches: minutes of reading before a run of millions of pairs goes on; sets that
    are not those of training; lists where there were pairs."""
    toy.write_text(toy.read_text("utf-8") + "Bad \x00\tMal\n", "utf-8")
    options = config(toy)
    first = prepare_corpus(options, directory=tmp_path / "run")
    no_reading()
    # What `translator train` knows after the first reading.
    options = config(toy, source_language="en", target_language="es")
    again = prepare_corpus(options, directory=tmp_path / "run")
    assert list(again.train) == list(first.train)
    again, first = vars(again) | {"train": 0}, vars(first) | {"train": 0}
    assert again == first
    assert isinstance(again["dev"][0], Pair)
    assert again["report"].examples["control characters"][0].source == "Bad \x00"


@pytest.mark.parametrize(
    "change",
    [
        lambda toy, run: {"max_characters": 35},
        lambda toy, run: {"source_language": "es"},
        lambda toy, run: toy.write_text("a b c\td e f\n" * 5 + toy.read_text()) and {},
        lambda toy, run: (run / "train.tsv").write_text("a\tb\n") and {},
        lambda toy, run: (run / "sets.json").write_text('{"dev": [[') and {},
        lambda toy, run: (run / "sets.json").unlink() or {},
    ],
    ids=["rules", "direction", "file", "training", "cut", "missing"],
)
def test_what_was_prepared_otherwise_is_made_anew(toy, tmp_path, change):
    """Catches: going on with pairs of other rules, or of a file that was replaced."""
    run = tmp_path / "run"
    prepare_corpus(config(toy), directory=run)
    options = config(toy, **change(toy, run))
    corpus, expected = prepare_corpus(options, directory=run), prepare_corpus(options)
    assert list(corpus.train) == list(expected.train)
    assert corpus.dev == expected.dev
    assert corpus.tests == expected.tests
    assert corpus.report == expected.report


def test_development_files_that_changed(toy, tmp_path):
    """Catches: dev pairs of the file as it was."""
    path = write_tsv(tmp_path / "dev.tsv", [Pair("New.", "Nueva.")])
    options = config(toy, dev_corpus=(str(path),))
    prepare_corpus(options, directory=tmp_path / "run")
    write_tsv(path, [Pair("Old.", "Viejo.")])
    corpus = prepare_corpus(options, directory=tmp_path / "run")
    assert corpus.dev == [Pair("Old.", "Viejo.")]


def test_sets_alone_equal_those_of_training(toy, tmp_path):
    """Catches: evaluating on other sentences than the ones held out."""
    test = load_sets(config(toy)).tests["test"]
    dev_path = write_tsv(tmp_path / "dev.tsv", [Pair("New.", "Nueva."), *test[:3]])
    options = config(toy, dev_corpus=(str(dev_path),))
    sets, corpus = load_sets(options), prepare_corpus(options)
    assert sets.dev == [Pair("New.", "Nueva.")]
    assert sets.tests == corpus.tests
    assert sets.dev == corpus.dev
    assert sets.references == corpus.references


def test_the_other_direction(toy):
    """Catches: swapped languages with sides as they were, or the reverse."""
    there = prepare_corpus(config(toy))
    back = prepare_corpus(config(toy, source_language="es"))
    assert there.info["languages"] == ["en", "es"]
    assert back.info["languages"] == ["es", "en"]
    assert all(pair.source.startswith("The owl") for pair in there.train)
    assert all(pair.source.startswith("El búho") for pair in back.train)


@pytest.mark.parametrize(
    ("name", "options", "languages"),
    [
        ("numbers-es-en", {}, ["es", "en"]),
        ("numbers-es-en", {"source_language": "en"}, ["en", "es"]),
        ("numbers-en-es", {"target_language": "en"}, ["es", "en"]),
    ],
)
def test_a_name_tells_the_direction(name, options, languages):
    """Catches: sides swapped twice, or not at all; a name that wins over options."""
    data = config(name, num_generated_pairs=100, **options)
    corpus = prepare_corpus(data, allow_empty=True)
    assert corpus.info["name"] == "numbers-en-es"
    assert corpus.info["languages"] == languages
    words = {word for pair in corpus.train for word in pair.source.split()}
    assert ({"one", "two"} <= words) == (languages[0] == "en")


@pytest.mark.parametrize(
    ("source", "target", "is_swapped"),
    [
        ("en", "pt", False),
        ("pt", "", True),
        ("pt_BR", "en", True),
        ("PT-br", "en", True),
        ("pt-PT", "en-GB", True),
        ("", "en", True),
    ],
)
def test_a_language_has_several_codes(tmp_path, source, target, is_swapped):
    """Catches: English trained as Portuguese, as the file's code is written in another
    way than the option's."""
    path = write_tsv(tmp_path / "pairs.en-pt_BR.tsv", make_pairs(500))
    options = {"source_language": source, "target_language": target}
    corpus = prepare_corpus(config(path, **options), allow_empty=True)
    languages = ["en", "pt-BR"]
    assert corpus.info["languages"] == languages[:: -1 if is_swapped else 1]
    first = next(iter(corpus.train))
    assert first[is_swapped].startswith("The owl")


@pytest.mark.parametrize(
    ("options", "languages"),
    [
        ({}, ["und", "und"]),
        ({"source_language": "en"}, ["en", "und"]),
        ({"source_language": "es", "target_language": "en"}, ["es", "en"]),
    ],
)
def test_files_whose_names_tell_nothing(tmp_path, options, languages):
    """Catches: swapping sides because of the options alone."""
    path = write_tsv(tmp_path / "pairs.tsv", make_pairs(500))
    corpus = prepare_corpus(config(path, **options), allow_empty=True)
    assert corpus.info["languages"] == languages
    assert next(iter(corpus.train)).source.startswith("The owl")


@pytest.mark.parametrize("names", [("train.en", "train.es"), ("train.es", "train.en")])
def test_two_files_in_either_order(tmp_path, names):
    """Catches: order of the files winning over the languages that were named."""
    pairs = make_pairs(500)
    for name, side in (("train.en", 0), ("train.es", 1)):
        lines = "".join(f"{pair[side]}\n" for pair in pairs)
        (tmp_path / name).write_text(lines, "utf-8")
    paths = [tmp_path / name for name in names]
    first = next(read_corpus(config(*paths)))
    assert first.source.startswith("The" if names[0] == "train.en" else "El")
    english = next(read_corpus(config(*paths, source_language="en")))
    assert english == pairs[0]


def test_development_files_of_ones_own(toy, tmp_path):
    """Catches: dev pairs left in training; a test that depends on the dev file."""
    plain = prepare_corpus(config(toy))
    dev_pairs = [plain.train.take(np.array([i]))[0] for i in range(20)]
    dev_pairs.append(plain.tests["test"][0])
    path = write_tsv(tmp_path / "dev.tsv", dev_pairs)
    corpus = prepare_corpus(config(toy, dev_corpus=(str(path),)))
    assert corpus.tests == plain.tests
    assert corpus.dev == dev_pairs[:-1]
    sources = {sentence_key(pair.source) for pair in corpus.dev}
    targets = {sentence_key(pair.target) for pair in corpus.dev}
    for pair in corpus.train:
        assert sentence_key(pair.source) not in sources
        assert sentence_key(pair.target) not in targets


def test_extra_pairs_are_for_training_alone(toy, tmp_path):
    """Catches: held-out sets that change with them, extra pairs held out, or others
    left out; a test sentence that comes back by this door; a file that changed unseen;
    sets that cannot be read where the file is not, as by who was given a model.
    """
    plain = prepare_corpus(config(toy))
    extra = [Pair(f"A far star {n} shines.", f"Brilla {n} lejos.") for n in range(500)]
    leak = [plain.tests["test"][0], Pair("Another source.", plain.dev[0].target)]
    path = write_tsv(tmp_path / "extra.tsv", [*extra, *leak])
    options = config(toy, extra_corpus=(str(path),))
    corpus = prepare_corpus(options, directory=tmp_path / "run")
    assert (corpus.dev, corpus.tests) == (plain.dev, plain.tests)
    assert load_sets(options).tests == plain.tests
    assert sorted(corpus.train) == sorted([*plain.train, *extra])
    assert corpus.report.dropped["in dev or test"] >= len(leak)
    assert f"{path.parent.name}/extra.tsv" in corpus.info["files"]
    write_tsv(path, extra[:7])
    again = prepare_corpus(options, directory=tmp_path / "run")
    assert len(again.train) == len(plain.train) + 7
    options = options.model_copy(update={"extra_copies": 3})
    copied = prepare_corpus(options, directory=tmp_path / "run")
    assert sorted(copied.train) == sorted([*plain.train, *extra[:7] * 3])
    assert copied.report == again.report
    path.unlink()
    assert load_sets(options).tests == plain.tests


def test_a_sentence_keeps_its_first_translations(tmp_path):
    """Catches: another than the first one kept; extra pairs counted with them; further
    references lost; a choice of before that is used again."""
    pairs = [
        Pair(f"The star {n} shines.", f"{way} {n} brilla.")
        for n in range(900)
        for way in ("Estrella", "Lucero", "Astro")[: 1 + n % 3]
    ]
    extra = [Pair("The star 1 shines.", "Ya."), Pair("The star 1 shines.", "Sí.")]
    path, further = write_tsv(tmp_path / "a.tsv", pairs), tmp_path / "b.tsv"
    options = config(path, extra_corpus=(str(write_tsv(further, extra)),))
    plain = prepare_corpus(options, directory=tmp_path / "run")
    own = [pair for pair in plain.train if pair not in extra]
    for count in (1, 2):
        limited = options.model_copy(update={"max_translations": count})
        corpus = prepare_corpus(limited, directory=tmp_path / "run")
        kept = {"Estrella", "Lucero"} if count == 2 else {"Estrella"}
        expected = [pair for pair in own if pair.target.split()[0] in kept]
        assert sorted(corpus.train) == sorted([*expected, *extra])
        num_dropped = corpus.report.dropped["further translation"]
        assert num_dropped == len(own) - len(expected)
        assert corpus.report.kept == plain.report.kept - num_dropped
        assert (corpus.dev, corpus.tests) == (plain.dev, plain.tests)
        assert corpus.references == plain.references


def test_limits_come_from_the_options(toy):
    """Catches: cleaning by its defaults, whatever the options say."""
    assert prepare_corpus(config(toy)).report.dropped.keys() <= {"in dev or test"}
    with pytest.raises(UserError, match="0 for training"):
        prepare_corpus(config(toy, max_characters=10))
    report = prepare_corpus(config(toy, max_characters=10), allow_empty=True).report
    assert report.dropped == {"too long": report.read}


def test_memory_hardly_grows_with_the_pairs(tmp_path, monkeypatch):
    """Catches: duplicates known by a set (some 80 bytes a pair), pairs collected in a
    list."""
    monkeypatch.setattr("translator.corpus.splitting.MAX_HELD_OUT", 20)
    monkeypatch.setattr("translator.corpus.splitting.MIN_HELD_OUT", 0)

    def peak(count: int) -> int:
        pairs = [Pair(f"sentence {i}", f"frase {i}") for i in range(count)]
        path = write_tsv(tmp_path / f"{count}.tsv", pairs)
        del pairs
        tracemalloc.start()
        corpus = prepare_corpus(config(path))
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(corpus.train) > 0.95 * count
        return memory

    peak(1_000)  # imports, buffers
    few, many = 5_000, 20_000
    # While the table of hashes grows, the old one and the new one have up to 4 slots of
    # 8 bytes a pair.
    assert peak(many) - peak(few) < 33 * (many - few)


def test_too_few_pairs(tmp_path):
    """Catches: an empty development set that fails in the first validation."""
    path = write_tsv(tmp_path / "few.tsv", [Pair("one", "uno")])
    with pytest.raises(UserError, match=r"few\.tsv has too few pairs: .*--dev-corpus"):
        prepare_corpus(config(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corpus": ()}, "no corpus is given"),
        ({"corpus": ("tatoeba-en-xx",)}, "no corpus and no file .*multi30k-en-de"),
        (
            {"corpus": ("numbers-en-es",), "source_language": "fr"},
            "numbers-en-es holds en and es. Received: source_language 'fr'",
        ),
        (
            {"corpus": ("numbers-en-es",), "target_language": "xx"},
            "holds en and es",
        ),
        ({"corpus": ("a.en", "b.es")}, r"cannot read a\.en"),
    ],
)
def test_mistakes_in_the_options(options, message):
    """Catches: KeyError and FileNotFoundError as tracebacks."""
    with pytest.raises(UserError, match=message):
        prepare_corpus(DataConfig(**options))


def test_generated_corpora_need_no_cache(cache):
    """Catches: fetching for a corpus without files; counts other than asked for."""
    corpus = prepare_corpus(config("numbers-en-fr", num_generated_pairs=1_000))
    sizes = [len(corpus.train), len(corpus.dev), len(corpus.tests["test"])]
    assert sum(sizes) == pytest.approx(1_000, abs=5)
    assert sizes[1] == pytest.approx(50, abs=25)
    assert not cache.exists()


def test_info_is_json_and_names_no_private_folder(toy):
    """Catches: the home folder of whoever trained, in a published model card."""
    info = prepare_corpus(config(toy)).info
    assert json.loads(json.dumps(info)) == info
    assert info["name"] == "toy.en-es.tsv"
    (name,) = info["files"]
    assert name == f"{toy.parent.name}/toy.en-es.tsv"
    assert len(info["files"][name]) == 64


def test_progress_ends_with_the_number_of_pairs(toy):
    """Catches: a bar that stops short of the last, partial interval."""
    counts = []
    prepare_corpus(config(toy), progress=counts.append)
    assert counts == [1_000, len(make_pairs(1_900))]


@pytest.mark.parametrize("name", [*TATOEBA, *MULTI30K])
def test_public_corpora_leak_nothing(name, shared_mirror):
    """Catches: a split by rows, which leaves 13% of the test sentences in training."""
    corpus = prepare_corpus(config(name))
    sets = {"dev": corpus.dev, **corpus.tests}
    for side in (0, 1):
        trained = {pair[side] for pair in corpus.train}
        for pairs in sets.values():
            assert pairs
            assert not trained & {pair[side] for pair in pairs}
    assert corpus.report.kept > 0.99 * corpus.report.read


@pytest.mark.parametrize("name", MULTI30K)
def test_official_sets_are_complete(name, shared_mirror):
    """Catches: cleaning the test, which makes a score nobody can compare."""
    corpus = load_sets(config(name))
    sizes = {set_name: len(pairs) for set_name, pairs in corpus.tests.items()}
    assert sizes == {"test_2016_flickr": 1_000, "test_2017_flickr": 1_000}
    assert len(corpus.dev) == 1_014


@pytest.mark.parametrize("target", ["en", "de"])
def test_tokenized_references_are_aligned(target, shared_mirror):
    """Catches: the source side, or another test set, as the references."""
    options = config("multi30k-en-de", target_language=target)
    tokenized = load_tokenized_references(options)
    tests = load_sets(options).tests
    assert tokenized.keys() == tests.keys()
    for name, lines in tokenized.items():
        words = [set(line.split()) for line in lines]
        targets = [set(re.findall(r"\w+", p.target.lower())) for p in tests[name]]
        shared = [len(a & b) / len(b) for a, b in zip(words, targets, strict=True)]
        assert sum(shared) / len(shared) > 0.95


def test_tatoeba_split_is_by_sentence(shared_mirror):
    """Catches: several lines, or no further references, for one English sentence."""
    corpus = load_sets(config("tatoeba-en-es"))
    test = corpus.tests["test"]
    assert len({pair.source for pair in test}) == len(test) == 1_958
    assert max(len(corpus.references[pair.source]) for pair in test) > 3
    assert all(corpus.references[p.source][0] == p.target for p in test)
