"""GRU weights in other libraries' layouts and conventions, in NumPy alone.

`weights` is what `get_weights()` of a `GRU` or `GRUCell` with `reset_after=True` and
no layer normalisation returns: the kernel, shape `(input_dim, 3 * units)`, the
recurrent kernel, shape `(units, 3 * units)`, and with `use_bias` the two bias rows,
shape `(2, 3 * units)`; gates in the order z, r, h. That is also what `keras.layers.GRU`
and `keras.layers.GRUCell` return and take: between them and ours nothing is converted.

    ours.set_weights(theirs.get_weights())
"""

import numpy as np


def from_torch(state_dict, layer=0, reverse=False):
    """Returns the weights of one layer and direction of a PyTorch `nn.GRU`.

    PyTorch computes the same equations as `GRUCell(reset_after=True)`, z in the same
    sense, with the gates in the order r, z, n and the matrices transposed.

    Args:
        state_dict: Of an `nn.GRU`: name to array, e.g. `weight_ih_l0`. Tensors on the
            CPU will do.
        layer: Number of the stacked layer, from 0.
        reverse: The backward direction of a bidirectional layer.

    Returns:
        `weights`, as the module's documentation says.

    Raises:
        ValueError: The layer is not there, a part of it is missing, or it is not a
            GRU's.
    """
    names = _torch_names(layer, reverse)
    has_bias = any(name in state_dict for name in names[2:])
    names = names if has_bias else names[:2]
    if missing := [name for name in names if name not in state_dict]:
        raise ValueError(
            f"There is no {missing[0]} in this state dict. Received the names: "
            f"{', '.join(state_dict)}. Check layer and reverse."
        )
    arrays = [np.asarray(state_dict[name]) for name in names]
    rows, units = arrays[1].shape
    if rows != 3 * units:
        raise ValueError(
            f"A GRU has three times as many rows as columns in {names[1]}. Received: "
            f"{arrays[1].shape}. Is it a GRU's?"
        )
    kernel, recurrent_kernel, *biases = (_exchange_zr(a).T for a in arrays)
    return [kernel, recurrent_kernel, *([np.stack(biases)] if biases else [])]


def to_torch(weights, layer=0, reverse=False):
    """Returns the part of a PyTorch `nn.GRU`'s state dict for one layer and direction.

    Args:
        weights: As the module's documentation says.
        layer: Number of the stacked layer, from 0.
        reverse: The backward direction of a bidirectional layer.

    Returns:
        Dictionary of name to array. `load_state_dict` takes the union of such parts,
        their arrays made tensors.

    Raises:
        ValueError: Weights with `reset_after=False` or layer normalisation, which
            PyTorch does not have. The first are known by their bias; without one they
            cannot be told, and the result is of other equations.
    """
    kernel, recurrent_kernel, *biases = weights
    if len(biases) > 1 or any(bias.ndim != 2 for bias in biases):
        raise ValueError(
            "PyTorch's GRU has reset_after=True and no layer normalisation. Received "
            f"weights of the shapes {[array.shape for array in weights]}."
        )
    arrays = [kernel, recurrent_kernel, *(row for bias in biases for row in bias)]
    names = _torch_names(layer, reverse)[: len(arrays)]
    return {
        name: np.ascontiguousarray(_exchange_zr(array.T))
        for name, array in zip(names, arrays, strict=True)
    }


def exchange_update_gate(weights):
    """Converts between h = z * h_prev + (1 - z) * c and (1 - z) * h_prev + z * c.

    The first is ours, the second that of many textbooks. The same function converts
    back. The weights may be of either reset convention.

    Returns:
        New `weights`: W_z, U_z and the biases of z negated, because
        1 - sigmoid(a) = sigmoid(-a).

    Raises:
        ValueError: Weights with layer normalisation, which has gains beside the
            biases.
    """
    if len(weights) > 3:
        raise ValueError(
            "the update gate is exchanged without layer normalisation. Received "
            f"weights of the shapes {[array.shape for array in weights]}."
        )
    units = weights[1].shape[0]
    sign = np.repeat([-1, 1, 1], units).astype(weights[1].dtype)
    return [array * sign for array in weights]


def _torch_names(layer, reverse):
    suffix = f"_l{layer}" + ("_reverse" if reverse else "")
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [name + suffix for name in names]


def _exchange_zr(array):
    """Exchanges the first two of three gates along the first axis; its own inverse."""
    first, second, third = np.split(array, 3)
    return np.concatenate([second, first, third])
