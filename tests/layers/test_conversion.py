"""Tests of `translator.layers.conversion`.

Every test names the deliberate mistake that it was seen to fail on.
"""

import keras
import numpy as np
import pytest

from translator.layers.conversion import exchange_update_gate, from_torch, to_torch
from translator.layers.gru import GRU

B, T, D, U = 2, 4, 3, 5


def random_state_dict(num_layers=2, bidirectional=True, bias=True):
    """Random weights by the names and shapes that PyTorch documents for `nn.GRU`."""
    rng = np.random.default_rng(0)
    state_dict = {}
    for layer in range(num_layers):
        input_dim = D if layer == 0 else U * (1 + bidirectional)
        for end in ["", "_reverse"] if bidirectional else [""]:
            shapes = {"weight_ih": (3 * U, input_dim), "weight_hh": (3 * U, U)}
            if bias:
                shapes |= {"bias_ih": (3 * U,), "bias_hh": (3 * U,)}
            for name, shape in shapes.items():
                state_dict[f"{name}_l{layer}{end}"] = rng.normal(0, 0.6, shape)
    return state_dict


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_torch_gru(x, state_dict, suffix):
    """One layer in one direction, as PyTorch's documentation writes it."""
    W, R, b, d = (
        np.split(state_dict[name + suffix], 3)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h, outputs = np.zeros((len(x), U)), []
    for x_t in np.moveaxis(x, 1, 0):
        r = sigmoid(x_t @ W[0].T + b[0] + h @ R[0].T + d[0])
        z = sigmoid(x_t @ W[1].T + b[1] + h @ R[1].T + d[1])
        n = np.tanh(x_t @ W[2].T + b[2] + r * (h @ R[2].T + d[2]))
        h = (1 - z) * n + z * h
        outputs.append(h)
    return np.stack(outputs, axis=1)


def ours(weights, x, **options):
    layer = GRU(U, return_sequences=True, dtype="float64", **options)
    layer.build(x.shape)
    layer.set_weights(weights)
    return layer(x).numpy()


def run_both_ways(state_dict, x, num_layers=2):
    """A stack of bidirectional layers of ours with PyTorch's weights."""
    for layer in range(num_layers):
        forward = ours(from_torch(state_dict, layer), x)
        weights = from_torch(state_dict, layer, reverse=True)
        backward = ours(weights, x, go_backwards=True)[:, ::-1]
        x = np.concatenate([forward, backward], axis=-1)
    return x


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(B, T, D))


def test_from_torch_equals_its_equations(x):
    """Mistakes: z and r not exchanged, not transposed, the two biases exchanged."""
    state_dict = random_state_dict()
    expected = x
    for layer in range(2):
        forward = numpy_torch_gru(expected, state_dict, f"_l{layer}")
        reverse = numpy_torch_gru(expected[:, ::-1], state_dict, f"_l{layer}_reverse")
        expected = np.concatenate([forward, reverse[:, ::-1]], axis=-1)

    np.testing.assert_allclose(run_both_ways(state_dict, x), expected, atol=1e-12)


def test_from_torch_equals_torch(x):
    """Mistake: the suffix of the backward direction forgotten."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    module = torch.nn.GRU(D, U, num_layers=2, bidirectional=True, batch_first=True)
    module = module.double()
    with torch.no_grad():
        expected = module(torch.from_numpy(x))[0].numpy()

    outputs = run_both_ways(module.state_dict(), x)

    np.testing.assert_allclose(outputs, expected, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_to_torch_inverts_from_torch(bias):
    """Mistakes: bias rows joined the other way round, a direction's name lost."""
    state_dict = random_state_dict(bias=bias)
    back = {}
    for layer in range(2):
        for reverse in (False, True):
            weights = from_torch(state_dict, layer, reverse)
            back |= to_torch(weights, layer, reverse)

    assert back.keys() == state_dict.keys()
    for name, array in state_dict.items():
        np.testing.assert_array_equal(back[name], array)


@pytest.mark.parametrize("reset_after", [True, False])
def test_keras_takes_and_gives_our_weights(x, reset_after):
    """Mistake: our bias rows in another shape than Keras'."""
    options = dict(reset_after=reset_after, dtype="float64", return_sequences=True)
    theirs = keras.layers.GRU(U, bias_initializer="random_normal", **options)
    expected = theirs(x)

    outputs = ours(theirs.get_weights(), x, reset_after=reset_after)

    np.testing.assert_allclose(outputs, expected, atol=1e-12)


@pytest.mark.parametrize("reset_after", [True, False])
def test_exchanged_update_gate(x, reset_after):
    """Mistakes: only the kernels negated, or another gate than z."""
    layer = GRU(U, reset_after=reset_after, bias_initializer="normal", dtype="float64")
    layer.build(x.shape)
    state = np.random.default_rng(2).normal(size=(B, U))
    gates = layer.cell.gates(x[:, 0], state)
    z, c = gates.update_gate, gates.candidate_state
    textbook = (1 - z) * state + z * c

    layer.set_weights(exchange_update_gate(layer.get_weights()))

    output, _ = layer.cell(x[:, 0], [state])
    np.testing.assert_allclose(output, textbook, atol=1e-12)


@pytest.mark.parametrize("use_bias", [True, False])
def test_gains_are_refused(x, use_bias):
    """Mistake: kernel and gain negated both, which changes nothing."""
    layer = GRU(U, use_bias=use_bias, layer_normalization=True)
    layer.build(x.shape)
    with pytest.raises(ValueError, match="without layer normalisation"):
        exchange_update_gate(layer.get_weights())


def test_other_weights_are_refused(x):
    """Mistake: no checks; NumPy's own errors, or none."""
    state_dict = random_state_dict(bidirectional=False)
    with pytest.raises(ValueError, match="no weight_ih_l0_reverse .* weight_ih_l0,"):
        from_torch(state_dict, reverse=True)
    with pytest.raises(ValueError, match=r"weight_hh_l0. Received: \(20, 5\)"):
        from_torch({"weight_ih_l0": np.ones((20, 3)), "weight_hh_l0": np.ones((20, 5))})
    for name in ("weight_hh_l0", "bias_hh_l0"):
        part = {key: state_dict[key] for key in state_dict if key != name}
        with pytest.raises(ValueError, match=f"no {name}"):
            from_torch(part)
    for options in (dict(reset_after=False), dict(layer_normalization=True)):
        layer = GRU(U, **options)
        layer.build(x.shape)
        with pytest.raises(ValueError, match="PyTorch's GRU has reset_after=True"):
            to_torch(layer.get_weights())
