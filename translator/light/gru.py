"""The GRU cell as nodes of an ONNX graph.

Shapes: N rows, U units.
"""

from typing import NamedTuple

import numpy as np

from translator.config import ModelConfig
from translator.light.graph import Tensor, reshape, sigmoid, split, tanh
from translator.light.weights import Weights


class Gates(NamedTuple):
    """What decides a step: see `layers.gru.Gates`; each `(N, U)`."""

    update_gate: Tensor
    reset_gate: Tensor
    candidate_state: Tensor


class Cell:
    """A GRU cell: the equations of `layers.gru.GRUCell`, as nodes of a graph.

    Args:
        weights: Of the run.
        path: Of the cell's weights among them.
        input_dim: Width of its input.
        units: Width U of its state.
        config: For its convention and layer normalisation.

    Attributes:
        last_gates: Those of the latest `step`.
    """

    last_gates: Gates

    def __init__(
        self,
        weights: Weights,
        path: str,
        input_dim: int,
        units: int,
        config: ModelConfig,
    ):
        width = 3 * units  # update gate, reset gate, candidate
        self.units = units
        self.reset_after = config.reset_after
        self.kernel = weights.get(f"{path}/kernel", input_dim, width)
        self.recurrent_kernel = weights.get(f"{path}/recurrent_kernel", units, width)
        if self.reset_after:
            self.bias, self.recurrent_bias = weights.get(f"{path}/bias", 2, width)
        else:
            self.bias = weights.get(f"{path}/bias", width)
            self.recurrent_bias = np.zeros(width, np.float32)
        self.is_normalized = config.layer_normalization
        if self.is_normalized:
            self.input_gain = weights.get(f"{path}/input_gain", width)
            self.recurrent_gain = weights.get(f"{path}/recurrent_gain", width)
        # What belongs to the product W x already; normalisation comes before a bias.
        self.product_bias = 0 * self.bias if self.is_normalized else self.bias

    def project(self, product: Tensor) -> Tensor:
        """Turns W x + `product_bias`, `(N, 3U)`, into the cell's input, `(N, 3U)`."""
        if not self.is_normalized:
            return product
        return self._normalize(product, self.input_gain) + self.bias

    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        """Returns the state after a step, `(N, U)`.

        Args:
            projected: From `project`, shape `(N, 3 * units)`.
            state: The state before it, of absolute values up to 1, shape `(N, units)`.
        """
        update_gate, _, candidate = self.last_gates = self._gates(projected, state)
        return candidate + update_gate * (state - candidate)

    def _gates(self, projected: Tensor, state: Tensor) -> Gates:
        inputs_zr, inputs_h = split(projected, [2 * self.units, self.units])
        if self.reset_after:
            past_zr, past_h = split(
                self._past(state, 0, 3), [2 * self.units, self.units]
            )
        else:
            past_zr = self._past(state, 0, 2)
        gates = sigmoid(inputs_zr + past_zr)
        update_gate, reset_gate = split(gates, [self.units, self.units])
        if self.reset_after:
            seen = reset_gate * past_h
        else:
            seen = self._past(reset_gate * state, 2, 3)
        return Gates(update_gate, reset_gate, tanh(inputs_h + seen))

    def _past(self, state: Tensor, first: int, last: int) -> Tensor:
        """U h + d for some of the gates."""
        gates = slice(first * self.units, last * self.units)
        kernel, bias = self.recurrent_kernel[:, gates], self.recurrent_bias[gates]
        graph = state.graph
        if not self.is_normalized:
            return graph.dense(state, kernel, bias, bound=1)
        product = graph.dense(state, kernel, bound=1)
        return self._normalize(product, self.recurrent_gain[gates]) + bias

    def _normalize(self, product: Tensor, gain: np.ndarray) -> Tensor:
        """Normalises each gate over its units."""
        gates = reshape(product, [-1, len(gain) // self.units, self.units])
        normalized = product.graph.node(
            "LayerNormalization",
            gates,
            np.ones(self.units, np.float32),
            axis=-1,
            epsilon=1e-5,
        )
        return reshape(normalized, [-1, len(gain)]) * gain
