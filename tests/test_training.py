"""Training: the step, the loop, and going on as if nothing had happened."""

import io
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from tensorflow.python.framework import kernels

from translator import training
from translator.batching import Batch, pad_batch
from translator.cards import CARD_NAME
from translator.checkpoints import (
    BEST_NAME,
    CONFIG_NAME,
    LAST_NAME,
    TOKENIZER_NAME,
    load_arrays,
    load_run_config,
    load_state,
)
from translator.config import ModelConfig, SearchConfig, TrainingConfig, make_config
from translator.corpus.pairs import Pair
from translator.errors import UserError
from translator.inference import Translator
from translator.model import build_model
from translator.reporting import read_metrics
from translator.tokenizer import Tokenizer
from translator.training import (
    Progress,
    StopRequest,
    Trainer,
    TrainStep,
    Validator,
    batch_loss,
    train,
)

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


def make_step(model, **options):
    options = {"learning_rate": 0.01, "label_smoothing": 0.0} | options
    return TrainStep(model, TrainingConfig(**options), tf.distribute.get_strategy())


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
    function = make_step(model, learning_rate=0.03).compile(SPEC)
    for num_rows, longest in [(3, 6), (1, 2), (4, 9), (2, 30)]:
        function(random_batch(num_rows, num_rows, longest))
    return function


def test_one_trace_for_many_lengths(traced):
    """Catches: a shape that is read in Python, a trace for each new length."""
    assert traced.experimental_get_tracing_count() == 1


def test_loss_falls_on_a_repeated_batch(traced):
    """Catches: a gradient of the wrong sign, a rate of zero, a lost update."""
    batch, losses = random_batch(), []
    for _ in range(40):
        total, num_tokens = traced(batch)
        losses.append(float(total / num_tokens))
    assert num_tokens == np.count_nonzero(batch.target_output_ids)
    assert losses[0] > 3 and max(losses[-3:]) < losses[0] / 2


@pytest.mark.parametrize("clip_norm", [1e-3, 1e3], ids=["clipped", "not_clipped"])
def test_the_update_is_the_clipped_mean_gradient(eagerly, monkeypatch, clip_norm):
    """Catches: clipping of the sum, a mean over rows or padding, no clipping."""
    monkeypatch.setattr(training, "_make_optimizer", make_sgd)
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


@pytest.fixture
def eagerly():
    """Runs functions without tracing them, which takes longer than a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def make_sgd(config):
    return training.keras.optimizers.SGD(config.learning_rate, name="optimizer")


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
        train_step.update_averages(step)
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

from translator import training
from translator.batching import Batch, pad_batch
from translator.config import ModelConfig, TrainingConfig
from translator.model import build_model

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
training._make_optimizer = lambda config: keras.optimizers.SGD(1.0, name="optimizer")
spec = Batch(*[tf.TensorSpec([None, None], tf.int32)] * 3)
options, pairs = json.loads(sys.argv[1])
parts = [pairs[:2], pairs[2:3], pairs[3:]]  # three batches of other shapes


def run(strategy, batches):
    with strategy.scope():
        model = build_model(ModelConfig(**options), 40)
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape) * 0.3)
    config = TrainingConfig(clip_norm=0.5, label_smoothing=0.1)
    step = training.TrainStep(model, config, strategy)
    dataset = strategy.distribute_datasets_from_function(
        lambda context: tf.data.Dataset.from_generator(
            lambda: (pad_batch(*zip(*batch)) for batch in batches),
            output_signature=spec,
        )
    )
    function = step.compile(dataset.element_spec)
    results = [[float(part) for part in function(batch)] for batch in dataset]
    return results, np.concatenate([w.flatten() for w in model.get_weights()])


one, weights = run(tf.distribute.get_strategy(), [parts[0] + parts[1], parts[2]])
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
two, mirrored_weights = run(mirrored, parts)
difference = float(np.abs(weights - mirrored_weights).max())
print(json.dumps({"one": one, "two": two, "difference": difference}))
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
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["one"][0][1] == 4 + 5 + 7 and found["one"][1][1] == 4 + 6
    np.testing.assert_allclose(found["two"], found["one"], rtol=1e-5)
    assert found["difference"] < 1e-5
