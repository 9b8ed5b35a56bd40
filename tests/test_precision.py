"""Mixed precision: the scale of the loss, and what layers do in 16 bits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from translator.batching import pad_batch
from translator.config import ModelConfig
from translator.model import build_model
from translator.precision import (
    apply_clipped,
    scale_loss,
    set_precision,
    with_loss_scale,
)
from translator.training import batch_loss

V = 40
SMALL = {
    "embedding_dim": 16,
    "encoder_units": 8,
    "decoder_units": 16,
    "num_heads": 2,
    "dropout": 0.1,
    "recurrent_dropout": 0.1,
}
NETWORKS = {
    "parallel": {},
    "classic": {"wiring": "classic", "attention": "additive"},
    "dot": {"attention": "dot"},
    "general": {"attention": "general"},
    "normalised": {"layer_normalization": True},
    "reset_before": {"reset_after": False, "tie_embeddings": False},
}


@pytest.fixture(autouse=True)
def full_precision_after():
    yield
    set_precision("none")


# --- The scale -----------------------------------------------------------------------


@pytest.fixture
def weight():
    return keras.Variable([1.0, -2.0], name="weight")


def make(weight, mixed_precision="float16", momentum=0.9):
    """Returns a built optimizer whose updates are easy to follow."""
    optimizer = keras.optimizers.SGD(0.5, momentum=momentum, name="optimizer")
    optimizer = with_loss_scale(optimizer, mixed_precision)
    optimizer.build([weight])
    return optimizer


def update(optimizer, weight, slope, clip_norm=1.0):
    """Takes one step for the loss `slope * weight`."""

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            scaled = scale_loss(optimizer, tf.reduce_sum(slope * weight.value))
        apply_clipped(optimizer, tape.gradient(scaled, [weight.value]), clip_norm)
        return scaled

    return float(step())


@pytest.mark.parametrize("mixed_precision", ["none", "bfloat16", "float16"])
def test_the_scale_leaves_the_update_as_it_is(weight, mixed_precision):
    """Catches: gradients that stay scaled, or are clipped with their scale."""
    optimizer = make(weight, mixed_precision)
    update(optimizer, weight, [0.3, 0.4], clip_norm=1.0)  # of norm 0.5
    np.testing.assert_allclose(weight, [0.85, -2.2], rtol=1e-6)
    optimizer = make(weight, mixed_precision)
    update(optimizer, weight, [3.0, 4.0], clip_norm=1.0)  # of norm 5
    np.testing.assert_allclose(weight, [0.55, -2.6], rtol=1e-6)


def test_float16_alone_is_scaled(weight):
    """Catches: a scale that is never used, or used where it costs and does nothing."""
    loss = 3.0 - 8.0
    scaled = update(make(weight), weight, [3.0, 4.0])
    assert scaled / loss >= 2**8
    weight.assign([1.0, -2.0])
    for mixed_precision in ("none", "bfloat16"):
        optimizer = make(weight, mixed_precision)
        assert not isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


@pytest.mark.parametrize("slope", [np.inf, np.nan])
def test_gradients_that_are_not_finite_change_the_scale_alone(weight, slope):
    """Catches: weights, momentum or step counter that move; a scale that stays."""
    optimizer = make(weight)
    update(optimizer, weight, [0.3, 0.4])
    scale = float(optimizer.dynamic_scale)
    inner = [v.numpy() for v in (weight, *optimizer.inner_optimizer.variables)]
    update(optimizer, weight, [slope, 0.1])
    after = [v.numpy() for v in (weight, *optimizer.inner_optimizer.variables)]
    for old, new in zip(inner, after, strict=True):
        np.testing.assert_array_equal(old, new)
    assert float(optimizer.dynamic_scale) == scale / 2


def test_the_state_of_the_scale_is_saved_with_the_rest(weight):
    """Catches: a resumed run that begins with another scale."""
    optimizer = make(weight)
    names = [variable.name for variable in optimizer.variables]
    assert {"dynamic_scale", "step_counter", "iteration"} <= set(names)


# --- The network ---------------------------------------------------------------------


def loss_and_gradients(mixed_precision, options):
    set_precision(mixed_precision)
    model = build_model(ModelConfig(**(SMALL | options)), V)
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) * 0.2)
    sides = [
        [[*rng.integers(4, V, length), 3] for length in (5, 1, 3, 7)] for _ in range(2)
    ]
    batch = pad_batch(*sides)

    @tf.function
    def run(training):
        with tf.GradientTape() as tape:
            loss = batch_loss(model, batch, 0.1, training)
        variables = [variable.value for variable in model.trainable_variables]
        gradients = tape.gradient(loss.total, variables)
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

    loss, gradients = run(False)
    dropped_loss, dropped_gradients = run(True)
    assert all(np.all(np.isfinite(g)) for g in dropped_gradients)
    assert all(variable.dtype == "float32" for variable in model.trainable_variables)
    assert all(gradient.dtype == tf.float32 for gradient in gradients)
    assert loss.total.dtype == dropped_loss.total.dtype == tf.float32
    return model, float(loss.total / loss.num_tokens), gradients


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("mixed_precision", ["bfloat16", "float16"])
def test_near_the_loss_and_gradient_of_32_bits(mixed_precision, options):
    """Catches: a loop, a mask or a state of one type where the other is needed; a mask
    that is no number in 16 bits; a layer that quietly computes in 32.
    """
    _, expected, expected_gradients = loss_and_gradients("none", options)
    model, loss, gradients = loss_and_gradients(mixed_precision, options)
    tolerance = 1e-2 if mixed_precision == "bfloat16" else 2e-3
    assert loss == pytest.approx(expected, rel=tolerance)
    assert loss != expected
    found, wanted = (
        np.concatenate([np.ravel(part) for part in parts])
        for parts in (gradients, expected_gradients)
    )
    cosine = found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted)
    assert cosine > 0.999
    ids = tf.constant([[5, 6, 3], [7, 3, 0]])
    memory, state = model.encode(ids, ids != 0)
    parts = [memory.keys, memory.values, *state]
    step = model.step(memory)(tf.constant([2, 2]), state)
    parts += tf.nest.flatten(step.state)
    assert {part.dtype.name for part in parts} == {mixed_precision}
    assert memory.mask.dtype == tf.bool and step.logits.dtype == tf.float32
