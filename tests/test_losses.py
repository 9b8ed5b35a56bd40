"""The training objective: checked by hand, in nats per target token."""

import numpy as np
import pytest
import tensorflow as tf

from translator import losses
from translator.losses import (
    masked_cross_entropy,
    smoothed_cross_entropy,
    symmetric_divergence,
)

B, T, V = 2, 3, 3
IDS = np.array([[2, 0, 1], [1, 2, 0]], np.int32)
MASK = np.array([[True, True, True], [True, False, False]])


def random_logits(seed, shape=(B, T, V)):
    return np.random.default_rng(seed).normal(size=shape).astype("float32") * 2


def softmax(logits):
    powers = np.exp(np.float64(logits))
    return powers / powers.sum(axis=-1, keepdims=True)


def smoothed_one_hot(ids, num_classes, smoothing):
    return (1 - smoothing) * np.eye(num_classes)[ids] + smoothing / num_classes


def identity_loss(logits, ids, mask, smoothing=0.0, r_drop=0.0):
    """The loss of logits, by an output layer that changes nothing."""
    num_classes = np.shape(logits)[-1]
    kernel = tf.eye(num_classes, dtype=logits.dtype)
    bias = tf.zeros(num_classes)
    return masked_cross_entropy(
        tf.constant(logits),
        kernel,
        bias,
        tf.constant(ids),
        tf.constant(mask),
        smoothing,
        r_drop,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_equals_the_one_hot_formula(smoothing):
    """Catches: e / (V - 1) for e / V, the sum of logits for their mean, a lost sign."""
    logits, ids = random_logits(1, (6, V)), IDS.ravel()
    log_probs = np.log(softmax(logits))
    target = smoothed_one_hot(ids, V, smoothing)
    loss, gradient = smoothed_cross_entropy(
        tf.constant(logits), tf.constant(ids), smoothing
    )
    np.testing.assert_allclose(loss, -(target * log_probs).sum(axis=-1), atol=1e-5)
    np.testing.assert_allclose(gradient, softmax(logits) - target, atol=1e-6)


def test_a_target_of_no_probability_has_a_finite_loss():
    """Catches: the logarithm of a probability that is zero in float32."""
    logits = tf.constant([[200.0, 0.0, -50.0]])
    loss, gradient = smoothed_cross_entropy(logits, tf.constant([2]))
    np.testing.assert_allclose(loss, [250.0])
    np.testing.assert_allclose(gradient, [[1.0, 0.0, -1.0]])


def test_sum_and_count_are_of_real_tokens():
    """Catches: a mean over padded positions, a count of all of them."""
    logits = random_logits(2)
    log_probs = np.log(softmax(logits))
    real = [(0, 0), (0, 1), (0, 2), (1, 0)]
    expected = -sum(log_probs[b, t, IDS[b, t]] for b, t in real)
    loss = identity_loss(logits, IDS, MASK)
    np.testing.assert_allclose(loss.total, expected, atol=1e-5)
    assert loss.num_tokens == 4


def test_padding_adds_nothing():
    """Catches: padding in the sum, or a NaN of the padding times zero."""
    logits = random_logits(3)
    before = identity_loss(logits, IDS, MASK, 0.1)
    logits[~MASK] = np.nan
    after = identity_loss(logits, IDS, MASK, 0.1)
    assert float(after.total) == float(before.total)
    wider = np.pad(MASK, [(0, 0), (0, 2)]), np.pad(IDS, [(0, 0), (0, 2)])
    padded = identity_loss(np.pad(logits, [(0, 0), (0, 2), (0, 0)]), *wider[::-1], 0.1)
    assert [float(part) for part in padded] == [float(part) for part in before]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_uniform_logits_give_the_logarithm_of_the_vocabulary(smoothing):
    """Catches: base-2 logarithms, smoothing that adds to the loss of any guess."""
    loss = identity_loss(np.full((B, T, 7), 1.5, "float32"), IDS, MASK, smoothing)
    np.testing.assert_allclose(loss.total / loss.num_tokens, np.log(7), atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradient_is_probability_less_target(smoothing):
    """Catches: a gradient that flows into padding or is stopped in a term."""
    logits = tf.constant(random_logits(4))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = identity_loss(logits, IDS, MASK, smoothing)
    expected = softmax(logits) - smoothed_one_hot(IDS, V, smoothing)
    gradient = tf.convert_to_tensor(tape.gradient(loss.total, logits))
    np.testing.assert_allclose(gradient, expected * MASK[:, :, None], atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradient_equals_finite_differences(smoothing):
    """Catches: a closed form whose gradient is not that of the loss."""
    logits, delta = random_logits(5), 1e-2
    tensor = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = identity_loss(tensor, IDS, MASK, smoothing).total
    gradient = tf.convert_to_tensor(tape.gradient(total, tensor)).numpy()
    for index in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[index] = delta
        above = identity_loss(logits + step, IDS, MASK, smoothing).total
        below = identity_loss(logits - step, IDS, MASK, smoothing).total
        estimate = float(above - below) / (2 * delta)
        np.testing.assert_allclose(gradient[index], estimate, atol=1e-3)


@pytest.mark.parametrize("block_size", [1, 12, 10_000])
def test_gradients_of_the_output_layer(monkeypatch, block_size):
    """Catches: a gradient lost between blocks, of padding, or of the bias by rows."""
    monkeypatch.setattr(losses, "_BLOCK_SIZE", block_size)
    rng = np.random.default_rng(6)
    features, kernel, bias = (
        rng.normal(size=shape).astype("float32") for shape in [(B, T, 5), (4, 5), (4,)]
    )
    features[~MASK] = np.nan
    layer = [tf.constant(features), tf.Variable(kernel), tf.Variable(bias)]
    with tf.GradientTape() as tape:
        tape.watch(layer[0])
        total = 3 * masked_cross_entropy(*layer, IDS, MASK, 0.2).total
    found = [tf.convert_to_tensor(g) for g in tape.gradient(total, layer)]

    real, ids = features[MASK], IDS[MASK]  # (N, E), (N,)
    error = 3 * (softmax(real @ kernel.T + bias) - smoothed_one_hot(ids, 4, 0.2))
    np.testing.assert_allclose(found[0][MASK], error @ kernel, atol=1e-5)
    np.testing.assert_allclose(found[0][~MASK], 0.0)
    np.testing.assert_allclose(found[1], error.T @ real, atol=1e-5)
    np.testing.assert_allclose(found[2], error.sum(axis=0), atol=1e-5)


def test_a_batch_of_padding_alone():
    """Catches: a replica at the end of an epoch that stops the run, or a NaN."""
    logits = tf.constant(random_logits(7))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = identity_loss(logits, IDS, np.zeros_like(MASK), 0.1)
    assert [float(part) for part in loss] == [0.0, 0.0]
    gradient = tf.convert_to_tensor(tape.gradient(loss.total, logits))
    np.testing.assert_array_equal(gradient, np.zeros((B, T, V)))


def test_loss_is_float32_in_half_precision():
    """Catches: a sum of thousands of bfloat16 terms, which stops growing at 256."""
    logits = tf.zeros([1, 2_000, 3], tf.bfloat16)
    ids = tf.zeros([1, 2_000], tf.int32)
    loss = identity_loss(logits, ids, ids == 0)
    np.testing.assert_allclose(loss.total, 2_000 * np.log(3), rtol=1e-4)
    assert loss.num_tokens == 2_000


def test_no_smoothing_may_be_an_integer():
    logits, ids = random_logits(1, (6, V)), IDS.ravel()
    none, zero = (smoothed_cross_entropy(logits, ids, share)[0] for share in (0.0, 0))
    np.testing.assert_array_equal(none, zero)


@pytest.mark.parametrize(("rows", "r_drop"), [(2, 0.0), (1, 2.0), (3, 2.0)])
def test_each_row_of_targets_has_its_features(rows, r_drop):
    """Catches: a second pass that is left out in silence; rows that are not there."""
    logits = np.repeat(random_logits(7), rows, axis=0)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="rows for"):
        identity_loss(logits, IDS, MASK, r_drop=r_drop)


def test_wrong_shapes_are_refused():
    """Catches: a mask of the source given for the target, broadcast in silence."""
    with pytest.raises(ValueError):
        identity_loss(random_logits(7), IDS, MASK[:, :1])


def test_divergence_equals_its_definition():
    """Catches: one direction for both, a lost factor, rows of one token mixed up."""
    logits = random_logits(5, (2, 4, V))
    p, q = softmax(logits)
    expected = (p * np.log(p / q) + q * np.log(q / p)).sum(axis=-1)
    divergence, _ = symmetric_divergence(tf.constant(logits))
    np.testing.assert_allclose(divergence, expected, rtol=1e-4)


def test_gradient_of_the_divergence_is_that_of_its_formula():
    """Catches: p for q in one half of the closed form."""
    logits = tf.constant(random_logits(6, (2, 4, V)))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        log_p, log_q = tf.unstack(tf.nn.log_softmax(logits))
        total = tf.reduce_sum((tf.exp(log_p) - tf.exp(log_q)) * (log_p - log_q))
    expected = tape.gradient(total, logits)
    _, gradient = symmetric_divergence(logits)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


@pytest.mark.parametrize("block_size", [V, 10_000])
def test_r_drop_is_the_mean_loss_and_the_weighted_divergence(monkeypatch, block_size):
    """Catches: passes of other tokens paired, the count of both passes, blocks."""
    monkeypatch.setattr(losses, "_BLOCK_SIZE", block_size)
    one, two = random_logits(7), random_logits(8)
    smoothing, weight = 0.1, 3.0
    pairs = np.stack([one[MASK], two[MASK]])
    divergence, _ = symmetric_divergence(tf.constant(pairs))
    expected = sum(
        identity_loss(logits, IDS, MASK, smoothing).total / 2 for logits in (one, two)
    )
    expected += weight / 4 * tf.reduce_sum(divergence)
    logits = tf.constant(np.concatenate([one, two]))
    loss = identity_loss(logits, IDS, MASK, smoothing, weight)
    np.testing.assert_allclose(loss.total, expected, rtol=1e-5)
    assert loss.num_tokens == 4


def test_equal_passes_with_r_drop_are_one_pass():
    """Catches: a loss or a gradient of another scale than without R-Drop."""
    logits = random_logits(9)
    gradients = []
    for copies, weight in ((1, 0.0), (2, 5.0)):
        kernel = tf.eye(V)
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            loss = masked_cross_entropy(
                tf.constant(np.concatenate([logits] * copies)),
                kernel,
                tf.zeros(V),
                tf.constant(IDS),
                tf.constant(MASK),
                0.1,
                weight,
            ).total
        gradients.append((loss, tape.gradient(loss, kernel)))
    (loss, gradient), (other_loss, other_gradient) = gradients
    np.testing.assert_allclose(loss, other_loss, rtol=1e-5)
    np.testing.assert_allclose(gradient, other_gradient, atol=1e-5)
