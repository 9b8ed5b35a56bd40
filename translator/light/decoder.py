"""A decoder step as an ONNX graph: the last tokens to the best continuations.

What does not change from step to step is multiplied out beforehand: the embeddings and
the first layer's input kernel into one table, the attention's output projection into
the kernels that read the context vector, the scale of the query into its projection.
Kernels that multiply the same vector stand side by side in one product.

Shapes: B batch, S source length, M rows of the previous step, N rows of this one, P
places (the most rows that a sentence of the batch has), V vocabulary size, E embedding
dim, U units, D width of all heads.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from translator.config import ModelConfig
from translator.light.attention import Attention
from translator.light.graph import (
    Graph,
    Tensor,
    add_axis,
    flatten,
    largest,
    log_softmax,
    reshape,
    split,
    take,
    tanh,
    top,
)
from translator.light.gru import Cell
from translator.light.weights import Weights

# Log-probabilities in a block of `_best`; blocks of 16 were slower.
_BLOCK_SIZE = 32

# Projected queries, `(N, A)`, to the heads, `(N, D)`, and the weights, `(N, S)`.
Attend = Callable[[Tensor], tuple[Tensor, Tensor]]


def write_step(
    graph: Graph,
    weights: Weights,
    config: ModelConfig,
    vocabulary_size: int,
    *,
    with_gates: bool = False,
) -> None:
    """Writes a step of the decoder, the output layer and the choice of the best.

    Inputs: `ids`, int64 `(N,)`, the last tokens; `rows`, int64 `(N,)`, the row of the
    previous step that each row continues; `grid` and `places`, see `Attention.attend`;
    `num_best`, int64 `(1,)`; and the encoder's outputs, of which the states are
    replaced by those of the previous step.

    Outputs: `log_probs`, `(N, num_best)`, the best first; `best_ids`, int64, likewise;
    `attention_weights`, `(N, S)`; and the states of all rows, `new_state_0`, ... . With
    gates, those of each layer: `gates_0_update_gate`, `(N, U)`, ... .
    """
    ids, rows, places = (
        graph.input(name, np.int64, ["N"]) for name in ("ids", "rows", "places")
    )
    grid = graph.input("grid", np.int64, ["B", "P"])
    num_best = graph.input("num_best", np.int64, [1])
    memory = [
        graph.input(name, np.float32, ["B", *(f"{name}_{axis}" for axis in (1, 2, 3))])
        for name in ("keys", "values", "mask_scores")
    ]
    decoder_class = {"parallel": _ParallelStep, "classic": _ClassicStep}
    step = decoder_class[config.wiring](weights, config, vocabulary_size)
    states = [
        take(graph.input(f"state_{index}", np.float32, ["M", width]), rows)
        for index, width in enumerate(step.state_widths)
    ]
    features, states, attention_weights = step.advance(
        ids, states, lambda query: step.attention.attend(query, memory, grid, places)
    )
    blocks, num_blocks = step.log_probs(features)
    log_probs, best_ids = _best(blocks, num_blocks, num_best)
    graph.output("log_probs", log_probs, ["N", "num_best"])
    graph.output("best_ids", best_ids, ["N", "num_best"], np.int64)
    graph.output("attention_weights", attention_weights, ["N", "S"])
    for index, (state, width) in enumerate(zip(states, step.state_widths, strict=True)):
        graph.output(f"new_state_{index}", state, ["N", width])
    for index, cell in enumerate(step.cells if with_gates else []):
        for part, gate in cell.last_gates._asdict().items():
            graph.output(f"gates_{index}_{part}", gate, ["N", cell.units])


class _Step(ABC):
    """What both wirings share: their weights, and the output layer."""

    def __init__(self, weights: Weights, config: ModelConfig, vocabulary_size: int):
        units, embedding_dim = config.decoder_units, config.embedding_dim
        self.units = units
        self.attention = Attention(weights, config)
        self.cells = [
            Cell(
                weights,
                self._path_of_cell(index),
                self._input_dim(index, config),
                units,
                config,
            )
            for index in range(config.num_decoder_layers)
        ]
        self.state_widths = [units] * config.num_decoder_layers
        embeddings = weights.embeddings("target", config, vocabulary_size)
        first = self.cells[0]
        # The part of the first layer's input that is known for each token: (V, 3U).
        self.table = embeddings @ first.kernel[:embedding_dim] + first.product_bias
        readout_dim = units + self.attention.context_dim
        self.readout = weights.dense("decoder/readout", readout_dim, embedding_dim)
        owner = "target" if config.tie_embeddings else "output"
        sizes = vocabulary_size, embedding_dim
        self.output_kernel = weights.get(f"{owner}_embedding/embeddings", *sizes).T
        self.output_bias = weights.get(f"{owner}_embedding/output_bias", sizes[0])

    @abstractmethod
    def advance(self, ids: Tensor, states: list[Tensor], attend: Attend):
        """Returns features `(N, E)`, the new states, the attention weights."""

    def log_probs(self, features: Tensor) -> tuple[Tensor, int]:
        """Returns those of all tokens, `(N, blocks, _BLOCK_SIZE)`, and the blocks."""
        padding = -len(self.output_bias) % _BLOCK_SIZE
        kernel = np.pad(self.output_kernel, [(0, 0), (0, padding)])
        bias = np.pad(self.output_bias, (0, padding), constant_values=-np.inf)
        num_blocks = len(bias) // _BLOCK_SIZE
        log_probs = log_softmax(features.graph.dense(features, kernel, bias, bound=1))
        return reshape(log_probs, [0, num_blocks, _BLOCK_SIZE]), num_blocks


class _ParallelStep(_Step):
    """As `layers.decoder.ParallelDecoder`."""

    def _path_of_cell(self, index: int) -> str:
        return f"decoder/gru_{index}/gru_cell"

    def _input_dim(self, index: int, config: ModelConfig) -> int:
        widths = {0: config.embedding_dim, 1: self.units + self.attention.context_dim}
        return widths.get(index, self.units)

    def advance(self, ids: Tensor, states: list[Tensor], attend: Attend):
        first, second, *upper = self.cells
        units, fold = self.units, self.attention.fold
        readout_kernel, readout_bias = self.readout
        kernel, bias = fold(second.kernel[units:], second.product_bias)
        context_readout_kernel, readout_bias = fold(
            readout_kernel[units:], readout_bias
        )
        product = ids.graph.rows(self.table, ids)
        outputs = first.step(first.project(product), states[0])
        new_states = [outputs]
        query, product = _query_and_product(
            outputs, self.attention.query, (second.kernel[:units], bias)
        )
        heads, attention_weights = attend(query)
        context_product, context_readout = _products(
            heads, [(kernel, None), (context_readout_kernel, None)]
        )
        outputs = second.step(second.project(product + context_product), states[1])
        new_states.append(outputs)
        outputs = _stack(upper, outputs, states[2:], new_states)
        readout = outputs.graph.dense(
            outputs, readout_kernel[:units], readout_bias, bound=1
        )
        return tanh(readout + context_readout), new_states, attention_weights


class _ClassicStep(_Step):
    """As `layers.decoder.ClassicDecoder`.

    The last state is what the context vector adds to the first layer's input, its
    product with the kernel: zero at the start, as the context vector is.
    """

    def __init__(self, weights: Weights, config: ModelConfig, vocabulary_size: int):
        super().__init__(weights, config, vocabulary_size)
        self.state_widths.append(3 * self.units)
        self.embedding_dim = config.embedding_dim

    def _path_of_cell(self, index: int) -> str:
        return f"decoder/cell_{index}"

    def _input_dim(self, index: int, config: ModelConfig) -> int:
        first = config.embedding_dim + self.attention.context_dim
        return self.units if index else first

    def advance(self, ids: Tensor, states: list[Tensor], attend: Attend):
        first, *upper = self.cells
        units, fold = self.units, self.attention.fold
        readout_kernel, readout_bias = self.readout
        *states, fed = states
        product = ids.graph.rows(self.table, ids) + fed
        outputs = first.step(first.project(product), states[0])
        new_states = [outputs]
        outputs = _stack(upper, outputs, states[1:], new_states)
        query, readout = _query_and_product(
            outputs, self.attention.query, (readout_kernel[:units], readout_bias)
        )
        heads, attention_weights = attend(query)
        context_readout, fed = _products(
            heads,
            [fold(readout_kernel[units:]), fold(first.kernel[self.embedding_dim :])],
        )
        features = tanh(readout + context_readout)
        return features, [*new_states, fed], attention_weights


def _stack(
    cells: Sequence[Cell],
    outputs: Tensor,
    states: Sequence[Tensor],
    new_states: list[Tensor],
) -> Tensor:
    """Runs further layers over the outputs of one, and adds their states."""
    for cell, state in zip(cells, states, strict=True):
        dense = outputs.graph.dense
        product = dense(outputs, cell.kernel, cell.product_bias, bound=1)
        outputs = cell.step(cell.project(product), state)
        new_states.append(outputs)
    return outputs


def _query_and_product(outputs: Tensor, query_projection, other) -> list[Tensor]:
    """Returns the query of some GRU outputs, and another product with them."""
    if query_projection is None:
        return [outputs, *_products(outputs, [other], bound=1)]
    return _products(outputs, [query_projection, other], bound=1)


def _products(x: Tensor, layers: Sequence[tuple], bound=None) -> list[Tensor]:
    """Returns x W + b for several kernels W and biases b (or none), by one product."""
    kernels, biases = zip(*layers, strict=True)
    bias = None if any(bias is None for bias in biases) else np.hstack(biases)
    product = x.graph.dense(x, np.hstack(kernels), bias, bound)
    return split(product, [kernel.shape[1] for kernel in kernels])


def _best(blocks: Tensor, num_blocks: int, num_best: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the best of each row, sorted, and their places in it: `(N, num_best)`.

    The best k are in the k blocks whose best are best: all others need not be sorted.

    Args:
        blocks: Shape `(N, num_blocks, _BLOCK_SIZE)`.
    """
    graph = blocks.graph
    count = graph.node("Min", num_best, np.array([num_blocks]))
    _, best_blocks = top(largest(blocks, axis=2), count, is_sorted=False)
    candidates = graph.node("GatherND", blocks, add_axis(best_blocks, 2), batch_dims=1)
    best, places = top(flatten(candidates, axis=1), num_best)
    block_size = np.array(_BLOCK_SIZE)
    chosen_blocks = graph.node(
        "GatherElements", best_blocks, places / block_size, axis=1
    )
    return best, chosen_blocks * block_size + graph.node("Mod", places, block_size)
