"""What many tests need: a quiet TensorFlow, and a run folder without training."""

import os
from pathlib import Path

import pytest

# TensorFlow's C++ side reads this when it is imported, and logs without asking.
# Not imported here: the tests of texts and corpora do without it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_PAIRS = [
    ("The red house is near the river.", "La casa roja está cerca del río."),
    ("Where did you leave my keys?", "¿Dónde dejaste mis llaves?"),
    ("Nobody sings in the morning.", "Nadie canta por la mañana."),
    ("We ate 12 oranges and 3 pears!", "¡Comimos 12 naranjas y 3 peras!"),
    ("She reads the old letters again.", "Ella lee otra vez las cartas viejas."),
    ("The children run to the garden.", "Los niños corren al jardín."),
    ("I don't drink coffee at night.", "No bebo café por la noche."),
    ("The train leaves at 7:45.", "El tren sale a las 7:45."),
]
_TEXTS = [text for pair in _PAIRS for text in pair]


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory) -> Path:
    """A run folder, `toy`, as `translator train` leaves it; its weights are random.

    It is shared: copy it before a change.
    """
    import numpy as np

    from translator.checkpoints import (
        BEST_NAME,
        CONFIG_NAME,
        LAST_NAME,
        TOKENIZER_NAME,
        save_state,
        save_weights,
    )
    from translator.config import make_config, save_config
    from translator.model import build_model
    from translator.tokenizer import EOS_ID, UNK_ID, Tokenizer

    sizes = {"embedding_dim": 12, "encoder_units": 8, "decoder_units": 16}
    data = {"corpus": ("toy.en", "toy.es")}
    languages = {"source_language": "en", "target_language": "es"}
    config = make_config(
        "tiny", options=sizes | data | languages | {"beam_size": 3, "epochs": 2}
    )
    tokenizer = Tokenizer.train(_TEXTS, 350)
    model = build_model(config.model, tokenizer.vocabulary_size)
    # No global seed: that would destroy the tokenizers of TensorFlow Text.
    rng = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(rng.normal(scale=0.5, size=variable.shape))
    # Ends, and what a trained model never writes, are likely.
    bias = model.output_embedding.output_bias
    bias.assign(bias.numpy() + 3 * np.isin(np.arange(bias.shape[0]), [EOS_ID, UNK_ID]))

    path = tmp_path_factory.mktemp("runs") / "toy"
    save_weights(model, path / BEST_NAME)
    save_state(path / LAST_NAME, model.weights, {"step": 3})
    tokenizer.save(path / TOKENIZER_NAME)
    save_config(
        config,
        path / CONFIG_NAME,
        version="0.1.0",
        tokenizer_sha256=tokenizer.checksum,
        corpus_info={"name": "toy", "languages": ["en", "es"]},
    )
    (path / "README.md").write_text("# A toy\n", "utf-8")
    return path


@pytest.fixture(scope="session")
def translator(run_dir):
    """The translator of `run_dir`."""
    from translator.inference import Translator

    return Translator.load(run_dir)


@pytest.fixture(scope="session")
def make_run(run_dir, tmp_path_factory):
    """Makes a run folder with the pairs of `run_dir`, and other options."""

    import numpy as np

    from translator.checkpoints import BEST_NAME, TOKENIZER_NAME, save_weights
    from translator.config import make_config, save_config
    from translator.model import build_model
    from translator.placeholders import PLACEHOLDERS, CapitalRule
    from translator.tokenizer import EOS_ID, Tokenizer

    def make(**options):
        sizes = {"embedding_dim": 12, "encoder_units": 8, "decoder_units": 16}
        config = make_config("tiny", options=sizes | {"beam_size": 3} | options)
        tokenizer = Tokenizer.load(run_dir / TOKENIZER_NAME)
        if config.data.placeholders:
            tokenizer = Tokenizer.train(_TEXTS, 350, placeholders=PLACEHOLDERS)
        model = build_model(config.model, tokenizer.vocabulary_size)
        rng = np.random.default_rng(3)
        for variable in model.weights:
            variable.assign(rng.normal(scale=0.5, size=variable.shape))
        bias = model.output_embedding.output_bias
        bias.assign(bias.numpy() + 3 * (np.arange(bias.shape[0]) == EOS_ID))
        path = tmp_path_factory.mktemp("runs") / "small"
        save_weights(model, path / BEST_NAME)
        rule = CapitalRule(frozenset({"May", "Thursday"}), inner=True)
        facts = {
            "corpus_info": {"name": "toy"},
            "capital_rule": rule.to_json(),
            "max_sentence_characters": 260,
        }
        save_config(config, path / "config.json", **facts)
        tokenizer.save(path / TOKENIZER_NAME)
        return path

    return make


@pytest.fixture(scope="session")
def onnx_dir(run_dir, tmp_path_factory):
    """`run_dir`, exported; it is shared: copy it before a change."""
    from translator.light.export import export_onnx

    path = tmp_path_factory.mktemp("onnx") / "toy"
    export_onnx(run_dir, path)
    return path
