"""Workers of `benchmarks.training` that run in our environment.

    python -m benchmarks.training_peers ours SETTINGS.json
    python -m benchmarks.training_peers tutorial SETTINGS.json

`ours` runs the package's own `train`, as `translator train` does, with its `Trainer`,
`TrainStep`, `BatchPlan` and `make_dataset`; only no validation comes.
`tutorial` builds the network of TensorFlow's tutorial "Neural machine translation with
attention" from stock Keras layers and runs a compiled `fit`.
"""

import importlib.metadata
import itertools
import json
import sys
from collections import deque
from pathlib import Path

from benchmarks.turns import Channel, EpochGate, pin_threads


def main():
    role, path = sys.argv[1:]
    settings = json.loads(Path(path).read_text("utf-8"))
    pin_threads()
    channel = Channel()
    {"ours": train_ours, "tutorial": train_tutorial}[role](settings, channel)


def train_ours(settings, channel):
    """Trains as the command does, `translator.training.train`, one epoch a turn.

    Three things are put in place of what the command would do by itself: the pairs and
    the subwords, which all programs share, and a step that tells the gate of its batch.
    """
    from translator import preparation, training
    from translator.config import parse_config

    config = parse_config(settings["config"])
    corpus, tokenizer = load_data(settings)
    run_dir = Path(settings["run_dir"])
    run_dir.mkdir(parents=True, exist_ok=True)
    gate = EpochGate(channel, len(corpus.train))
    preparation.prepare_corpus = lambda *args, **kwargs: corpus
    preparation.Tokenizer.train = lambda *args, **kwargs: tokenizer
    if not settings["keeps_memory"]:
        preparation.keep_memory = lambda: None
    count_steps(training.TrainStep, gate, channel)
    training.train(config, run_dir)


def load_data(settings):
    """The pairs and the subwords which the measuring side has written."""
    from translator.corpus import PairFile, PreparedCorpus
    from translator.corpus.cleaning import CleaningReport
    from translator.tokenizer import Tokenizer

    corpus = PreparedCorpus(
        dev=list(PairFile(Path(settings["dev"]))),
        tests={},
        references={},
        info=settings["info"],
        report=CleaningReport(),
        train=PairFile(Path(settings["train"])),
    )
    return corpus, Tokenizer.load(settings["tokenizer"])


def count_steps(step_class, gate, channel):
    """Has the compiled training steps of a class tell the gate of each batch.

    Compiling is the last thing before the first step, so the worker is ready then.
    """
    compile_step = step_class.compile

    def compile_counting(self, *args, **kwargs):
        step = compile_step(self, *args, **kwargs)

        def counting(batch):
            total, num_tokens = step(batch)
            gate.count(int(batch[0].shape[0]), int(num_tokens))
            return total, num_tokens

        channel.answer(**facts(self.model.count_params()))
        gate.wait()
        return counting

    step_class.compile = compile_counting


def train_tutorial(settings, channel):
    """Trains the tutorial's network in `fit`, one epoch a turn.

    It gets our batches, sorted by length, where the tutorial pads 64 random sentences.
    As in the tutorial there is no dropout, no clipping, no averaging and no smoothing;
    its two metrics are left out. All of this is in its favour.
    """
    import keras
    import tensorflow as tf

    from translator.batching import BatchPlan
    from translator.config import parse_config

    config = parse_config(settings["config"])
    corpus, tokenizer = load_data(settings)
    plan = BatchPlan(
        corpus.train, tokenizer, config.training.batch_tokens, config.training.seed
    )
    sizes: deque[tuple[int, int]] = deque()
    model = tutorial_model(tokenizer.vocabulary_size, settings["units"])
    model.compile(
        optimizer=keras.optimizers.Adam(),
        loss=masked_loss,
        # XLA compiles anew for each shape of a batch, for minutes on a CPU.
        jit_compile=False,
    )
    ids = tf.TensorSpec([None, None], tf.int32)
    dataset = tf.data.Dataset.from_generator(
        lambda: tutorial_batches(plan, sizes), output_signature=((ids, ids), ids)
    )
    gate = EpochGate(channel, len(corpus.train))
    counting = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: gate.count(*sizes.popleft())
    )
    channel.answer(**facts(model.count_params()))
    gate.wait()
    endless = 10**9
    model.fit(
        dataset.prefetch(tf.data.AUTOTUNE),
        steps_per_epoch=endless,
        callbacks=[counting],
        verbose=0,
    )


def tutorial_batches(plan, sizes):
    """Yields the plan's batches for `fit`, epoch after epoch, and notes their sizes."""
    from translator.tokenizer import PAD_ID

    for epoch in itertools.count():
        for _, batch in plan.batches(epoch):
            is_real = batch.target_output_ids != PAD_ID
            sizes.append((len(is_real), int(is_real.sum())))
            yield (batch.source_ids, batch.target_input_ids), batch.target_output_ids


def tutorial_model(vocabulary_size, units):
    """The tutorial's network: all widths are `units`, each side has its own table."""
    import keras

    source_ids = keras.Input((None,), dtype="int32")
    target_input_ids = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(vocabulary_size, units, mask_zero=True)
    encode = keras.layers.Bidirectional(
        keras.layers.GRU(units, return_sequences=True), merge_mode="sum"
    )
    encoder_outputs = encode(embedding(source_ids))  # (B, S, U)
    embedding = keras.layers.Embedding(vocabulary_size, units, mask_zero=True)
    states = keras.layers.GRU(units, return_sequences=True)(  # (B, T, U)
        embedding(target_input_ids)
    )
    attend = keras.layers.MultiHeadAttention(num_heads=1, key_dim=units)
    context_vectors = attend(query=states, value=encoder_outputs)  # (B, T, U)
    outputs = keras.layers.LayerNormalization()(
        keras.layers.Add()([states, context_vectors])
    )
    logits = keras.layers.Dense(vocabulary_size)(outputs)  # (B, T, V)
    return keras.Model([source_ids, target_input_ids], logits)


def masked_loss(target_ids, logits):
    """The tutorial's loss: nats per real token."""
    import keras
    import tensorflow as tf

    cross_entropy = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction=None
    )
    loss = cross_entropy(target_ids, logits)
    mask = tf.cast(target_ids != 0, loss.dtype)
    return tf.reduce_sum(loss * mask) / tf.reduce_sum(mask)


def facts(parameters):
    """What the tables say of this peer."""
    names = ("tensorflow", "keras")
    return {
        "versions": {name: importlib.metadata.version(name) for name in names},
        "parameters": parameters,
    }


if __name__ == "__main__":
    main()
