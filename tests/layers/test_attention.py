"""Attention: scores worked out by hand, and a softmax that knows padding."""

import json

import keras
import numpy as np
import pytest

from translator.layers.attention import (
    AdditiveAttention,
    DotAttention,
    GeneralAttention,
    MultiHeadAttention,
    masked_softmax,
)

# Lengths differ from each other, so that an exchanged axis cannot go unnoticed.
B, S, T, Q = 2, 5, 3, 6
MASK = np.array([[True] * 5, [True] * 2 + [False] * 3])

# Kind -> the layer and the width of the encoder outputs.
KINDS = {
    "additive": (lambda: AdditiveAttention(7), 4),
    "dot": (DotAttention, Q),  # as wide as the query
    "general": (lambda: GeneralAttention(Q), 4),
    "multi_head": (lambda: MultiHeadAttention(8, num_heads=2), 4),
}
SINGLE_HEADED = ("additive", "dot", "general")


def random_attention(kind, rng):
    """Returns a layer with random weights, biases too, and random inputs for it."""
    make, outputs_dim = KINDS[kind]
    layer = make()
    layer.build((B, T, Q), (B, S, outputs_dim))
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    query = rng.normal(size=(B, T, Q)).astype("float32")
    outputs = rng.normal(size=(B, S, outputs_dim)).astype("float32")
    return layer, query, outputs


def attend(layer, query, outputs, mask):
    output = layer(query, layer.memory(outputs, mask))
    return np.array(output.context_vector), np.array(output.attention_weights)


def softmax(scores, mask):
    """Leaves the padding out before it sums, in float64."""
    weights = np.zeros(scores.shape)
    for b, t in np.ndindex(scores.shape[:2]):
        powers = np.exp(scores[b, t, mask[b]].astype("float64"))
        weights[b, t, mask[b]] = powers / powers.sum()
    return weights


def reference(kind, layer, query, outputs, mask):
    """The equations of the docstrings, position by position."""
    w = {v.path.split("/", 1)[-1]: np.float64(v.numpy()) for v in layer.weights}
    if kind == "multi_head":
        return multi_head_reference(w, query, outputs, mask)
    scores = np.zeros((B, T, S))
    for b, t, s in np.ndindex(B, T, S):
        q, k = np.float64(query[b, t]), np.float64(outputs[b, s])
        if kind == "additive":
            projected = q @ w["query_projection/kernel"] + w["query_projection/bias"]
            hidden = np.tanh(projected + k @ w["key_projection/kernel"])
            scores[b, t, s] = hidden @ w["energy"]
        elif kind == "general":
            scores[b, t, s] = q @ (k @ w["key_projection/kernel"])
        else:
            scores[b, t, s] = q @ k
    weights = softmax(scores, mask)
    return np.einsum("bts,bsd->btd", weights, outputs), weights


def multi_head_reference(w, query, outputs, mask):
    queries = query @ w["query_projection/kernel"] + w["query_projection/bias"]
    both = outputs @ w["memory_projection/kernel"] + w["memory_projection/bias"]
    keys, values = both[..., :8], both[..., 8:]
    heads, weights = [], []
    for columns in (slice(0, 4), slice(4, 8)):
        products = np.einsum("bta,bsa->bts", queries[..., columns], keys[..., columns])
        weights.append(softmax(products / np.sqrt(4), mask))
        heads.append(np.einsum("bts,bsa->bta", weights[-1], values[..., columns]))
    joined = np.concatenate(heads, axis=-1)
    context = joined @ w["output_projection/kernel"] + w["output_projection/bias"]
    return context, np.mean(weights, axis=0)


@pytest.mark.parametrize("kind", KINDS)
def test_equals_numpy(kind):
    """Catches: scores divided by the wrong root, heads cut along the wrong axis."""
    layer, query, outputs = random_attention(kind, np.random.default_rng(1))
    context, weights = attend(layer, query, outputs, MASK)
    expected_context, expected_weights = reference(kind, layer, query, outputs, MASK)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)
    np.testing.assert_allclose(context, expected_context, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_sum_to_one_over_real_tokens(kind):
    """Catches: softmax over the queries; the mask applied after the softmax."""
    layer, query, outputs = random_attention(kind, np.random.default_rng(2))
    _, weights = attend(layer, query, outputs, MASK)
    np.testing.assert_allclose(weights.sum(axis=-1), np.ones((B, T)), atol=1e-6)
    assert np.all(weights[~np.broadcast_to(MASK[:, None], weights.shape)] == 0)


@pytest.mark.parametrize("kind", SINGLE_HEADED)
def test_context_is_the_weighted_sum_of_values(kind):
    """Catches: a context of the keys; weights returned that were not used."""
    layer, query, outputs = random_attention(kind, np.random.default_rng(3))
    context, weights = attend(layer, query, outputs, MASK)
    np.testing.assert_allclose(
        context, np.einsum("bts,bsd->btd", weights, outputs), atol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_not_looked_at(kind):
    """Catches: an inverted mask, a mask that reaches only one of keys and values."""
    layer, query, outputs = random_attention(kind, np.random.default_rng(4))
    context, weights = attend(layer, query, outputs, MASK)
    garbage = np.where(MASK[:, :, None], outputs, np.float32(99))
    same_context, same_weights = attend(layer, query, garbage, MASK)
    np.testing.assert_array_equal(context, same_context)
    np.testing.assert_array_equal(weights, same_weights)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_mask_all_is_looked_at(kind):
    """Catches: an encoder's outputs without padding that attention does not take."""
    layer, query, outputs = random_attention(kind, np.random.default_rng(4))
    expected = attend(layer, query, outputs, np.ones_like(MASK))
    for ours, theirs in zip(attend(layer, query, outputs, None), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_functional_model_is_told_where_to_call(kind):
    """Catches: a model that is saved, and cannot be loaded."""
    layer, *_ = random_attention(kind, np.random.default_rng(4))
    with pytest.raises(ValueError, match="inside of `call`"):
        layer.memory(keras.Input((None, Q)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_without_tokens_has_zero_weights(kind):
    """Catches: minus infinity (NaN), or -1e9 alone (uniform weights on padding)."""
    layer, query, outputs = random_attention(kind, np.random.default_rng(5))
    context, weights = attend(layer, query, outputs, np.zeros((B, S), bool))
    nothing = np.zeros_like(context)
    if kind == "multi_head":  # a sum of no values, through the output projection
        nothing = nothing + layer.output_projection.bias.numpy()
    np.testing.assert_array_equal(weights, np.zeros((B, T, S)))
    np.testing.assert_allclose(context, nothing, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_queries_do_not_see_each_other(kind):
    """Catches: a reshape that mixes positions or rows."""
    layer, query, outputs = random_attention(kind, np.random.default_rng(6))
    context, weights = attend(layer, query, outputs, MASK)
    for b, t in np.ndindex(B, T):
        alone = attend(
            layer, query[b : b + 1, t : t + 1], outputs[b : b + 1], MASK[b : b + 1]
        )
        np.testing.assert_allclose(alone[0][0, 0], context[b, t], atol=1e-5)
        np.testing.assert_allclose(alone[1][0, 0], weights[b, t], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_masked_softmax_is_finite_in_every_precision(dtype):
    """Catches: -1e9 in float16, which is minus infinity there."""
    scores = keras.ops.cast([[600.0, -600.0, 3.0], [1.0, 2.0, 3.0]], dtype)
    mask = np.array([[False, True, True], [False, False, False]])
    weights = np.float32(keras.ops.cast(masked_softmax(scores, mask), "float32"))
    np.testing.assert_array_equal(weights, [[0, 0, 1], [0, 0, 0]])


@pytest.mark.parametrize("kind", KINDS)
def test_config_round_trip(kind):
    """Catches: an argument that `get_config` leaves out, a class not registered."""
    layer, query, outputs = random_attention(kind, np.random.default_rng(7))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(layer.get_weights())
    for ours, theirs in zip(
        attend(layer, query, outputs, MASK),
        attend(copy, query, outputs, MASK),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_dot_needs_equal_widths():
    with pytest.raises(ValueError, match=r"Received: 6 and 4\. Use general attention"):
        DotAttention().build((B, T, 6), (B, S, 4))


def test_general_needs_the_width_it_was_made_for():
    with pytest.raises(ValueError, match=r"queries of width 5\. Received: 6"):
        GeneralAttention(5).build((B, T, 6), (B, S, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_built_before_it_is_asked(kind):
    """Catches: Keras' message about arguments with the suffix _shape."""
    make, outputs_dim = KINDS[kind]
    with pytest.raises(ValueError, match=r"no weights yet. Call its build"):
        make().memory(np.ones((B, S, outputs_dim), "float32"), MASK)


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_parts_compute_in_the_layers_own_precision(kind, dtype):
    """Catches: products in the global precision, or sums of two precisions."""
    make, outputs_dim = KINDS[kind]
    layer = type(layer := make()).from_config(layer.get_config() | {"dtype": dtype})
    layer.build((B, T, Q), (B, S, outputs_dim))
    query, outputs = np.ones((B, T, Q)), np.ones((B, S, outputs_dim))
    memory = layer.memory(keras.ops.cast(outputs, layer.compute_dtype), MASK)
    found = layer(query, memory)
    assert {own.dtype.name for own in found} == {layer.compute_dtype}


def test_the_weights_are_the_mean_of_the_heads():
    layer, query, outputs = random_attention("multi_head", np.random.default_rng(8))
    memory = layer.memory(outputs, MASK)
    heads = np.array(layer.head_weights(query, memory))
    assert heads.shape == (B, 2, T, S) and abs(heads[:, 0] - heads[:, 1]).max() > 0.1
    found = layer(query, memory).attention_weights
    np.testing.assert_allclose(heads.mean(axis=1), found, rtol=1e-6)


@pytest.mark.parametrize("num_heads", [0, -2, 2.0, True])
def test_a_number_of_heads_is_positive(num_heads):
    with pytest.raises(ValueError, match="num_heads must be an integer of at least 1"):
        MultiHeadAttention(8, num_heads)


def test_heads_must_divide_the_units():
    with pytest.raises(ValueError, match=r"num_heads must divide.*Received: 3 and 8"):
        MultiHeadAttention(8, num_heads=3)
