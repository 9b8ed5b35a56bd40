"""Options of a training that starts from another model."""

import json

import pytest

from translator.config import make_config, save_config
from translator.errors import UserError
from translator.starting import inherit_options, is_reversed

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
    ("languages", "back"),
    [("en es", False), ("es en", True), ("", False), ("en", False), ("en fr", None)],
)
def test_a_model_has_the_languages_of_the_corpus(start, tmp_path, languages, back):
    """Catches: German cut into letters by Spanish subwords, in silence; a refusal of
    the way back, or of a file that does not tell its languages; the rule for English
    names used on Spanish ones."""
    path = tmp_path / "mine.tsv"
    path.write_text("my words\tmis palabras\n", "utf-8")
    source, target = [*languages.split(), "", ""][:2]
    options = {"source_language": source, "target_language": target}
    config = make_config(
        options={"start_from": start, "corpus": (str(path),)} | options
    )
    if back is None:
        expected = "translates en to es. Received: a corpus of en and fr"
        with pytest.raises(UserError, match=expected):
            inherit_options(config)
        return
    assert inherit_options(config).data.vocabulary_size == 900
    assert is_reversed(config, make_config(options=SAVED)) == back


def test_a_corpus_tells_its_languages(start):
    """Catches: a check of the options alone, where the name of the corpus tells."""
    options = {"start_from": start, "corpus": ("numbers-en-de",)}
    with pytest.raises(UserError, match="a corpus of en and de"):
        inherit_options(make_config(options=options))
