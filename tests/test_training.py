"""Training: the step, the loop, and going on as if nothing had happened."""

import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import cache
from itertools import islice
from types import SimpleNamespace
from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from tensorflow.python.framework import kernels

from translator import preparation, train_step, training
from translator.batching import Batch, pad_batch
from translator.cards import CARD_NAME
from translator.checkpoints import (
    BEST_NAME,
    LAST_NAME,
    TOKENIZER_NAME,
    load_arrays,
    load_run_config,
    save_arrays,
)
from translator.config import (
    ModelConfig,
    Optimizer,
    SearchConfig,
    TrainingConfig,
    make_config,
    save_config,
)
from translator.corpus import load_sets
from translator.corpus.generated import generate_pairs
from translator.corpus.pairs import Pair
from translator.errors import UserError
from translator.inference import Translator
from translator.model import build_model
from translator.placeholders import PLACEHOLDERS, CapitalRule
from translator.precision import choose_precision
from translator.reporting import HISTORY_NAME, RunLog, read_metrics
from translator.tokenizer import Tokenizer
from translator.train_step import TrainStep, batch_loss
from translator.training import StopRequest, Trainer, Validator, train

V = 40
SMALL = {
    "embedding_dim": 6,
    "encoder_units": 4,
    "num_encoder_layers": 1,
    "decoder_units": 8,
    "num_heads": 2,
    "dropout": 0.0,
}
NETWORKS = {
    f"{wiring}-{attention}": {"wiring": wiring, "attention": attention}
    for wiring in ("parallel", "classic")
    for attention in ("additive", "dot", "general", "multi_head")
} | {
    "untied": {"tie_embeddings": False},
    "normalised": {"layer_normalization": True, "num_encoder_layers": 2},
    "reset_before": {"reset_after": False},
}
SPEC = Batch(*[tf.TensorSpec([None, None], tf.int32)] * 3)


def make_model(**options):
    """Returns a network with random weights, biases too."""
    model = build_model(ModelConfig(**(SMALL | options)), V)
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape) * 0.3)
    return model


def random_batch(seed=1, num_rows=3, longest=6):
    rng = np.random.default_rng(seed)
    sides = [
        [
            [*rng.integers(4, V, length), 3]
            for length in rng.integers(1, longest, num_rows)
        ]
        for _ in range(2)
    ]
    return pad_batch(*sides)


def make_step(model, num_parts=1, **options):
    options = {"learning_rate": 0.01, "label_smoothing": 0.0} | options
    strategy = tf.distribute.get_strategy()
    return TrainStep(model, TrainingConfig(**options), strategy, num_parts)


# --- The step ------------------------------------------------------------------------


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
def test_every_weight_receives_a_gradient(options):
    """Catches: a dead layer, a stopped gradient, a state that nobody reads."""
    model = make_model(**options)
    with tf.GradientTape() as tape:
        loss = batch_loss(model, random_batch(), 0.1, training=True)
    variables = model.trainable_variables
    gradients = tape.gradient(loss.total, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.any(tf.convert_to_tensor(gradient) != 0), variable.path


@pytest.fixture(scope="module")
def traced():
    """The function of a step, after batches of many shapes."""
    model = make_model(dropout=0.1, recurrent_dropout=0.1)
    step = make_step(model, learning_rate=0.03, optimizer="muon")
    function = step.compile(SPEC)
    for num_rows, longest in [(3, 6), (1, 2), (4, 9), (2, 30)]:
        function(random_batch(num_rows, num_rows, longest))
    return function


def test_one_trace_for_many_lengths(traced):
    """Catches: a shape that is read in Python, a trace for each new length."""
    assert traced.experimental_get_tracing_count() == 1


def test_loss_falls_on_a_repeated_batch(traced):
    """Catches: a gradient of the wrong sign, a rate of zero, a lost update."""
    batch, losses = random_batch(), []
    for _ in range(100):  # dropout makes some of them no step forward
        total, num_tokens = traced(batch)
        losses.append(float(total / num_tokens))
    assert num_tokens == np.count_nonzero(batch.target_output_ids)
    assert losses[0] > 3 and max(losses[-3:]) < losses[0] / 2


@pytest.mark.parametrize("clip_norm", [1e-3, 1e3], ids=["clipped", "not_clipped"])
def test_the_update_is_the_clipped_mean_gradient(eagerly, monkeypatch, clip_norm):
    """Catches: clipping of the sum, a mean over rows or padding, no clipping."""
    monkeypatch.setattr(train_step, "make_optimizer", make_sgd)
    model, batch = make_model(), random_batch()
    with tf.GradientTape() as tape:
        loss = batch_loss(model, batch, 0.0, training=True)
    variables = [variable.value for variable in model.trainable_variables]
    gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss.total, variables)]
    gradients = [g / np.count_nonzero(batch.target_output_ids) for g in gradients]
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients))
    scale = 0.01 * min(1, clip_norm / norm)
    before = model.get_weights()
    make_step(model, clip_norm=clip_norm).compile(SPEC)(batch)
    for old, new, gradient in zip(before, model.get_weights(), gradients, strict=True):
        np.testing.assert_allclose(old - new, scale * gradient, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
def test_muon_moves_matrices_alike_in_all_directions(eagerly, options):
    """Catches: embeddings or a cell's two biases taken for matrices, a matrix that is
    not, steps of another length than Adam's.
    """
    model = make_model(**options)
    before = [weight.numpy() for weight in model.trainable_variables]
    make_step(model, optimizer="muon").compile(SPEC)(random_batch(num_rows=30))
    for weight, old in zip(model.trainable_variables, before, strict=True):
        move = (old - weight.numpy()) / 0.01
        if weight.path.endswith("kernel"):
            lengths = np.linalg.svd(move / 0.2 / max(move.shape) ** 0.5)[1]
            assert 0.6 < lengths[0] < 1.3, weight.path
            assert np.median(lengths) > 0.6, weight.path
        else:  # Adam's first step: one size for all that have more than a tiny gradient
            assert np.max(abs(move)) == pytest.approx(1, abs=0.05), weight.path


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("optimizer", get_args(Optimizer))
def test_weights_decay_where_the_optimizer_does_that(eagerly, optimizer, weight_decay):
    """Catches: an optimizer that cannot be made; decay where none is asked for."""
    model = make_model()
    kernel = model.encoder.gru_layers[0].forward_layer.cell.kernel
    sizes = []
    for decay in (0.0, weight_decay):
        for weight in model.trainable_variables:
            weight.assign(tf.ones_like(weight))
        options = {"optimizer": optimizer, "weight_decay": decay}
        make_step(model, **options).compile(SPEC)(random_batch())
        sizes.append(float(tf.norm(kernel.value)))
    shrinks = optimizer != "adam" and weight_decay > 0
    assert (sizes[1] < sizes[0] * 0.9995) == shrinks


def test_r_drop_sees_each_batch_twice_under_other_masks(eagerly):
    """Catches: the same mask for both passes (no divergence), halves that are other
    sentences (a large one without dropout), tokens counted twice.
    """
    batch, losses = random_batch(), {}
    for dropout in (0.0, 0.5):
        model = make_model(dropout=dropout)
        for r_drop in (0.0, 1.0, 1001.0):
            loss = batch_loss(model, batch, 0.1, r_drop, training=True)
            losses[dropout, r_drop] = float(loss.total)
            assert loss.num_tokens == np.count_nonzero(batch.target_output_ids)
    np.testing.assert_allclose(losses[0.0, 0.0], losses[0.0, 1001.0], rtol=1e-4)
    assert losses[0.5, 1001.0] > losses[0.5, 1.0] + 10


@pytest.mark.parametrize("num_parts", [2, 5], ids=["two", "more_than_rows"])
def test_parts_make_the_update_of_the_whole(eagerly, monkeypatch, num_parts):
    """Catches: a row lost or counted twice at a cut, a mean of the parts' means, a part
    without a row that stops the run.
    """
    monkeypatch.setattr(train_step, "make_optimizer", make_sgd)
    batch, results = random_batch(num_rows=3), []
    for parts in (1, num_parts):
        model = make_model()
        step = make_step(model, parts, label_smoothing=0.1, clip_norm=0.5)
        sums = step.compile(SPEC)(batch)
        results.append([*sums, *model.get_weights()])
    for whole, cut in zip(*results, strict=True):
        np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-6)


@pytest.fixture
def eagerly():
    """Runs functions without tracing them, which takes longer than a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("clip_norm", [1e-3, 1e3], ids=["clipped", "not_clipped"])
def test_a_scaled_loss_makes_the_same_update(eagerly, monkeypatch, clip_norm):
    """Catches: a norm that is compared with its scale; gradients that stay scaled."""
    monkeypatch.setattr(train_step, "make_optimizer", make_sgd)
    updates = []
    for mixed_precision in (
        "none",
        "float16",
    ):  # the scale alone: layers are in 32 bits
        model = make_model()
        before = model.get_weights()
        options = {"clip_norm": clip_norm, "mixed_precision": mixed_precision}
        make_step(model, **options).compile(SPEC)(random_batch())
        pairs = zip(before, model.get_weights(), strict=True)
        updates.append([old - new for old, new in pairs])
    for scaled, plain in zip(*updates, strict=True):
        np.testing.assert_allclose(scaled, plain, atol=1e-7, rtol=1e-4)


def test_an_overflow_changes_the_scale_alone():
    """Catches: weights that are no numbers after a step whose scale was too large."""
    model = make_model()
    step = make_step(model, mixed_precision="float16")
    step.optimizer.dynamic_scale.assign(3e38)
    before = model.get_weights()
    total, _ = step.compile(SPEC)(random_batch())
    assert np.isfinite(total)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert float(step.optimizer.dynamic_scale) == pytest.approx(1.5e38)


def make_sgd(config):
    return keras.optimizers.SGD(config.learning_rate, name="optimizer")


def nodes_of(function):
    """Returns every node of a function's graph: loops, branches and gradients too."""
    graph = function.get_concrete_function().graph.as_graph_def()
    bodies = [body.node_def for body in graph.library.function]
    return [node for nodes in (graph.node, *bodies) for node in nodes]


@cache
def gpu_kernels(operation):
    """TensorFlow's kernels for a GPU; one for the device `DEFAULT` serves them all."""
    return [
        kernel
        for kernel in kernels.get_registered_kernels_for_op(operation).kernel
        if kernel.device_type in ("GPU", "DEFAULT")
    ]


def has_gpu_kernel(node):
    """Whether one of the kernels takes the types of the node."""
    return any(
        all(
            node.attr[rule.name].type in rule.allowed_values.list.type
            for rule in kernel.constraint
        )
        for kernel in gpu_kernels(node.op)
    )


def is_message(node):
    """Whether it is the text of an assertion: only the host ever has strings."""
    return node.op == "Const" and node.attr["dtype"].type == tf.string.as_datatype_enum


def test_every_operation_has_a_gpu_kernel(traced):
    """Catches: an operation that sends the step back to the host each time, or fails,
    on a machine that this test does not run on.
    """
    devices = {kernel.device_type for kernel in gpu_kernels("MatMul")}
    if "GPU" not in devices:
        pytest.skip("this build of TensorFlow has no kernels for GPUs")
    nodes = nodes_of(traced)
    missing = [n for n in nodes if not has_gpu_kernel(n) and not is_message(n)]
    assert not Counter(node.op for node in missing)
    assert {"StatelessWhile", "TensorListSetItem", "MatMul"} <= {n.op for n in nodes}


def test_averages_follow_the_weights():
    """Catches: an average that is the weight itself; one step's decay for eight."""
    train_step = make_step(make_model(), averaging=0.9)
    variable, average = train_step.model.trainable_variables[0], train_step.averages[0]
    expected = variable.numpy()
    np.testing.assert_array_equal(average.numpy(), expected)
    # The decay of a step, min(0.9, (1 + step) / (10 + step)), is taken 8 times.
    for step, decay in [(8, 0.5), (800, 0.9)]:
        variable.assign(variable + 1)
        train_step.update_averages(step, 8)
        expected = decay**8 * expected + (1 - decay**8) * variable.numpy()
        np.testing.assert_allclose(average.numpy(), expected, rtol=1e-5)


def test_averages_stand_in_for_a_while():
    """Catches: averages that stay in the network, above all after an error."""
    train_step = make_step(make_model(), averaging=0.9)
    variable = train_step.model.trainable_variables[0]
    average = variable.numpy()
    variable.assign(variable + 1)
    with pytest.raises(KeyError), train_step.averaged():
        np.testing.assert_array_equal(variable.numpy(), average)
        raise KeyError
    np.testing.assert_array_equal(variable.numpy(), average + 1)


# --- Many devices --------------------------------------------------------------------

TWO_DEVICES = """
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from translator import train_step
from translator.batching import Batch, pad_batch
from translator.config import ModelConfig, TrainingConfig
from translator.model import build_model

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
make_optimizer = train_step.make_optimizer
spec = Batch(*[tf.TensorSpec([None, None], tf.int32)] * 3)
options, pairs = json.loads(sys.argv[1])
parts = [pairs[:2], pairs[2:3], pairs[3:]]  # three batches of other shapes


def run(strategy, batches):
    with strategy.scope():
        model = build_model(ModelConfig(**options), 40)
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape) * 0.3)
    config = TrainingConfig(clip_norm=0.5, label_smoothing=0.1, optimizer="muon")
    step = train_step.TrainStep(model, config, strategy)
    dataset = strategy.distribute_datasets_from_function(
        lambda context: tf.data.Dataset.from_generator(
            lambda: (pad_batch(*zip(*batch)) for batch in batches),
            output_signature=spec,
        )
    )
    function = step.compile(dataset.element_spec)
    results = [[float(part) for part in function(batch)] for batch in dataset]
    return results, np.concatenate([w.flatten() for w in model.get_weights()])


default = tf.distribute.get_strategy()
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
found = {}
# Muon's step is as long whatever the gradient's scale; that of SGD tells it.
make_sgd = lambda config: keras.optimizers.SGD(1.0, name="optimizer")
for name, make in {"sgd": make_sgd, "muon": make_optimizer}.items():
    train_step.make_optimizer = make
    one, weights = run(default, [parts[0] + parts[1], parts[2]])
    two, mirrored_weights = run(mirrored, parts)
    difference = float(np.abs(weights - mirrored_weights).max())
    found[name] = {"one": one, "two": two, "difference": difference}
print(json.dumps(found))
"""


def test_two_devices_make_the_update_of_one():
    """Catches: clipping before the sum, a mean of means, a replica left without a
    batch at the end of an epoch that stops the run.

    In its own process: devices are fixed at the start of one.
    """
    rng = np.random.default_rng(1)
    pairs = [
        [[*map(int, rng.integers(4, V, length)), 3] for length in lengths]
        for lengths in [(5, 3), (2, 4), (7, 6), (3, 3), (1, 5)]
    ]
    command = [sys.executable, "-c", TWO_DEVICES, json.dumps([SMALL, pairs])]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3_000:]
    for found in json.loads(result.stdout.splitlines()[-1]).values():
        assert found["one"][0][1] == 4 + 5 + 7 and found["one"][1][1] == 4 + 6
        np.testing.assert_allclose(found["two"], found["one"], rtol=1e-5)
        assert found["difference"] < 1e-5


# --- The loop ------------------------------------------------------------------------

# Each is longer than half of the 16 tokens of a batch, so each is a batch of its own.
PAIRS = [
    Pair(f"word {n}" + " of many" * 5, f"palabra {n}" + " de muchas" * 4)
    for n in range(15)
]


class ListedPairs(list):
    """Pairs with random access, without a file."""

    def take(self, indices):
        return [self[index] for index in indices]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train([text for pair in PAIRS for text in pair], 300)


@pytest.fixture
def make_trainer(tmp_path, tokenizer, monkeypatch):
    """Makes a trainer whose steps and scores are made up: `losses` and `scores`.

    An epoch has 15 batches.
    """
    monkeypatch.setattr(RunLog, "draw", lambda log: None)  # half a second each

    def make(losses=(), scores=(), **options):
        options = {"batch_tokens": 16, "epochs": 2, "patience": 0} | options
        config = make_config("tiny", options=SMALL | options)
        model = build_model(config.model, tokenizer.vocabulary_size)
        trainer = Trainer(
            config,
            tmp_path,
            Translator(model, tokenizer, config),
            SimpleNamespace(train=ListedPairs(PAIRS), dev=PAIRS[:3]),
            tf.distribute.get_strategy(),
            Console(file=io.StringIO()),
        )
        losses, scores = iter(losses), iter(scores)

        def validate():
            score = next(scores, 0.0)
            own = {"loss": -score, "training_loss": -score}
            return own | {"bleu": score, "chrf": score, "samples": []}

        trainer._step_function = lambda batch: (next(losses, 1.0), 2.0)
        trainer.validator = SimpleNamespace(scores=validate)
        trainer.train_step._update_averages = lambda decay: None
        return trainer

    return make


def steps_of(run_dir, kind):
    return [r["step"] for r in read_metrics(run_dir) if r["kind"] == kind]


def test_what_is_lost_when_a_machine_fails(make_trainer, tmp_path, monkeypatch):
    """Catches: an epoch of 46 minutes of which nothing was saved."""
    monkeypatch.setattr(training, "_SAVE_INTERVAL", 0)

    def losses():
        yield from [1.0] * 24
        raise RuntimeError("no power")

    trainer = make_trainer(losses(), validate_every=1000)
    with pytest.raises(RuntimeError):
        trainer.run()
    assert saved_progress(tmp_path)["step"] == 20
    assert saved_progress(tmp_path)["loss_total"] == 0


def test_a_run_without_a_state_says_so(make_trainer, tmp_path):
    """Catches: "train the model first", where its folder is in the way."""
    with pytest.raises(
        UserError, match="nothing was saved yet when .* Delete the fold"
    ):
        make_trainer().restore()


def test_a_run_that_was_stopped_early_ends_with_a_model(make_trainer, tmp_path):
    """Catches: a run without weights to translate with, that says it was finished."""
    trainer = make_trainer(max_minutes=1.0, epochs=0)
    trainer.progress.minutes = 2.0
    trainer.run()
    assert (tmp_path / BEST_NAME).exists() and saved_progress(tmp_path)["is_over"]


def test_a_signal_is_answered_at_once(make_trainer, capfd):
    """Catches: a validation of minutes without a word, and a second Ctrl-C."""
    with interruption(2):
        make_trainer().run()
    assert capfd.readouterr().err.count("Stopping after this step") == 1


def saved_progress(run_dir):
    return json.loads(str(load_arrays(run_dir / LAST_NAME)["progress.json"]))


def test_a_run_of_fifteen_batches_an_epoch(make_trainer, tmp_path):
    """Catches: an epoch that is cut short, a missing record or validation."""
    trainer = make_trainer()
    trainer.run()
    assert steps_of(tmp_path, "train") == [1, 20]
    assert steps_of(tmp_path, "validation") == [15, 30]
    progress = saved_progress(tmp_path)
    assert (progress["step"], progress["epoch"], progress["batch"]) == (30, 2, 0)
    assert progress["is_over"]


@pytest.mark.parametrize("every", [7, 10])
def test_validations_within_an_epoch(make_trainer, tmp_path, every):
    """Catches: a last validation that is left out, or made twice at one step."""
    make_trainer(validate_every=every).run()
    assert steps_of(tmp_path, "validation") == [*range(every, 30, every), 30]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("bad_step", [9, 14, 15])
def test_a_loss_that_is_no_number(make_trainer, tmp_path, bad, bad_step):
    """Catches: a checkpoint of NaN written over the last good one, wherever the step
    lies between records (1, 20) and validations (8, 16).
    """
    losses = [1.0] * 30
    losses[bad_step - 1] = bad
    trainer = make_trainer(losses, scores=[1, 2, 3], validate_every=8)
    with pytest.raises(UserError, match="not a number.*saved before is kept") as caught:
        trainer.run()
    assert "\n" not in str(caught.value)
    assert saved_progress(tmp_path)["step"] == 8
    assert steps_of(tmp_path, "validation") == [8]
    assert (tmp_path / BEST_NAME).exists()


def test_a_development_loss_that_is_no_number(make_trainer, tmp_path):
    """Catches: weights of NaN, of the very last update, saved as the best."""
    with pytest.raises(UserError, match="not a number"):
        make_trainer(scores=[1.0, float("nan")]).run()
    assert saved_progress(tmp_path)["step"] == 15


@pytest.mark.parametrize("select_by", ["bleu", "loss"])
def test_patience(make_trainer, tmp_path, select_by):
    """Catches: a lower loss taken for worse; a count that a gain does not reset."""
    scores = [1, 0, 3, 2, 1, 9]
    trainer = make_trainer(
        scores=scores, epochs=3, validate_every=5, patience=2, select_by=select_by
    )
    trainer.run()
    assert steps_of(tmp_path, "validation") == [5, 10, 15, 20, 25]
    assert saved_progress(tmp_path)["best"] == 3
    assert saved_progress(tmp_path)["is_over"]


def test_patience_with_a_loss_that_falls(make_trainer, tmp_path):
    """Catches: a small corpus, whose first epochs all have a BLEU of 0, given up."""
    losses = iter([5, 4, 3, 2, 2, 2, 1])
    trainer = make_trainer(epochs=3, validate_every=5, patience=2)
    trainer.validator = SimpleNamespace(
        scores=lambda: (
            {"loss": next(losses), "training_loss": 1, "samples": []}
            | {"bleu": 0.0, "chrf": 0.0}
        )
    )
    trainer.run()
    assert steps_of(tmp_path, "validation") == [5, 10, 15, 20, 25, 30]
    assert saved_progress(tmp_path)["lowest_loss"] == 2


def test_the_best_weights_are_kept(make_trainer, tmp_path):
    """Catches: `best.npz` of the last validation; weights saved for their averages."""
    trainer = make_trainer(scores=[1, 5, 2], epochs=3)
    weight, average = (
        trainer.model.trainable_variables[0],
        trainer.train_step.averages[0],
    )
    trainer.train_step.update_averages = lambda step, _: average.assign(
        tf.fill(weight.shape, float(step))
    )
    trainer.run()
    assert steps_of(tmp_path, "validation") == [15, 30, 45]
    assert np.all(load_arrays(tmp_path / BEST_NAME)[weight.path] == 30)
    assert np.all(load_arrays(tmp_path / LAST_NAME)[weight.path] < 2)


def test_averages_are_brought_up_to_date_before_a_validation(make_trainer, tmp_path):
    """Catches: a short run whose best weights are the random ones it began with; a run
    that goes on, by an older version, and averages nothing but its last weights."""
    trainer = make_trainer(epochs=3, validate_every=5)
    updates = []
    trainer.train_step.update_averages = lambda *steps: updates.append(steps)
    with interruption(step=29):
        trainer.run()
    assert updates == [
        *((5, 5), (8, 3), (10, 2), (15, 5), (16, 1), (20, 4), (24, 4), (25, 1))
    ]
    arrays = load_arrays(tmp_path / LAST_NAME)
    old = json.loads(str(arrays["progress.json"]))
    assert old.pop("averaged") == 25
    save_arrays(tmp_path / LAST_NAME, arrays | {"progress.json": json.dumps(old)})
    trainer = make_trainer(epochs=3, validate_every=5)
    trainer.restore()
    trainer.train_step.update_averages = lambda *steps: updates.append(steps)
    trainer.run()
    assert updates[8:10] == [(30, 1), (32, 2)]


def test_where_bleu_is_zero_the_loss_decides(make_trainer, tmp_path):
    """Catches: the first weights taken for the best as long as BLEU stays at 0; a worse
    loss at an equal score."""
    losses = iter([5, 4, 6, 3, 3.5, 7])
    trainer = make_trainer(epochs=2, validate_every=5)
    trainer.validator = SimpleNamespace(
        scores=lambda: (
            {"loss": next(losses), "training_loss": 1, "samples": []}
            | {"bleu": 0.0, "chrf": 0.0}
        )
    )
    trainer.run()
    shown = " ".join(trainer.console.file.getvalue().split())
    best = re.findall(r"step (\d+), [^>]*?(\(best so far\))?(?= step|$)", shown)
    assert [int(step) for step, is_best in best if is_best] == [5, 10, 20]


def test_the_speed_is_that_of_the_steps(make_trainer, tmp_path, monkeypatch):
    """Catches: the time of a validation counted as that of the steps around it."""
    now = 0.0
    monkeypatch.setattr(training.time, "perf_counter", lambda: now)
    trainer = make_trainer(validate_every=10)
    scores, run_step = trainer.validator.scores, trainer._step_function

    def slow(seconds, function):
        def run(*arguments):
            nonlocal now
            now += seconds
            return function(*arguments)

        return run

    trainer._step_function = slow(1.0, run_step)
    trainer.validator = SimpleNamespace(scores=slow(1_000.0, scores))
    trainer.run()
    records = [r for r in read_metrics(tmp_path) if r["kind"] == "train"]
    assert [r["step"] for r in records] == [1, 20]
    assert [r["tokens_per_second"] for r in records] == [2.0, 2.0]


def test_a_limit_of_minutes(make_trainer, tmp_path, monkeypatch):
    """Catches: a limit that waits for the end of an epoch, or skips the scores."""
    trainer = make_trainer(max_minutes=5, epochs=1_000)

    def learning_rate(config, step, progress):
        trainer._started -= 60  # each step takes a minute
        return 0.1

    monkeypatch.setattr(training, "learning_rate", learning_rate)
    trainer.run()
    assert steps_of(tmp_path, "validation") == [5]
    assert saved_progress(tmp_path)["step"] == 5
    assert saved_progress(tmp_path)["is_over"]


def test_the_rate_falls_with_the_time_that_is_left(make_trainer):
    """Catches: a cosine that has barely begun when the time is over."""
    trainer = make_trainer(max_minutes=10, epochs=100)
    trainer.progress.minutes = 7.5
    assert trainer._done(epochs_done=2) == 0.75
    assert trainer._done(epochs_done=90) == 0.9
    trainer.progress.minutes = 99
    assert trainer._done(epochs_done=2) == 1


def test_minutes_alone_are_a_limit(make_trainer, tmp_path, monkeypatch):
    """Catches: a division by the number of epochs, a run that ends at once."""
    trainer = make_trainer(max_minutes=40, epochs=0)
    rates = []

    def learning_rate(config, step, progress):
        trainer._started -= 60  # each step takes a minute
        rates.append(progress)
        return 0.1

    monkeypatch.setattr(training, "learning_rate", learning_rate)
    trainer.run()
    assert steps_of(tmp_path, "validation") == [15, 30, 40]
    np.testing.assert_allclose(rates, np.arange(40) / 40, atol=0.01)


@pytest.mark.parametrize(
    ("num_pairs", "epochs"), [(1, 100), (29_000, 69), (100_000, 20), (10**7, 5)]
)
def test_epochs_for_corpora_of_all_sizes(num_pairs, epochs):
    """Catches: a small corpus that is hardly read, a large one that takes weeks."""
    assert preparation._choose_epochs(num_pairs) == epochs


@contextmanager
def interruption(step, number=signal.SIGTERM):
    """Sends this process a signal when a step's learning rate is asked for."""
    rate_of = training.learning_rate

    def learning_rate(config, current, progress):
        if current == step:
            os.kill(os.getpid(), number)
        return rate_of(config, current, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "learning_rate", learning_rate)
        yield


def test_records_are_of_all_steps_since_the_last(make_trainer, tmp_path):
    """Catches: losses that are lost when a run stops between two records."""
    losses = [float(n) for n in range(1, 31)]
    with interruption(step=11):
        make_trainer(losses).run()
    assert saved_progress(tmp_path)["step"] == 11
    trainer = make_trainer(losses[11:])
    trainer.restore()
    trainer.run()
    records = [r for r in read_metrics(tmp_path) if r["kind"] == "train"]
    # The losses of two tokens a step: 1 at step 1, then the mean of 2 to 20.
    assert [(r["step"], r["loss"]) for r in records] == [(1, 0.5), (20, 11 / 2)]


@pytest.mark.parametrize("step", [15, 16, 30], ids=["last", "first", "end"])
def test_a_signal_loses_no_validation(make_trainer, tmp_path, step):
    """Catches: the validation of an epoch that a signal meets at its last batch."""
    with interruption(step):
        make_trainer().run()
    assert saved_progress(tmp_path)["step"] == step
    trainer = make_trainer()
    trainer.restore()
    trainer.run()
    assert steps_of(tmp_path, "validation") == [15, 30]
    assert saved_progress(tmp_path)["step"] == 30


def test_a_signal_between_two_epochs(make_trainer, tmp_path):
    """Catches: an epoch that counts as done though its validation was left out."""
    trainer = make_trainer()
    batches = trainer._dataset

    def batches_then_signal(epoch):
        yield from batches(epoch)
        os.kill(os.getpid(), signal.SIGTERM)

    trainer._dataset = batches_then_signal
    trainer.run()
    trainer = make_trainer()
    trainer.restore()
    trainer.run()
    assert steps_of(tmp_path, "validation") == [15, 30]


def test_stop_request():
    """Catches: a second Ctrl-C that is swallowed; handlers that stay behind."""
    before = signal.getsignal(signal.SIGINT)
    stop = StopRequest()
    with stop.listening():
        assert stop.signal is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_validator_scores(tokenizer):
    """Catches: a mean of batches' means; references and hypotheses exchanged."""
    model = build_model(ModelConfig(**SMALL), tokenizer.vocabulary_size)
    pairs = [Pair(p.source * (1 + n % 3), p.target) for n, p in enumerate(PAIRS[:6])]

    class Parrot:
        """Gives every target but for its last words."""

        target_language = "es"

        def __init__(self):
            self.model, self.tokenizer = model, tokenizer

        def translate_sentences(self, sentences, search):
            assert search.beam_size == 1
            texts = {p.source: p.target.removesuffix(" de muchas") for p in pairs}
            return [
                SimpleNamespace(hypotheses=[SimpleNamespace(text=texts[sentence])])
                for sentence in sentences
            ]

    scores = Validator(Parrot(), pairs, PAIRS[6:9], batch_tokens=60).scores()
    for name, own in ("loss", pairs), ("training_loss", PAIRS[6:9]):
        sides = [tokenizer.encode_batch(side) for side in zip(*own, strict=True)]
        loss = batch_loss(model, pad_batch(*sides), 0.0, training=False)
        mean = float(loss.total / loss.num_tokens)
        assert scores[name] == pytest.approx(mean, 1e-5)
    # All eight words are right, of ten: BLEU is its brevity penalty alone.
    assert scores["bleu"] == pytest.approx(100 * math.exp(1 - 10 / 8))
    assert 70 < scores["chrf"] < 100
    assert scores["samples"][0] == {
        "source": pairs[0].source,
        "reference": "palabra 0 de muchas de muchas de muchas de muchas",
        "hypothesis": "palabra 0 de muchas de muchas de muchas",
    }
    assert len(scores["samples"]) == 3


@pytest.mark.parametrize("language", ["es", "ja"])
def test_a_language_without_spaces_has_bleu(tokenizer, language):
    """Catches: a BLEU of 0 until a sentence is right as a whole."""
    model = build_model(ModelConfig(**SMALL), tokenizer.vocabulary_size)
    pairs = [Pair("The sea is wide.", "海はとても広いです。")]
    found = [SimpleNamespace(hypotheses=[SimpleNamespace(text="海はとても青いです。")])]
    translator = SimpleNamespace(
        model=model,
        tokenizer=tokenizer,
        target_language=language,
        translate_sentences=lambda sentences, search: found,
    )
    scores = Validator(translator, pairs, pairs, batch_tokens=60).scores()
    assert (scores["bleu"] > 50) == (language == "ja")


# --- The whole -----------------------------------------------------------------------


def number_options(**options):
    """A run of seconds: 2 epochs of some 30 batches, everything random turned on."""
    return make_config(
        "tiny",
        options=SMALL
        | {
            "corpus": ("numbers-en-es",),
            "num_generated_pairs": 300,
            "vocabulary_size": 330,
            "dropout": 0.2,
            "recurrent_dropout": 0.1,
            "subword_sampling": 0.5,
            "placeholders": 0.5,
            "batch_tokens": 400,
            "epochs": 2,
            "validation_pairs": 4,
        }
        | options,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "numbers"
    train(number_options(), run_dir)
    return run_dir


def test_a_run_folder_is_complete(finished):
    """Catches: a file that is forgotten, options that are not the resolved ones."""
    for name in (BEST_NAME, TOKENIZER_NAME, "curves.png", CARD_NAME):
        assert (finished / name).stat().st_size > 0
    assert list((finished / "tensorboard").iterdir())
    config, facts = load_run_config(finished)
    assert config.model == number_options().model
    assert (config.data.source_language, config.data.target_language) == ("en", "es")
    assert (
        facts["tokenizer_sha256"] == Tokenizer.load(finished / TOKENIZER_NAME).checksum
    )
    assert facts["corpus_info"]["name"] == "numbers-en-es"
    validation = [r for r in read_metrics(finished) if r["kind"] == "validation"][-1]
    expected = {"step", "epoch", "loss", "training_loss", "bleu", "chrf", "minutes"}
    assert expected < validation.keys()
    assert len(validation["samples"]) == 3


def test_a_run_folder_translates(finished):
    """Catches: weights that were saved under other names than they are loaded by."""
    translator = Translator.load(finished)
    [translation] = translator.translate(["twenty-one"], SearchConfig(beam_size=2))
    assert translation.sentences[0].hypotheses[0].tokens
    assert translator.tokenizer.placeholders == PLACEHOLDERS
    assert "January" in translator.capital_rule.known_words
    assert translator.max_sentence_characters == 200


def test_long_sentences_are_translated_as_they_were_learned(tmp_path, monkeypatch):
    """Catches: sentences cut in use that training saw whole; a limit that a few long
    ones set, that of the targets, or one that a model forgets when it goes on."""
    monkeypatch.setattr(Trainer, "run", lambda trainer: None)
    monkeypatch.setattr(training, "write_card", lambda run_dir: None)
    path = tmp_path / "law.en-es.tsv"
    lines = []
    for number in range(300):
        length = 380 if number < 2 else 250
        lines.append(f"{number:0{length}d}\t{number:0390d}\n")
    path.write_text("".join(lines), "utf-8")
    options = {"corpus": (str(path),), "vocabulary_size": 300} | ONLY_LOOKING
    train(make_config("tiny", options=options), tmp_path / "law")
    _, facts = load_run_config(tmp_path / "law")
    assert facts["max_sentence_characters"] == 250


def without_times(record):
    return {
        name: value
        for name, value in record.items()
        if name not in ("minutes", "tokens_per_second")
    }


def test_an_interrupted_run_equals_one_that_was_not(finished, tmp_path):
    """Catches: dropout seeds, moments, averages, data position or subword samples
    that are not taken up where they were; bit by bit.
    """
    config, run_dir = number_options(), tmp_path / "numbers"
    num_steps = read_metrics(finished)[-1]["step"]
    stop_at = num_steps * 2 // 3  # within the second epoch
    with interruption(stop_at):
        train(config, run_dir)
    assert saved_progress(run_dir)["step"] == stop_at
    train(config, run_dir, resume=True)
    for name in (BEST_NAME, LAST_NAME):
        expected, found = (load_arrays(folder / name) for folder in (finished, run_dir))
        assert found.keys() == expected.keys()
        expected.pop("progress.json", None)
        for key, array in expected.items():
            np.testing.assert_array_equal(found[key], array, err_msg=key)
    assert list(map(without_times, read_metrics(run_dir))) == list(
        map(without_times, read_metrics(finished))
    )


def test_what_is_left_to_the_program_is_in_the_options(tmp_path, monkeypatch):
    """Catches: a run folder that would be trained otherwise on another processor, or
    when it goes on.
    """
    monkeypatch.setattr(Trainer, "run", lambda trainer: None)
    monkeypatch.setattr(training, "write_card", lambda run_dir: None)
    options = number_options(epochs=0, mixed_precision="auto")
    train(options, tmp_path / "a")
    found = load_run_config(tmp_path / "a")[0].training
    assert found.epochs == 100
    assert found.mixed_precision == choose_precision("auto") in ("none", "bfloat16")
    assert keras.config.dtype_policy().compute_dtype == "float32"


# A run that leaves the weights as they are.
ONLY_LOOKING = {
    "learning_rate": 1e-12,
    "averaging": 0.0,
    "batch_tokens": 400,
    "epochs": 1,
    "validation_pairs": 4,
}


def test_a_run_starts_from_another(finished, tmp_path, capsys):
    """Catches: random weights or another vocabulary; a run that cannot go on when the
    other one is gone; names or credits of the first corpus that are lost; sentences of
    its training that are tests now, without a word."""
    start, run_dir = tmp_path / "start", tmp_path / "adapted"
    shutil.copytree(finished, start)
    path = tmp_path / "others.en-es.tsv"
    pairs = islice(generate_pairs(("en", "es"), seed=9), 300)
    others = [f"{pair.source}\t{pair.target}\n" for pair in pairs]
    known = (finished / "data" / "train.tsv").read_text("utf-8")
    path.write_text("".join(others) + known, "utf-8")
    options = {"start_from": str(start), "corpus": (str(path),)} | ONLY_LOOKING
    with interruption(2):
        train(make_config(options=options), run_dir)
    told = " ".join(capsys.readouterr().err.split())
    trained_before = load_run_config(run_dir)[1]["trained_before"]
    counts = ", ".join(f"{n} of {name}" for name, n in trained_before.items())
    assert f"was trained on held-out sentences ({counts}): scores will be" in told
    shutil.rmtree(start)
    config, _ = load_run_config(run_dir)
    assert config.model == number_options().model
    train(config, run_dir, resume=True)
    assert load_run_config(run_dir)[1]["trained_before"] == trained_before
    expected, found = (
        load_arrays(folder / BEST_NAME) for folder in (finished, run_dir)
    )
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=1e-6)
    _, facts = load_run_config(run_dir)
    _, facts_before = load_run_config(finished)
    assert facts["tokenizer_sha256"] == facts_before["tokenizer_sha256"]
    assert facts["origins"] == [facts_before["corpus_info"]]
    rule, before = (
        CapitalRule.from_json(f["capital_rule"]) for f in (facts, facts_before)
    )
    assert before.known_words <= rule.known_words
    assert rule[1:] == before[1:]
    assert "Before, on `numbers-en-es`." in (run_dir / CARD_NAME).read_text("utf-8")
    lines = (run_dir / HISTORY_NAME).read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == read_metrics(finished)
    assert "A dotted line of" in (run_dir / CARD_NAME).read_text("utf-8")


def test_a_run_starts_from_other_languages(finished, tmp_path, capsys):
    """Catches: French with the subwords of Spanish, or from random weights; a run that
    makes its subwords anew when it goes on; names by the rule of other languages."""
    start, run_dir = tmp_path / "start", tmp_path / "adapted"
    shutil.copytree(finished, start)
    config, facts_before = load_run_config(start)
    rule = {"known_words": ["Queen"], "inner": True, "first": True, "folds": True}
    others = {"capital_rule": rule, "max_sentence_characters": 300}
    save_config(config, start / "config.json", **facts_before | others)
    options = {
        "start_from": str(start),
        "corpus": ("numbers-en-fr",),
        "num_generated_pairs": 300,
        **ONLY_LOOKING,
    }
    with interruption(2):
        train(make_config(options=options), run_dir)
    told = " ".join(capsys.readouterr().err.split())
    assert "translates other languages: new subwords" in told
    tokenizer = Tokenizer.load(run_dir / TOKENIZER_NAME)
    shutil.rmtree(start)
    config, _ = load_run_config(run_dir)
    train(config, run_dir, resume=True)
    assert Tokenizer.load(run_dir / TOKENIZER_NAME).checksum == tokenizer.checksum
    known = Tokenizer.load(finished / TOKENIZER_NAME)
    assert set(tokenizer.vocabulary) != set(known.vocabulary)
    expected, found = (
        load_arrays(folder / BEST_NAME) for folder in (finished, run_dir)
    )
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        if "target_embedding" in name:
            array = array[known.ids(["e"])]
            found[name] = found[name][tokenizer.ids(["e"])]
        np.testing.assert_allclose(found[name], array, atol=1e-6, err_msg=name)
    _, facts = load_run_config(run_dir)
    assert "Queen" not in facts["capital_rule"]["known_words"]
    assert not (run_dir / HISTORY_NAME).exists()
    assert facts["max_sentence_characters"] == 200
    assert facts["origins"] == [facts_before["corpus_info"]]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"epochs": 17}, "17 epochs"),
        ({"epochs": 0, "max_minutes": 90}, "90 minutes"),
        ({"epochs": 3, "max_minutes": 1.5}, "3 epochs or 1.5 minutes"),
    ],
)
def test_how_long_a_run_may_take(options, told):
    assert preparation._length_of(TrainingConfig(**options)) == told


def test_a_finished_run_says_so(finished, tmp_path, capsys):
    """Catches: "Done" after nothing, and no word on how to go on."""
    shutil.copytree(finished, tmp_path / "run")
    config, _ = load_run_config(finished)
    train(config, tmp_path / "run", resume=True)
    told = " ".join(capsys.readouterr().err.split())
    assert "was finished before: " in told and "give more --epochs" in told


def test_what_a_run_says_of_its_corpus(tmp_path):
    """Catches: two thirds of the pairs dropped in silence; scores of a few pairs taken
    for certain; a corpus that changed while the run was stopped."""
    path = tmp_path / "[b]pairs.en-es.tsv"
    lines = [f"my word {n // 2}\tmi palabra {n // 2}\n" for n in range(400)]
    path.write_text("".join(lines), "utf-8")
    console = Console(file=io.StringIO(), width=200)
    options = {"corpus": (str(path),)}
    config = make_config("tiny", options=options)
    _, corpus = preparation._prepare(config, tmp_path / "run", console)
    first, dropped, uncertain = console.file.getvalue().splitlines()
    assert first.startswith("[b]pairs.en-es.tsv: ")
    assert dropped.startswith("Of 400 pairs 200 were dropped: 200 duplicate")
    assert f"Scores on {len(corpus.dev)} development pairs are uncertain" in uncertain
    asked = config, tmp_path / "run", corpus.info, console
    assert preparation._find_kept(*asked) is None
    path.write_text("".join(lines[:-1]), "utf-8")
    with pytest.raises(UserError, match="has changed since the training began"):
        preparation._find_kept(*asked)
    dev = tmp_path / "dev.tsv"
    dev.write_text("".join(lines), "utf-8")
    config = make_config("tiny", options=options | {"dev_corpus": (str(dev),)})
    info = preparation.find_origin(config.data).info
    dev.write_text("".join(lines[:-1]), "utf-8")
    with pytest.raises(UserError, match="dev.tsv has changed since"):
        preparation._find_kept(config, tmp_path / "run", info, console)


def test_a_run_goes_on_when_its_corpus_is_gone(tmp_path):
    """Catches: a folder with all the pairs that is of no use without the file; half of
    them taken for all."""
    path = tmp_path / "mine.en-es.tsv"
    lines = (f"my word {n}\tmi palabra {n}\n" for n in range(400))
    path.write_text("".join(lines), "utf-8")
    run_dir = tmp_path / "run"
    options = {"corpus": (str(path),), "vocabulary_size": 300} | ONLY_LOOKING
    with interruption(2):
        train(make_config("tiny", options=options), run_dir)
    path.unlink()
    train(load_run_config(run_dir)[0], run_dir, resume=True)
    assert [r for r in read_metrics(run_dir) if r["kind"] == "validation"]
    pairs = run_dir / "data" / "train.tsv"
    pairs.write_bytes(pairs.read_bytes()[:-9])
    with pytest.raises(UserError, match="no corpus and no file"):
        train(load_run_config(run_dir)[0], run_dir, resume=True)


def test_a_trained_model_is_not_overwritten(finished, tmp_path):
    """Catches: a second training into the folder of the first, without a word."""
    shutil.copytree(finished, tmp_path / "run")
    with pytest.raises(UserError, match="is there already"):
        train(number_options(), str(tmp_path / "run"))
    assert saved_progress(tmp_path / "run") == saved_progress(finished)


def test_a_run_goes_on_with_its_own_options(finished, tmp_path):
    """Catches: another learning rate, or another network, in the middle of a run."""
    shutil.copytree(finished, tmp_path / "run")
    other = number_options(learning_rate=0.5)
    with pytest.raises(UserError, match="keeps its options: learning_rate"):
        train(other, tmp_path / "run", resume=True)
    assert saved_progress(tmp_path / "run") == saved_progress(finished)


def test_a_run_that_did_not_begin_leaves_nothing(tmp_path):
    """Catches: a folder that can be neither trained into again nor resumed."""
    path = tmp_path / "few.en-es.tsv"
    path.write_text("one\tuno\n", "utf-8")
    with pytest.raises(UserError, match="too few pairs"):
        train(make_config(options={"corpus": (str(path),)}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_signals_are_left_alone_in_other_threads():
    """Catches: no training in a thread, as programs with a window start it."""
    found = []

    def listen():
        with training.StopRequest().listening():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert found == [before]


def test_nothing_to_resume(tmp_path):
    with pytest.raises(UserError) as caught:
        train(number_options(), tmp_path / "numbers", resume=True)
    assert "\n" not in str(caught.value)


TRAIN = """
import sys
from pathlib import Path
from translator.config import make_config
from translator.training import train

if __name__ == "__main__":
    train(make_config("tiny", options=eval(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_killed_process_saves_and_exits(tmp_path):
    """Catches: a signal that waits for the end of an epoch, an exit with an error."""
    options = {
        "corpus": ("numbers-en-es",),
        "epochs": 1_000,
        "num_generated_pairs": 200,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, repr(options), str(tmp_path / "run")],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: read_metrics(tmp_path / "run"))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Stopped by SIGTERM after step" in errors
    assert saved_progress(tmp_path / "run")["step"] >= 1


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_numbers_are_learned(tmp_path):
    """Catches: anything. The command of the README, from its corpus to its scores."""
    started = time.monotonic()
    config = make_config("tiny", options={"corpus": ("numbers-en-es",)})
    train(config, tmp_path / "run")
    pairs = load_sets(config.data).tests["test"]
    translations = Translator.load(tmp_path / "run").translate_sentences(
        [pair.source for pair in pairs]
    )
    num_exact = sum(
        translation.hypotheses[0].text == pair.target
        for translation, pair in zip(translations, pairs, strict=True)
    )
    seconds = time.monotonic() - started
    print(f"{num_exact} of {len(pairs)} exact in {seconds:.0f} seconds")
    assert num_exact >= 0.95 * len(pairs) and len(pairs) > 1_000
