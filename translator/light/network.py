"""The network of a run as two ONNX graphs, in memory."""

from translator.config import ModelConfig
from translator.light.decoder import write_step
from translator.light.encoder import write_encoder
from translator.light.graph import Graph, Int8Graph, Int8TableGraph
from translator.light.weights import Weights


def make_graphs(
    weights: Weights,
    config: ModelConfig,
    vocabulary_size: int,
    *,
    is_int8: bool = False,
    with_gates: bool = False,
) -> tuple[bytes, bytes]:
    """Returns the encoder and the decoder's step, as they stand in an ONNX folder.

    Args:
        weights: Those that training kept.
        config: Options of the network.
        vocabulary_size: Number of subwords.
        is_int8: See `export_onnx`.
        with_gates: Whether they give away what their cells do, for `light.gates`.

    Raises:
        UserError: The weights are not those of such a network.
    """
    encoder = (Int8TableGraph if is_int8 else Graph)("encoder")
    step = (Int8Graph if is_int8 else Graph)("step")
    for graph, write in ((encoder, write_encoder), (step, write_step)):
        write(graph, weights, config, vocabulary_size, with_gates=with_gates)
    return encoder.model().SerializeToString(), step.model().SerializeToString()
