"""Attention as nodes of an ONNX graph.

Shapes: B batch, S source length, P places (the most rows that a sentence of the batch
has), N rows, U units, H heads, A attention units, D width of all heads.
"""

from collections.abc import Sequence

import numpy as np

from translator.config import ModelConfig
from translator.light.graph import (
    Tensor,
    add_axis,
    flatten,
    mean,
    reshape,
    softmax,
    split,
    take,
    tanh,
    transpose,
)
from translator.light.weights import Weights


class Attention:
    """Any of the layers of `layers.attention`, as nodes of a graph.

    Args:
        weights: Of the run.
        config: Kind and sizes.

    Attributes:
        query: Kernel and bias of the query's projection; `None` if there is none.
        context_dim: Width of the context vector.
    """

    def __init__(self, weights: Weights, config: ModelConfig):
        path, units = "decoder/attention", config.decoder_units
        outputs_dim = 2 * config.encoder_units
        self.kind = config.attention
        self.num_heads = 1
        self.context_dim = outputs_dim
        self.query = None
        if self.kind in ("additive", "general"):
            path_of_keys = f"{path}/key_projection/kernel"
            self.key_kernel = weights.get(path_of_keys, outputs_dim, units)
        if self.kind == "additive":
            self.query = weights.dense(f"{path}/query_projection", units, units)
            self.energy = weights.get(f"{path}/energy", units)
        if self.kind == "multi_head":
            self.num_heads = config.num_heads
            self.context_dim = units
            scale = np.float32((units // config.num_heads) ** -0.5)
            kernel, bias = weights.dense(f"{path}/query_projection", units, units)
            self.query = kernel * scale, bias * scale
            self.memory_projection = weights.dense(
                f"{path}/memory_projection", outputs_dim, 2 * units
            )
            self.output = weights.dense(f"{path}/output_projection", units, units)

    def memory(self, encoder_outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what is made once a sentence of the outputs, `(B, S, 2U)`.

        Returns:
            Keys, `(B, H, A / H, S)`, but for additive attention `(B, 1, S, A)`; and
            values, `(B, H, S, D / H)`.
        """
        keys = values = encoder_outputs
        if self.kind == "multi_head":
            kernel, bias = self.memory_projection
            keys, values = split(encoder_outputs @ kernel + bias, [len(bias) // 2] * 2)
        elif self.kind in ("additive", "general"):
            keys = encoder_outputs @ self.key_kernel
        keys, values = (
            reshape(part, [0, 0, self.num_heads, -1]) for part in (keys, values)
        )
        axes_of_keys = [0, 2, 1, 3] if self.kind == "additive" else [0, 2, 3, 1]
        return transpose(keys, axes_of_keys), transpose(values, [0, 2, 1, 3])

    def attend(self, query: Tensor, memory: Sequence[Tensor], grid, places):
        """Looks at the source for some queries, projected already.

        Args:
            query: Shape `(N, A)`.
            memory: Keys, values and `mask_scores`.
            grid: int64 `(B, P)`: the row at each place of each sentence.
            places: int64 `(N,)`: the place of each row, counted through all of them.

        Returns:
            The heads side by side, `(N, D)`, and the mean of their weights, `(N, S)`.
        """
        keys, values, mask_scores = memory
        query = take(query, grid)  # (B, P, A)
        scores = self._scores(query, keys)  # (B, H, P, S)
        weights = softmax(scores + mask_scores)
        heads = transpose(weights @ values, [0, 2, 1, 3])  # (B, P, H, D / H)
        return (
            take(flatten(heads, axis=2), places),
            take(flatten(mean(weights, axis=1), axis=2), places),
        )

    def _scores(self, query: Tensor, keys: Tensor) -> Tensor:
        if self.kind == "additive":
            hidden = tanh(add_axis(query, 2) + keys)  # (B, P, S, A)
            return transpose(hidden @ self.energy[:, None], [0, 3, 1, 2])
        query = reshape(query, [0, 0, self.num_heads, -1])
        return transpose(query, [0, 2, 1, 3]) @ keys

    def fold(self, kernel: np.ndarray, bias=0.0) -> tuple[np.ndarray, np.ndarray]:
        """Returns kernel and bias that take the heads to context vector x W + b."""
        bias = np.zeros(kernel.shape[1], np.float32) + bias
        if self.kind != "multi_head":
            return kernel, bias
        output_kernel, output_bias = self.output
        return output_kernel @ kernel, output_bias @ kernel + bias
