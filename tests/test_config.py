"""Options: one place for each, bounds that hold, and errors a user can act on."""

import json

import pytest
from pydantic import ValidationError

from translator.config import (
    PRESETS,
    Config,
    make_config,
    option_fields,
    parse_config,
    save_config,
)
from translator.errors import UserError


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def error_of(call, *arguments, **options):
    """The one line that the user gets to see."""
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset):
    config = make_config(preset)
    for section, values in PRESETS[preset].items():
        for name, value in values.items():
            assert getattr(getattr(config, section), name) == value


def test_a_file_overrides_the_preset_and_options_override_the_file(tmp_path):
    """Catches: layers in another order; a table that replaces all of its section."""
    path = write(
        tmp_path / "options.toml",
        '[model]\nembedding_dim = 48\nattention = "dot"\n[training]\nepochs = 3\n',
    )
    config = make_config("tiny", path, {"epochs": 4, "corpus": ("numbers-en-es",)})
    tiny = PRESETS["tiny"]["model"]
    assert tiny["embedding_dim"] != 48
    assert config.model.embedding_dim == 48
    assert config.model.attention == "dot"
    assert config.model.encoder_units == tiny["encoder_units"]
    assert config.training.epochs == 4
    assert config.data.corpus == ("numbers-en-es",)


def test_presets_are_not_changed_by_their_use():
    """Catches: options of one run that leak into the next."""
    before = json.dumps(PRESETS)
    make_config("tiny", options={"embedding_dim": 3, "epochs": 1})
    assert json.dumps(PRESETS) == before


def test_option_names_are_unique():
    """Catches: a name in two sections, of which the command line could set one."""
    names = [
        name
        for model in Config.model_fields.values()
        for name in model.annotation.model_fields
    ]
    assert len(names) == len(set(names)) == len(option_fields())


def test_every_option_is_described():
    for name, (_, field) in option_fields().items():
        assert field.description and field.description.endswith("."), name


def test_saved_options_can_be_read_back(tmp_path):
    """Catches: a tuple or a float that JSON changes; facts that hide options."""
    config = make_config(
        "tiny", options={"corpus": ("a.en", "a.es"), "learning_rate": 1 / 3}
    )
    path = tmp_path / "config.json"
    save_config(config, path, version="1.2", corpus_info={"name": "Áé"})
    content = json.loads(path.read_text("utf-8"))
    assert content.pop("version") == "1.2"
    assert content.pop("corpus_info") == {"name": "Áé"}
    assert parse_config(content) == config


def test_options_are_frozen():
    """Catches: a run whose saved options are not those it used."""
    with pytest.raises(ValidationError):
        make_config().model.embedding_dim = 3


def test_unknown_preset():
    message = error_of(make_config, "huge")
    assert "'huge'" in message and "tiny, small, base" in message


def test_unknown_option_lists_the_known_ones():
    message = error_of(make_config, options={"beamsize": 3})
    assert "'beamsize'" in message and "beam_size" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[model]\nunits = 3", ["units", "Known:", "encoder_units"]),
        ("[modle]\nencoder_units = 3", ["[model]", "Received: modle"]),
        ("encoder_units = 3", ["belong in the tables", "Received: encoder_units"]),
        ("[model\n", ["not a TOML file"]),
        ("[model]\nencoder_units = 0", ["encoder_units", "Received: 0"]),
        ('[model]\nencoder_units = "x"', ["encoder_units", "Received: 'x'"]),
        ('[model]\nattention = "sharp"', ["attention", "'additive'", "'sharp'"]),
    ],
    ids=["unknown", "section", "no_section", "syntax", "bound", "type", "choice"],
)
def test_mistakes_in_a_file(tmp_path, text, expected):
    """Catches: pydantic's many lines, an error that names no option or value."""
    path = write(tmp_path / "options.toml", text)
    message = error_of(make_config, path=path)
    for part in expected:
        assert part in message


def test_unreadable_file(tmp_path):
    path = tmp_path / "options.toml"
    assert str(path) in error_of(make_config, path=path)
    path.write_bytes(b"\xff\xfe")
    assert str(path) in error_of(make_config, path=path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dropout", 1),
        ("dropout", -0.1),
        ("dropout", float("nan")),
        ("subword_sampling", 1.1),
        ("learning_rate", 0),
        ("learning_rate", float("inf")),
        ("vocabulary_size", 299),
        ("epochs", -1),
        ("seed", -1),
        ("seed", 2**32),
        ("averaging", 1),
        ("label_smoothing", 1),
        ("beam_size", 0),
        ("beam_size", 65),
        ("max_length_factor", 0),
    ],
)
def test_bounds(name, value):
    """Catches: a value that is clamped in silence or fails an hour later."""
    message = error_of(make_config, options={name: value})
    assert message.startswith(f"{name}: ") and f"Received: {value!r}" in message


def test_parallel_wiring_needs_two_decoder_layers():
    message = error_of(make_config, options={"num_decoder_layers": 1})
    assert "at least 2. Received: 1. Use wiring classic" in message
    options = {"num_decoder_layers": 1, "wiring": "classic"}
    assert make_config(options=options).model.num_decoder_layers == 1


def test_heads_divide_the_units():
    options = {"num_heads": 3, "decoder_units": 320}
    message = error_of(make_config, options=options)
    assert "num_heads must divide decoder_units. Received: 3 and 320." in message
    assert make_config(options=options | {"attention": "general"})


def test_a_dot_product_is_of_equal_widths():
    """Catches: a traceback of the layer, when the corpus is read and the subwords are
    found."""
    options = {"attention": "dot", "decoder_units": 320, "encoder_units": 192}
    message = error_of(make_config, options=options)
    assert "decoder_units of twice encoder_units. Received: 320 and 192." in message
    assert make_config(options=options | {"encoder_units": 160})


@pytest.mark.parametrize("code", ["../../etc/x", "<b>", "e n", "a.b"])
def test_a_code_of_a_language_is_no_path(code):
    """Catches: a model of a stranger's that has files written elsewhere, or HTML on the
    page."""
    message = error_of(make_config, options={"target_language": code})
    assert "is no code of a language" in message
    codes = {"source_language": "pt_BR", "target_language": "zh-Hant-TW"}
    assert make_config(options=codes).data.source_language == "pt-BR"


def test_a_list_tells_which_option_it_is(tmp_path):
    path = write(tmp_path / "options.toml", "[data]\ncorpus = [1]")
    assert error_of(make_config, path=path).startswith("corpus: ")


def test_origin_is_named():
    message = error_of(parse_config, {"training": {"epochs": -1}}, "runs/a/config.json")
    assert message.startswith("runs/a/config.json: epochs: ")


def test_a_section_that_is_no_table(tmp_path):
    path = write(tmp_path / "options.toml", "model = 3")
    assert "Received: model" in error_of(make_config, path=path)
    assert "model" in error_of(parse_config, {"model": 3})


@pytest.mark.parametrize(("old", "new"), [(False, "none"), (True, "bfloat16")])
def test_mixed_precision_was_a_switch(old, new):
    """Catches: the shipped model, and every older run folder, that cannot be read."""
    config = parse_config({"training": {"mixed_precision": old}})
    assert config.training.mixed_precision == new
    assert "mixed_precision" in error_of(make_config, options={"mixed_precision": 1.0})


def test_a_single_name_is_a_list_of_one(tmp_path):
    """Catches: "should be a valid tuple", for the line that everybody writes."""
    path = write(tmp_path / "options.toml", '[data]\ncorpus = "numbers-en-es"\n')
    assert make_config(path=path).data.corpus == ("numbers-en-es",)


def test_paths_are_names(tmp_path):
    """Catches: an error of pydantic's for what every program has."""
    path = tmp_path / "own.toml"
    path.write_text("[training]\nepochs = 3\n", "utf-8")
    options = {"corpus": [tmp_path / "a.en", tmp_path / "a.es"], "start_from": tmp_path}
    config = make_config("tiny", str(path), options)
    assert config.data.corpus == (f"{tmp_path}/a.en", f"{tmp_path}/a.es")
    assert config.training.start_from == str(tmp_path) and config.training.epochs == 3
    assert make_config(options={"corpus": tmp_path}).data.corpus == (str(tmp_path),)
    with pytest.raises(TypeError, match="Received: dict"):
        make_config("tiny", {"epochs": 3})
