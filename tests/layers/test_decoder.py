"""The decoder: training and search take the same steps, and never look ahead."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from translator.layers.attention import (
    AdditiveAttention,
    DotAttention,
    GeneralAttention,
    MultiHeadAttention,
)
from translator.layers.decoder import ClassicDecoder, ParallelDecoder

# The query (U) is as wide as the encoder outputs, which dot attention needs.
B, S, T, E, U, OUTPUTS_DIM = 2, 4, 5, 3, 6, 6
MASK = np.array([[True] * 4, [True, True, False, False]])

WIRINGS = {"parallel": ParallelDecoder, "classic": ClassicDecoder}
ATTENTIONS = {
    "additive": lambda: AdditiveAttention(7),
    "dot": DotAttention,
    "general": lambda: GeneralAttention(U),
    "multi_head": lambda: MultiHeadAttention(8, num_heads=2),
}
both_wirings = pytest.mark.parametrize("wiring", WIRINGS)
all_attentions = pytest.mark.parametrize("attention", ATTENTIONS)


def random_decoder(wiring, attention, rng, num_layers=2, **options):
    """Returns a decoder with random weights, biases too."""
    decoder = WIRINGS[wiring](U, E, ATTENTIONS[attention](), num_layers, **options)
    decoder.build((None, None, E), (None, None, OUTPUTS_DIM))
    for weight in decoder.weights:
        if weight.trainable:
            weight.assign(rng.normal(size=weight.shape) * 0.7)
    return decoder


def random_call(decoder, rng):
    """Returns inputs, a state that is not zero, and a memory with padding."""
    inputs = rng.normal(size=(B, T, E)).astype("float32")
    states = [
        tf.constant(rng.normal(size=(B, U)), tf.float32)
        for _ in range(decoder.num_layers)
    ]
    outputs = rng.normal(size=(B, S, OUTPUTS_DIM)).astype("float32")
    memory = decoder.memory(outputs, MASK)
    return inputs, decoder.initial_state(states), memory


def unroll(decoder, inputs, state, memory):
    """Calls `step` once a token; returns features and attention weights."""
    features, weights = [], []
    for position in range(inputs.shape[1]):
        result = decoder.step(inputs[:, position], state, memory)
        state = result.state
        features.append(result.features)
        weights.append(result.attention_weights)
    return np.stack(features, axis=1), np.stack(weights, axis=1)


@both_wirings
@all_attentions
@pytest.mark.parametrize("num_layers", [2, 3])
def test_teacher_forcing_equals_steps(wiring, attention, num_layers):
    """Catches: a state or context of the wrong step in one of the two paths."""
    rng = np.random.default_rng(1)
    decoder = random_decoder(wiring, attention, rng, num_layers)
    call = random_call(decoder, rng)
    output = decoder(*call)
    features, weights = unroll(decoder, *call)
    np.testing.assert_allclose(output.features, features, atol=1e-5)
    np.testing.assert_allclose(output.attention_weights, weights, atol=1e-5)


@both_wirings
@pytest.mark.parametrize(
    "options", [{"reset_after": False}, {"layer_normalization": True}], ids=str
)
def test_teacher_forcing_equals_steps_of_every_cell(wiring, options):
    """Catches: an option of the cell that reaches one of the two paths."""
    rng = np.random.default_rng(2)
    decoder = random_decoder(wiring, "general", rng, **options)
    call = random_call(decoder, rng)
    features, _ = unroll(decoder, *call)
    np.testing.assert_allclose(decoder(*call).features, features, atol=1e-5)


@both_wirings
@all_attentions
def test_no_position_sees_the_future(wiring, attention):
    """Catches: the whole target as the query, a reversed layer."""
    rng = np.random.default_rng(3)
    decoder = random_decoder(wiring, attention, rng)
    inputs, state, memory = random_call(decoder, rng)
    before = decoder(inputs, state, memory).features.numpy()
    for position in (0, 2, T - 1):
        changed = inputs.copy()
        changed[:, position] += 1
        after = decoder(changed, state, memory).features.numpy()
        np.testing.assert_array_equal(after[:, :position], before[:, :position])
        assert np.all(np.any(after[:, position] != before[:, position], axis=-1))


@both_wirings
@all_attentions
def test_hypotheses_share_the_memory_of_their_sentence(wiring, attention):
    """Catches: row b * K + k reading the memory of sentence k, or of row % B."""
    rng, num_hypotheses = np.random.default_rng(4), 3
    decoder = random_decoder(wiring, attention, rng)
    _, state, memory = random_call(decoder, rng)

    def rows(x):  # distinct rows for the hypotheses of a sentence
        x = np.repeat(np.asarray(x), num_hypotheses, axis=0)
        return tf.constant(x + rng.normal(size=x.shape), tf.float32)

    inputs, state = rows(np.zeros((B, E))), tuple(map(rows, state))
    repeated = type(memory)(*(np.repeat(x, num_hypotheses, axis=0) for x in memory))
    shared, expected = (decoder.step(inputs, state, m) for m in (memory, repeated))
    np.testing.assert_allclose(shared.features, expected.features, atol=1e-6)
    np.testing.assert_allclose(
        shared.attention_weights, expected.attention_weights, atol=1e-6
    )


def numpy_gru(cell, inputs, state):
    """One step with the reset gate after the recurrent product."""
    kernel, recurrent_kernel, bias = (np.float64(w) for w in cell.get_weights())
    x_z, x_r, x_h = np.split(inputs @ kernel + bias[0], 3, axis=-1)
    h_z, h_r, h_h = np.split(state @ recurrent_kernel + bias[1], 3, axis=-1)
    z, r = 1 / (1 + np.exp(-x_z - h_z)), 1 / (1 + np.exp(-x_r - h_r))
    return z * state + (1 - z) * np.tanh(x_h + r * h_h)


def numpy_attend(query, outputs):
    """Dot attention of `(B, U)` queries."""
    scores = np.where(MASK, np.einsum("bu,bsu->bs", query, outputs), -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("bs,bsu->bu", weights, outputs)


def numpy_readout(decoder, state, context):
    kernel, bias = decoder.readout.get_weights()
    return np.tanh(np.hstack([state, context]) @ kernel + bias)


def test_parallel_wiring_equals_numpy():
    """Catches: attention by the top layer's state; a readout without the context."""
    rng = np.random.default_rng(5)
    decoder = random_decoder("parallel", "dot", rng, num_layers=3)
    inputs, state, memory = random_call(decoder, rng)
    cells = [layer.cell for layer in decoder.gru_layers]
    features = decoder(inputs, state, memory).features.numpy()
    a, s, u = (np.float64(part) for part in state)
    for position in range(T):
        a = numpy_gru(cells[0], inputs[:, position], a)
        context = numpy_attend(a, memory.values)
        s = numpy_gru(cells[1], np.hstack([a, context]), s)
        u = numpy_gru(cells[2], s, u)
        np.testing.assert_allclose(
            features[:, position], numpy_readout(decoder, u, context), atol=1e-5
        )


def test_classic_wiring_equals_numpy():
    """Catches: the context of this step in place of the one before; a first context
    that is not zero.
    """
    rng = np.random.default_rng(6)
    decoder = random_decoder("classic", "dot", rng, num_layers=2)
    inputs, state, memory = random_call(decoder, rng)
    features = decoder(inputs, state, memory).features.numpy()
    s, u = (np.float64(part) for part in state[:2])
    context = np.zeros((B, OUTPUTS_DIM))
    for position in range(T):
        s = numpy_gru(decoder.cells[0], np.hstack([inputs[:, position], context]), s)
        u = numpy_gru(decoder.cells[1], s, u)
        context = numpy_attend(u, memory.values)
        np.testing.assert_allclose(
            features[:, position], numpy_readout(decoder, u, context), atol=1e-5
        )


@both_wirings
def test_no_rows_are_no_error(wiring):
    """Catches: a division by zero sentences."""
    decoder = random_decoder(wiring, "multi_head", np.random.default_rng(7))
    states = [tf.zeros([0, U])] * 2
    memory = decoder.memory(tf.zeros([0, S, OUTPUTS_DIM]), tf.zeros([0, S], tf.bool))
    result = decoder.step(tf.zeros([0, E]), decoder.initial_state(states), memory)
    assert result.features.shape == (0, E)


@both_wirings
@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout"])
def test_dropout_is_for_training(wiring, option):
    """Catches: a `training` argument that stops on its way, or is always set."""
    rng = np.random.default_rng(8)
    decoder = random_decoder(wiring, "dot", rng, **{option: 0.5})
    call = random_call(decoder, rng)
    still = [decoder(*call).features for _ in range(2)]
    moving = [decoder(*call, training=True).features for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert not np.allclose(*moving)


def test_the_classic_decoder_drops_between_its_layers(monkeypatch):
    """Catches: upper layers that see all of the lower one; a mask that changes within a
    sequence; the token dropped twice."""
    rng = np.random.default_rng(8)
    still = random_decoder("classic", "dot", rng, num_layers=3)
    assert still._masks(still.cells[1], tf.zeros([2, U])) == (None, None)
    decoder = random_decoder("classic", "dot", rng, num_layers=3, dropout=0.5)
    assert decoder._masks(decoder.cells[0], tf.zeros([2, U])) == (None, None)
    mask, _ = decoder._masks(decoder.cells[2], tf.zeros([200, U]))
    assert {*mask.numpy().ravel()} == {0.0, 2.0}
    inputs, state, memory = random_call(decoder, rng)
    seen = []

    def keep(cell, inputs, state, mask=None):
        seen.append(inputs)
        return state

    monkeypatch.setattr("translator.layers.decoder.run_cell", keep)
    masks = [decoder._masks(*pair) for pair in zip(decoder.cells, state, strict=False)]
    for _ in range(2):
        decoder._advance(inputs[:, 0], state, memory, masks)
    assert np.any(seen[1] == 0) and np.any(seen[1] != 0)
    np.testing.assert_array_equal(seen[1], seen[4])


@both_wirings
def test_config_round_trip(wiring):
    """Catches: an argument that `get_config` leaves out."""
    rng = np.random.default_rng(9)
    options = {"reset_after": False, "layer_normalization": True}
    options |= {"dropout": 0.3, "recurrent_dropout": 0.1}
    decoder = random_decoder(wiring, "multi_head", rng, num_layers=3, **options)
    call = random_call(decoder, rng)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(decoder)))
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(decoder.get_weights())
    assert json.loads(json.dumps(copy.get_config())) == config["config"]
    np.testing.assert_array_equal(copy(*call).features, decoder(*call).features)


def test_parallel_needs_two_layers():
    with pytest.raises(ValueError, match=r"at least 2.*Received: 1.*ClassicDecoder"):
        ParallelDecoder(U, E, DotAttention(), num_layers=1)
