"""A run folder as an ONNX folder: what the light runtime needs, and nothing else.

    encoder.onnx, step.onnx   the network, see `light.encoder` and `light.decoder`
    tokenizer.model           the subwords
    config.json               the run's options, its name, the format and its version
    README.md                 the model card

It needs no TensorFlow.
"""

import shutil
from pathlib import Path

from translator.checkpoints import (
    BEST_NAME,
    CARD_NAME,
    CONFIG_NAME,
    TOKENIZER_NAME,
    load_arrays,
    load_run_config,
)
from translator.config import save_config
from translator.disk import new_folder
from translator.light.network import make_graphs
from translator.light.runtime import ENCODER_NAME, FORMAT_VERSION, STEP_NAME
from translator.light.weights import Weights
from translator.subword_translator import load_parts


def export_onnx(
    run_dir: str | Path, out_dir: str | Path, *, is_int8: bool = False
) -> None:
    """Writes a run folder's model as an ONNX folder.

    The folder is written under another name and renamed, so that it is there as a
    whole or not at all.

    Args:
        run_dir: Run folder.
        out_dir: Folder to make; it must not exist, or be empty.
        is_int8: Whether the decoder's products, and all embeddings, are of 8-bit
            integers: about twice as fast, 0.4 times the size, and not quite the same
            translations.

    Raises:
        UserError: `run_dir` is no run folder, or damaged; `out_dir` is not empty.
    """
    run_dir, out_dir = Path(run_dir), Path(out_dir)
    parts = load_parts(run_dir)
    path = run_dir / BEST_NAME
    weights = Weights(load_arrays(path), str(path))
    model, vocabulary_size = parts.config.model, parts.tokenizer.vocabulary_size
    with new_folder(out_dir) as temporary:
        encoder, step = make_graphs(weights, model, vocabulary_size, is_int8=is_int8)
        (temporary / ENCODER_NAME).write_bytes(encoder)
        (temporary / STEP_NAME).write_bytes(step)
        _copy_facts(run_dir, temporary, parts.name, is_int8)


def _copy_facts(run_dir: Path, out_dir: Path, name: str, is_int8: bool) -> None:
    config, facts = load_run_config(run_dir)
    own = {"name": name, "onnx_format": FORMAT_VERSION, "int8": is_int8}
    save_config(config, out_dir / CONFIG_NAME, **(facts | own))
    for file in (TOKENIZER_NAME, CARD_NAME):
        if (run_dir / file).exists():
            shutil.copy2(run_dir / file, out_dir / file)
