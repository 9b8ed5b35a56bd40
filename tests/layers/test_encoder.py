"""The encoder: what it returns depends on the sentence, and on nothing beside it."""

import json

import keras
import numpy as np
import pytest

from translator.layers.encoder import BidirectionalEncoder, Bridge

B, S, E, U = 3, 5, 4, 6
LENGTHS = (5, 2, 4)
MASK = np.arange(S) < np.array(LENGTHS)[:, None]

VARIANTS = {
    "one_layer": {"num_layers": 1},
    "two_layers": {"num_layers": 2},
    "reset_before": {"num_layers": 2, "reset_after": False},
    "normalised": {"num_layers": 2, "layer_normalization": True},
}


def random_encoder(rng, **options):
    """Returns an encoder with random weights, biases and gains too."""
    encoder = BidirectionalEncoder(U, **options)
    encoder.build((None, None, E))
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.5)
    return encoder


def random_inputs(rng):
    return rng.normal(size=(B, S, E)).astype("float32")


def encode(encoder, inputs, mask):
    output = encoder(inputs, mask)
    return output.outputs.numpy(), output.state.numpy()


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_padding_changes_nothing(options):
    """Catches: the backward direction starting in the padding; an ignored mask."""
    rng = np.random.default_rng(1)
    encoder, inputs = random_encoder(rng, **options), random_inputs(rng)
    outputs, state = encode(encoder, inputs, MASK)
    inputs = np.where(MASK[:, :, None], inputs, np.float32(99))
    padded_inputs = np.pad(inputs, [(0, 0), (0, 3), (0, 0)], constant_values=99)
    padded_mask = np.pad(MASK, [(0, 0), (0, 3)])
    padded_outputs, padded_state = encode(encoder, padded_inputs, padded_mask)
    np.testing.assert_allclose(padded_outputs[:, :S], outputs, atol=1e-6)
    np.testing.assert_allclose(padded_state, state, atol=1e-6)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_a_sentence_is_read_alone(options):
    """Catches: statistics or states that go across the rows of a batch."""
    rng = np.random.default_rng(2)
    encoder, inputs = random_encoder(rng, **options), random_inputs(rng)
    outputs, state = encode(encoder, inputs, MASK)
    for row, length in enumerate(LENGTHS):
        alone = inputs[row : row + 1, :length]
        own_outputs, own_state = encode(encoder, alone, np.ones((1, length), bool))
        np.testing.assert_allclose(own_outputs[0], outputs[row, :length], atol=1e-6)
        np.testing.assert_allclose(own_state[0], state[row], atol=1e-6)


def test_outputs_are_zero_on_padding():
    """Catches: padding that repeats the last output."""
    rng = np.random.default_rng(3)
    outputs, _ = encode(random_encoder(rng, num_layers=1), random_inputs(rng), MASK)
    assert np.all(outputs[~MASK] == 0)
    assert np.all(outputs[MASK] != 0)


def test_state_is_the_end_of_each_direction():
    """Catches: a backward state of the last word; directions exchanged."""
    rng = np.random.default_rng(4)
    outputs, state = encode(random_encoder(rng, num_layers=1), random_inputs(rng), MASK)
    last = np.array(LENGTHS) - 1
    np.testing.assert_array_equal(state[:, :U], outputs[np.arange(B), last, :U])
    np.testing.assert_array_equal(state[:, U:], outputs[:, 0, U:])


def test_each_direction_sees_its_own_side():
    """Catches: two forward directions, a backward one that is not turned back."""
    rng = np.random.default_rng(5)
    encoder, inputs = random_encoder(rng, num_layers=1), random_inputs(rng)
    everything = np.ones((B, S), bool)
    before, _ = encode(encoder, inputs, everything)
    inputs[:, 2] += 1
    changed = np.abs(encode(encoder, inputs, everything)[0] - before).max(axis=0) > 1e-6
    assert changed[:, :U].all(axis=1).tolist() == [False, False, True, True, True]
    assert changed[:, U:].all(axis=1).tolist() == [True, True, True, False, False]
    assert not changed[:2, :U].any() and not changed[3:, U:].any()


def test_upper_layers_add_to_their_input():
    """Catches: a missing residual; a residual around the first layer."""
    rng = np.random.default_rng(6)
    encoder, inputs = random_encoder(rng, num_layers=2), random_inputs(rng)
    first, second = encoder.gru_layers
    below, *_ = first(inputs, mask=MASK)
    above, forward, backward = second(below, mask=MASK)
    outputs, state = encode(encoder, inputs, MASK)
    np.testing.assert_allclose(outputs, below + above, atol=1e-6)
    np.testing.assert_allclose(state, np.hstack([forward, backward]), atol=1e-6)


def test_a_sentence_without_tokens_is_finite():
    """Catches: a division by the number of real tokens."""
    rng = np.random.default_rng(7)
    encoder = random_encoder(rng, num_layers=2)
    outputs, state = encode(encoder, random_inputs(rng), np.zeros((B, S), bool))
    assert np.all(outputs == 0) and np.all(state == 0)


def test_dropout_is_for_training():
    """Catches: a `training` argument that stops on its way, or is always set."""
    rng = np.random.default_rng(8)
    inputs = random_inputs(rng)
    for option in ("dropout", "recurrent_dropout"):
        encoder = random_encoder(rng, num_layers=1, **{option: 0.5})
        still = [encoder(inputs, MASK).outputs for _ in range(2)]
        moving = [encoder(inputs, MASK, training=True).outputs for _ in range(2)]
        assert np.array_equal(*still), option
        assert not np.allclose(*moving), option


def test_config_round_trip():
    """Catches: an argument that `get_config` leaves out."""
    rng = np.random.default_rng(9)
    options = {"num_layers": 2, "reset_after": False, "layer_normalization": True}
    options |= {"dropout": 0.3, "recurrent_dropout": 0.1}
    encoder, inputs = random_encoder(rng, **options), random_inputs(rng)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(encoder)))
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(encoder.get_weights())
    assert json.loads(json.dumps(copy.get_config())) == config["config"]
    np.testing.assert_array_equal(
        encode(copy, inputs, MASK)[0], encode(encoder, inputs, MASK)[0]
    )


def test_bridge_equals_numpy():
    """Catches: layers that share a state, a missing tanh or bias."""
    rng = np.random.default_rng(10)
    bridge = Bridge(units=5, num_layers=2)
    bridge.build((None, 2 * U))
    for weight in bridge.weights:
        weight.assign(rng.normal(size=weight.shape))
    state = rng.normal(size=(B, 2 * U)).astype("float32")
    kernel, bias = bridge.get_weights()
    first, second = bridge(state)
    np.testing.assert_allclose(
        first, np.tanh(state @ kernel[:, :5] + bias[:5]), atol=1e-5
    )
    np.testing.assert_allclose(
        second, np.tanh(state @ kernel[:, 5:] + bias[5:]), atol=1e-5
    )


def test_the_mask_of_an_embedding_reaches_every_layer():
    """Mistake: a mask that the sum of a layer's output and input loses."""
    embedding = keras.layers.Embedding(9, 6, mask_zero=True)
    encoder = BidirectionalEncoder(4, num_layers=4)
    ids = np.array([[3, 5, 8]])
    expected = encoder(embedding(ids)).state
    padded = encoder(embedding(np.pad(ids, [(0, 0), (0, 4)]))).state
    np.testing.assert_allclose(padded, expected, atol=1e-6)
