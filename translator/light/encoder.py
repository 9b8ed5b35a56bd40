"""The encoder as an ONNX graph: a source to what the decoder's steps need of it.

Shapes: B batch, S source length, E embedding dim, U units of one direction.
"""

from collections.abc import Sequence

import numpy as np
import onnx

from translator.config import ModelConfig
from translator.light.attention import Attention
from translator.light.graph import (
    Graph,
    Tensor,
    add_axis,
    concat,
    flatten,
    reshape,
    split,
    tanh,
    transpose,
    where,
)
from translator.light.gru import Cell, Gates
from translator.light.weights import Weights

# Score of a position that is none: its weight is exactly 0 in float32.
_LOWEST = np.float32(-1e9)


def write_encoder(
    graph: Graph,
    weights: Weights,
    config: ModelConfig,
    vocabulary_size: int,
    *,
    with_gates: bool = False,
) -> None:
    """Writes embedding, encoder, bridge and the attention's memory into a graph.

    Inputs: `source_ids`, int64 `(B, S)`; `source_lengths`, int32 `(B,)`, each at least
    1. Padding comes last and changes nothing.

    Outputs: `keys` and `values`, see `Attention.memory`; `mask_scores`, `(B, 1, 1, S)`,
    0 at tokens and very low at padding; the decoder's first states `state_0`,
    `state_1`, ... . With gates, what each cell does: `forward_0_update_gate`,
    `(S, B, U)`, ... , and `forward_0_state`.
    """
    source_ids = graph.input("source_ids", np.int64, ["B", "S"])
    lengths = graph.input("source_lengths", np.int32, ["B"])
    embeddings = weights.embeddings("source", config, vocabulary_size)
    is_token = graph.node("Less", _positions(source_ids), add_axis(lengths, 1))
    outputs = graph.rows(embeddings, transpose(source_ids, [1, 0]))  # (S, B, E)
    for index in range(config.num_encoder_layers):
        cells = _encoder_cells(weights, config, index)
        if with_gates:
            names = [f"{way}_{index}" for way in ("forward", "backward")]
            layer_outputs, last = _scan_layer(outputs, cells, lengths, is_token, names)
        else:
            run = _scan_layer if config.layer_normalization else _gru_layer
            layer_outputs, last = run(outputs, cells, lengths, is_token)
        outputs = layer_outputs + outputs if index else layer_outputs  # (S, B, 2U)
    keys, values = Attention(weights, config).memory(transpose(outputs, [1, 0, 2]))
    mask_scores = where(add_axis(is_token, 1, 2), np.float32(0), _LOWEST)
    graph.output("keys", keys, ["B", None, None, None])
    graph.output("values", values, ["B", None, "S", None])
    graph.output("mask_scores", mask_scores, ["B", 1, 1, "S"])
    _write_bridge(graph, weights, config, last)


def _encoder_cells(weights: Weights, config: ModelConfig, index: int) -> list[Cell]:
    """Returns the forward and the backward cell of a layer."""
    units = config.encoder_units
    input_dim = 2 * units if index else config.embedding_dim
    path = f"encoder/layer_{index}"
    return [
        Cell(weights, f"{path}/{way}_gru_{index}/gru_cell", input_dim, units, config)
        for way in ("forward", "backward")
    ]


def _gru_layer(inputs: Tensor, cells: list[Cell], lengths: Tensor, is_token: Tensor):
    """Runs two cells over `(S, B, D)` inputs, one from each end, by ONNX's GRU.

    Returns:
        The outputs, `(S, B, 2U)`, zero on padding; the last states, `(B, 2U)`.
    """
    units = cells[0].units
    outputs, states = inputs.graph.node(
        "GRU",
        inputs,
        np.stack([cell.kernel.T for cell in cells]),
        np.stack([cell.recurrent_kernel.T for cell in cells]),
        np.stack([np.concatenate([c.bias, c.recurrent_bias]) for c in cells]),
        lengths,
        num_outputs=2,
        direction="bidirectional",
        hidden_size=units,
        linear_before_reset=int(cells[0].reset_after),
    )  # (S, 2, B, U), (2, B, U)
    outputs = reshape(transpose(outputs, [0, 2, 1, 3]), [0, 0, 2 * units])
    return outputs, flatten(transpose(states, [1, 0, 2]), axis=1)


def _scan_layer(
    inputs: Tensor,
    cells: list[Cell],
    lengths: Tensor,
    is_token: Tensor,
    names: Sequence[str] = (),
):
    """As `_gru_layer`, with a loop over `Cell.step`: for layer normalisation.

    Args:
        names: Of the cells, if their states and gates are to be outputs.
    """
    graph = inputs.graph
    mask = add_axis(transpose(is_token, [1, 0]), 2)  # (S, B, 1)
    sizes = graph.node("Shape", inputs, start=0, end=2)
    all_outputs, last_states = [], []
    for cell, direction in zip(cells, (0, 1), strict=True):
        width = 3 * cell.units
        product = graph.dense(flatten(inputs, 2), cell.kernel, cell.product_bias)
        projected = cell.project(product)
        projected = reshape(projected, concat([sizes, graph.constant([width])]))
        first_state = graph.node(
            "Expand", np.zeros((1, cell.units), np.float32), _batch_by_one(lengths)
        )
        num_steps_outputs = 1 + len(Gates._fields) if names else 1
        last, outputs, *gates = graph.node(
            "Scan",
            first_state,
            projected,
            mask,
            num_outputs=1 + num_steps_outputs,
            body=_scan_body(cell, f"body_of_{projected.name}", bool(names)),
            num_scan_inputs=2,
            scan_input_directions=[direction] * 2,
            scan_output_directions=[direction] * num_steps_outputs,
        )
        all_outputs.append(outputs)
        last_states.append(last)
        if names:
            parts = zip(("state", *Gates._fields), (outputs, *gates), strict=True)
            for part, tensor in parts:
                graph.output(
                    f"{names[direction]}_{part}", tensor, ["S", "B", cell.units]
                )
    return concat(all_outputs), concat(last_states)


def _scan_body(cell: Cell, name: str, with_gates: bool) -> Graph:
    """One step that padding leaves out: the state stays, the output is zero."""
    body = Graph(name)
    state = body.input(f"{name}/state", np.float32, ["B", cell.units])
    projected = body.input(f"{name}/projected", np.float32, ["B", 3 * cell.units])
    is_token = body.input(f"{name}/is_token", np.bool_, ["B", 1])
    new_state = cell.step(projected, state)
    shape = ["B", cell.units]
    body.output(f"{name}/new_state", where(is_token, new_state, state), shape)
    output = where(is_token, new_state, np.float32(0))
    body.output(f"{name}/output", output, shape)
    for part, gate in cell.last_gates._asdict().items() if with_gates else ():
        body.output(f"{name}/{part}", gate, shape)
    return body


def _write_bridge(graph, weights: Weights, config: ModelConfig, last: Tensor) -> None:
    """Writes the decoder's first states, of the encoder's last ones, `(B, 2U)`."""
    units, num_layers = config.decoder_units, config.num_decoder_layers
    kernel, bias = weights.dense(
        "bridge/projection", 2 * config.encoder_units, units * num_layers
    )
    states = split(tanh(graph.dense(last, kernel, bias)), [units] * num_layers)
    if config.wiring == "classic":  # nothing was looked at yet
        nothing = np.zeros((1, 3 * units), np.float32)
        states.append(graph.node("Expand", nothing, _batch_by_one(last)))
    for index, state in enumerate(states):
        graph.output(f"state_{index}", state, ["B", None])


def _batch_by_one(tensor: Tensor) -> Tensor:
    """The shape `(B, 1)` of a tensor whose first axis is B."""
    graph = tensor.graph
    sizes = graph.node("Shape", tensor, start=0, end=1)
    return concat([sizes, graph.constant([1])])


def _positions(source_ids: Tensor) -> Tensor:
    """0, 1, ... for `(B, S)` ids: int32 `(S,)`."""
    graph = source_ids.graph
    length = graph.node("Squeeze", graph.node("Shape", source_ids, start=1))
    length = graph.node("Cast", length, to=onnx.TensorProto.INT32)
    return graph.node("Range", np.int32(0), length, np.int32(1))
