"""Run folders of small random networks, of any wiring."""

import shutil

import numpy as np
import pytest

from translator.checkpoints import BEST_NAME, TOKENIZER_NAME, save_weights
from translator.config import make_config, save_config
from translator.tokenizer import EOS_ID, Tokenizer


@pytest.fixture(scope="session")
def make_run(run_dir, tmp_path_factory):
    """Makes a run folder with the tokenizer of `run_dir`, and other options."""

    def make(**options):
        from translator.model import build_model

        sizes = {"embedding_dim": 12, "encoder_units": 8, "decoder_units": 16}
        config = make_config("tiny", options=sizes | {"beam_size": 3} | options)
        tokenizer = Tokenizer.load(run_dir / TOKENIZER_NAME)
        model = build_model(config.model, tokenizer.vocabulary_size)
        rng = np.random.default_rng(3)
        for variable in model.weights:
            variable.assign(rng.normal(scale=0.5, size=variable.shape))
        bias = model.output_embedding.output_bias
        bias.assign(bias.numpy() + 3 * (np.arange(bias.shape[0]) == EOS_ID))
        path = tmp_path_factory.mktemp("runs") / "small"
        save_weights(model, path / BEST_NAME)
        save_config(config, path / "config.json", corpus_info={"name": "toy"})
        shutil.copy(run_dir / TOKENIZER_NAME, path)
        return path

    return make


@pytest.fixture(scope="session")
def onnx_dir(run_dir, tmp_path_factory):
    """`run_dir`, exported; it is shared: copy it before a change."""
    from translator.light.export import export_onnx

    path = tmp_path_factory.mktemp("onnx") / "toy"
    export_onnx(run_dir, path)
    return path


@pytest.fixture(scope="session")
def int8_dir(run_dir, tmp_path_factory):
    from translator.light.export import export_onnx

    path = tmp_path_factory.mktemp("int8") / "toy"
    export_onnx(run_dir, path, is_int8=True)
    return path
