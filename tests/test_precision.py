"""Mixed precision: the scale of the loss, and what layers do in 16 bits."""

from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf

from translator.batching import pad_batch
from translator.config import ModelConfig
from translator.model import build_model
from translator.precision import (
    choose_precision,
    computing_in,
    loss_scale,
    set_precision,
    with_loss_scale,
)
from translator.train_step import batch_loss

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
    "normalised": {"layer_normalization": True, "attention": "dot"},
    "reset_before": {"reset_after": False, "attention": "general"},
}


@pytest.fixture(autouse=True)
def full_precision_after():
    yield
    set_precision("none")


# --- The choice ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu sse2 avx2", "none"),
        ("avx512f avx512_bf16 avx512_fp16", "bfloat16"),
        ("avx512f avx512_bf16x", "none"),
        ("amx_bf16 amx_tile", "bfloat16"),
        (None, "none"),  # no Linux
    ],
)
def test_auto_is_what_the_processor_multiplies(tmp_path, flags, expected):
    """Catches: slow products in 16 bits; part of a flag's name taken for it."""
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\n")
    if tf.config.list_physical_devices("GPU"):
        expected = "none"
    assert choose_precision("auto", path) == expected
    assert choose_precision("float16", path) == "float16"


def test_the_type_is_the_one_before_again():
    """Catches: a model that searches in 16 bits after a training, also a failed one."""
    with pytest.raises(KeyError), computing_in("bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        raise KeyError
    assert keras.layers.Dense(1).compute_dtype == "float32"


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


def update(optimizer, weight, slope):
    """Takes one step for the loss `slope * weight`, and returns the scaled gradient."""

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(slope * weight.value) * loss_scale(optimizer)
        gradients = tape.gradient(loss, [weight.value])
        optimizer.apply(gradients)
        return gradients[0]

    return step().numpy()


@pytest.mark.parametrize("mixed_precision", ["none", "bfloat16", "float16"])
def test_the_scale_leaves_the_update_as_it_is(weight, mixed_precision):
    """Catches: gradients that stay scaled, or are divided by the scale twice."""
    update(make(weight, mixed_precision), weight, [0.3, 0.4])
    np.testing.assert_allclose(weight, [0.85, -2.2], rtol=1e-6)


def test_float16_alone_is_scaled(weight):
    """Catches: a scale that is never used, or used where it costs and does nothing."""
    assert update(make(weight), weight, [0.25, 0.5]).min() >= 2**6
    for mixed_precision in ("none", "bfloat16"):
        optimizer = make(weight, mixed_precision)
        np.testing.assert_array_equal(
            update(optimizer, weight, [0.25, 0.5]), [0.25, 0.5]
        )
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


@cache
def loss_and_gradients(mixed_precision, network):
    """A network's loss and gradients without dropout, and the network."""
    set_precision(mixed_precision)
    model = build_model(ModelConfig(**(SMALL | NETWORKS[network])), V)
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) * 0.2)
    batch = random_batch(rng)
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = batch_loss(model, batch, 0.1, training=False)
    gradients = tape.gradient(loss.total, variables)
    gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
    return model, float(loss.total / loss.num_tokens), gradients


def random_batch(rng):
    return pad_batch(
        *[[[*rng.integers(4, V, length), 3] for length in (5, 1, 3, 7)]] * 2
    )


networks = pytest.mark.parametrize("network", NETWORKS)
half_precisions = pytest.mark.parametrize("mixed_precision", ["bfloat16", "float16"])


@networks
@half_precisions
def test_near_the_loss_and_gradient_of_32_bits(mixed_precision, network):
    """Catches: a mask that is no number in 16 bits; a sum in too few; a layer that
    quietly computes in 32.
    """
    _, expected, expected_gradients = loss_and_gradients("none", network)
    _, loss, gradients = loss_and_gradients(mixed_precision, network)
    tolerance = 1e-2 if mixed_precision == "bfloat16" else 2e-3
    assert loss == pytest.approx(expected, rel=tolerance)
    assert loss != expected
    found, wanted = (
        np.concatenate([np.ravel(part) for part in parts])
        for parts in (gradients, expected_gradients)
    )
    cosine = found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted)
    assert cosine > 0.999


@networks
@half_precisions
def test_types_of_what_search_carries(mixed_precision, network):
    """Catches: a state of another type after a step than before it, which no loop
    takes; logits in 16 bits, of which a beam adds up logarithms.
    """
    model, *_ = loss_and_gradients(mixed_precision, network)
    ids = tf.constant([[5, 6, 3], [7, 3, 0]])
    memory, state = model.encode(ids, ids != 0)
    step = model.step(tf.constant([2, 2]), state, memory)
    parts = tf.nest.flatten([memory.keys, memory.values, state, step.state])
    assert {part.dtype.name for part in parts} == {mixed_precision}
    assert memory.mask.dtype == tf.bool and step.logits.dtype == tf.float32


@networks
def test_a_traced_step_with_dropout(network):
    """Catches: a loop or an array of one type where the other is written; weights or
    their gradients in 16 bits. (Which 16 bits makes no difference.)
    """
    model, *_ = loss_and_gradients("float16", network)
    variables = [variable.value for variable in model.trainable_variables]
    batch = random_batch(np.random.default_rng(1))

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            loss = batch_loss(model, batch, 0.1, training=True)
        gradients = tape.gradient(loss.total, variables)
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

    loss, gradients = run()
    assert {loss.total.dtype, *(x.dtype for x in variables + gradients)} == {tf.float32}
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)
