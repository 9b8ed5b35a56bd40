"""The network as a LiteRT file (formerly TensorFlow Lite): ids in, scores out.

    OUT/model.tflite      two signatures, in float32, of LiteRT's own operations alone
    OUT/tokenizer.model   the subwords

A program that has both cuts into subwords, searches, and puts the words together:

    encode   source_ids (1, S), with EOS (3) at the end
                -> keys, values, mask: for `step`, as they are; state_0, state_1, ...
    step     ids (N,), state_0, ... of N rows, keys, values, mask
                -> logits (N, V), attention_weights (N, S), state_0, ...

The first ids are BOS (2), and the first state is that of `encode`, once for each row.

Shapes: N rows, hypotheses of one sentence; S source length; V vocabulary size.
"""

import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from translator.checkpoints import TOKENIZER_NAME
from translator.disk import new_folder
from translator.inference import Translator
from translator.layers.attention import AttentionMemory
from translator.model import Seq2Seq
from translator.startup import silent_stderr
from translator.tokenizer import PAD_ID

MODEL_NAME = "model.tflite"


class _Steps(tf.Module):
    """The two functions that are converted."""

    def __init__(self, model: Seq2Seq):
        super().__init__(name="translator")
        weights = [(variable, variable.numpy()) for variable in model.weights]

        def constant_weights():
            # LiteRT's converter loses variables that two signatures share.
            return keras.StatelessScope([(v, tf.constant(a)) for v, a in weights])

        def encode(source_ids):
            with constant_weights():
                memory, state = model.encode(source_ids, source_ids != PAD_ID)
            return memory._asdict() | _named(state)

        def step(ids, **parts):
            memory = AttentionMemory(*(parts.pop(n) for n in AttentionMemory._fields))
            with constant_weights():
                result = model.step(ids, tuple(parts.values()), memory)
            outputs = {
                "logits": result.logits,
                "attention_weights": result.attention_weights,
            }
            return outputs | _named(result.state)

        source_ids = tf.TensorSpec([1, None], tf.int32, "source_ids")
        self.encode = tf.function(encode, autograph=False).get_concrete_function(
            source_ids
        )
        parts = {
            name: tf.TensorSpec([*rows, *part.shape[1:]], part.dtype, name)
            for name, part in self.encode.structured_outputs.items()
            for rows in [[1] if name in AttentionMemory._fields else [None]]
        }
        self.step = tf.function(step, autograph=False).get_concrete_function(
            tf.TensorSpec([None], tf.int32, "ids"), **parts
        )


def _named(state: tuple) -> dict[str, tf.Tensor]:
    return {f"state_{place}": part for place, part in enumerate(state)}


def export_litert(translator: Translator, out_dir: str | Path) -> None:
    """Writes a translator's network and its subwords.

    Args:
        translator: What to write.
        out_dir: Folder to make; it must not exist, or be empty.

    Raises:
        UserError: There is something in the folder.
    """
    with new_folder(Path(out_dir)) as temporary, tempfile.TemporaryDirectory() as saved:
        steps = _Steps(translator.model)
        signatures = {"encode": steps.encode, "step": steps.step}
        with silent_stderr():
            # The gradients of our layers are for training.
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
            tf.saved_model.save(steps, saved, signatures, options)
            converter = tf.lite.TFLiteConverter.from_saved_model(
                saved, signature_keys=list(signatures)
            )
            (temporary / MODEL_NAME).write_bytes(converter.convert())
        translator.tokenizer.save(temporary / TOKENIZER_NAME)
