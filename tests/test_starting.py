"""What a training that starts from another model takes from it."""

import json
from itertools import islice

import numpy as np
import pytest

from translator.checkpoints import save_weights
from translator.config import ModelConfig, make_config, save_config
from translator.corpus import CorpusSets, Pair, write_pairs
from translator.corpus.cleaning import CleaningReport
from translator.corpus.generated import generate_pairs
from translator.errors import UserError
from translator.model import build_model
from translator.starting import (
    count_trained_before,
    inherit_options,
    is_reversed,
    keeps_subwords,
    start_weights,
)
from translator.tokenizer import Tokenizer

SAVED = {
    "corpus": ("tatoeba-en-es",),
    "source_language": "en",
    "target_language": "es",
    "vocabulary_size": 900,
    "augmentation": 0.3,
    "placeholders": 0.0,
    "encoder_units": 48,
    "dropout": 0.3,
    "learning_rate": 0.007,
    "seed": 5,
    "length_penalty": 0.9,
}


@pytest.fixture
def start(tmp_path):
    """The folder of a model, with its options alone."""
    save_config(make_config(options=SAVED), tmp_path / "config.json")
    return str(tmp_path)


def test_without_a_model_all_stays():
    config = make_config(options=SAVED)
    assert inherit_options(config) is config


def test_what_is_the_models_and_what_is_not(start):
    """Catches: a network of another form; the other training's data, seed or rate."""
    given = {"start_from": start, "corpus": ("mine.tsv",), "dropout": 0.1}
    given |= {"augmentation": 0.0, "source_language": "en", "target_language": "es"}
    config = inherit_options(make_config(options=given))
    expected = {
        "placeholders": 0.0,
        "vocabulary_size": 900,
        "encoder_units": 48,
        "length_penalty": 0.9,
    }
    assert config == make_config(options=given | expected)
    assert inherit_options(config) == config


def test_what_an_older_run_does_not_tell(tmp_path):
    """Catches: placeholders in the training of a vocabulary that has none, as they are
    the default today."""
    saved = {"data": {"source_language": "en"}}
    (tmp_path / "config.json").write_text(json.dumps(saved), "utf-8")
    data = inherit_options(make_config(options={"start_from": str(tmp_path)})).data
    assert (data.augmentation, data.placeholders) == (0, 0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"encoder_units": 64}, "encoder_units is 48 in .*Received: 64"),
        ({"vocabulary_size": 5_000}, "vocabulary_size is 900 in .*Received: 5000"),
        ({"placeholders": 0.5}, "has no placeholders"),
        ({"start_from": "nowhere"}, "there is no folder nowhere"),
    ],
)
def test_options_that_the_model_cannot_have(start, options, expected):
    """Catches: weights that do not fit, after the corpus was read; an option that is
    passed over in silence."""
    with pytest.raises(UserError, match=expected):
        inherit_options(make_config(options={"start_from": start} | options))
    assert inherit_options(
        make_config(options={"start_from": start, "encoder_units": 48})
    )


@pytest.mark.parametrize(
    ("languages", "words", "back"),
    [
        ("en es", True, False),
        ("es en", True, True),
        ("en fr", False, False),
        ("pt es", False, False),
        ("", True, False),
        ("en", True, False),
    ],
)
def test_what_the_languages_decide(tmp_path, languages, words, back):
    """Catches: German spelled with Spanish subwords; new subwords for the way back, or
    for a file that does not tell its languages; the rule for English names used on
    Spanish ones."""
    path = tmp_path / "mine.tsv"
    path.write_text("my words\tmis palabras\n", "utf-8")
    source, target = [*languages.split(), "", ""][:2]
    options = {"source_language": source, "target_language": target}
    config = make_config(options={"corpus": (str(path),)} | options)
    start = make_config(options=SAVED)
    assert keeps_subwords(config, start) == words
    assert is_reversed(config, start) == back


def test_a_corpus_tells_its_languages():
    """Catches: a look at the options alone, where the name of the corpus tells."""
    config = make_config(options={"corpus": ("numbers-en-de",)})
    assert not keeps_subwords(config, make_config(options=SAVED))


def test_another_pair_of_languages_has_subwords_of_its_own(start):
    """Catches: the size of the other model's vocabulary, or its lack of placeholders,
    forced upon a vocabulary that is new."""
    given = {"start_from": start, "corpus": ("numbers-en-fr",)}
    given |= {"vocabulary_size": 700, "placeholders": 0.5}
    config = inherit_options(make_config(options=given))
    assert (config.data.vocabulary_size, config.data.placeholders) == (700, 0.5)
    assert config.model.encoder_units == 48
    with pytest.raises(UserError, match="encoder_units is 48"):
        inherit_options(make_config(options=given | {"encoder_units": 64}))


def number_texts(source, target):
    """Both sides of 200 generated pairs."""
    pairs = islice(generate_pairs((source, target)), 200)
    return [text for pair in pairs for text in pair]


@pytest.mark.parametrize("is_tied", [True, False])
def test_subwords_that_both_know_keep_their_vectors(tmp_path, is_tied):
    """Catches: vectors of other subwords, as the rows moved; a bias, or an untied
    matrix, that is left behind; other weights that are."""
    options = ModelConfig(
        embedding_dim=6,
        encoder_units=4,
        decoder_units=8,
        num_heads=2,
        tie_embeddings=is_tied,
    )
    known = Tokenizer.train(number_texts("en", "es"), vocabulary_size=330)
    tokenizer = Tokenizer.train(number_texts("en", "fr"), vocabulary_size=345)
    trained = build_model(options, known.vocabulary_size)
    for weight in trained.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    known.save(tmp_path / "tokenizer.model")
    save_weights(trained, tmp_path / "checkpoints" / "best.npz")
    model = build_model(options, tokenizer.vocabulary_size)
    before = [np.asarray(own.value).copy() for own in model.vocabulary_weights]
    shared = [token for token in tokenizer.vocabulary if token in known.vocabulary]
    new = [token for token in tokenizer.vocabulary if token not in known.vocabulary]
    assert start_weights(model, tokenizer, tmp_path) == len(shared)
    assert 260 < len(shared) < tokenizer.vocabulary_size - 5
    assert len(before) == (2 if is_tied else 4)
    for weight, old, theirs in zip(
        model.vocabulary_weights, before, trained.vocabulary_weights, strict=True
    ):
        found, expected = np.asarray(weight.value), np.asarray(theirs.value)
        np.testing.assert_allclose(
            found[tokenizer.ids(shared)], expected[known.ids(shared)]
        )
        np.testing.assert_array_equal(
            found[tokenizer.ids(new)], old[tokenizer.ids(new)]
        )
    size, known_size = (tokenizer.vocabulary_size,), (known.vocabulary_size,)
    others = [own for own in model.weights if own.shape[:1] != size]
    theirs = [own for own in trained.weights if own.shape[:1] != known_size]
    for weight, other in zip(others, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(weight.value), np.asarray(other.value))


def test_what_a_model_was_trained_on_is_no_test(tmp_path):
    """Catches: sentences that differ in a mark only; the other side of a model that
    translates the other way; a packed model, which has no pairs."""
    trained = [Pair("Rain falls.", "Llueve."), Pair("Nobody sings.", "Nadie canta.")]
    tests = {
        "test": [Pair("rain falls", "x"), Pair("We run.", "y"), Pair("Llueve", "z")],
        "other": [Pair("We run.", "Corremos.")],
    }
    dev = [Pair("Nobody sings!", "x"), Pair("Rain falls.", "y")]
    sets = CorpusSets(dev, tests, {}, {}, CleaningReport())
    assert count_trained_before(sets, tmp_path, False) == {}
    (tmp_path / "data").mkdir()
    write_pairs(tmp_path / "data" / "train.tsv", trained)
    assert count_trained_before(sets, tmp_path, False) == {"dev": 2, "test": 1}
    assert count_trained_before(sets, tmp_path, True) == {"test": 1}


def test_weights_of_another_form_are_refused(tmp_path):
    """Catches: a traceback, or weights that are taken in part."""
    tokenizer = Tokenizer.train(number_texts("en", "es"), vocabulary_size=330)
    tokenizer.save(tmp_path / "tokenizer.model")
    sizes = {"embedding_dim": 6, "encoder_units": 4, "num_heads": 2}
    trained, model = (
        build_model(ModelConfig(**sizes, decoder_units=units), 330) for units in (8, 4)
    )
    save_weights(trained, tmp_path / "checkpoints" / "best.npz")
    with pytest.raises(UserError, match="does not fit the network"):
        start_weights(model, tokenizer, tmp_path)
