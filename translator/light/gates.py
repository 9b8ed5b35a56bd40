"""The gates of every GRU while a sentence and its translation are read, without
TensorFlow: the graphs of `light.network`, which here give away what their cells do.

Shapes: S source length, T target length, U units.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from translator.config import ModelConfig
from translator.light.gru import Gates
from translator.light.network import make_graphs
from translator.light.runtime import MEMORY_NAMES, open_graph
from translator.light.weights import Weights


class Reading(NamedTuple):
    """What a GRU did with the tokens that it read; each float32, shape `(T, U)`.

    Fields:
        name: Which one, such as `encoder 1, forward`.
        ids: The T tokens, in the order in which it read them.
        update_gate, reset_gate, candidate_state: See `layers.gru.Gates`.
        previous_state: The state before each.
        state: The state after it.
    """

    name: str
    ids: list[int]
    update_gate: np.ndarray
    reset_gate: np.ndarray
    candidate_state: np.ndarray
    previous_state: np.ndarray
    state: np.ndarray


class GateReader:
    """Reads sentences once more, and notes every gate.

    Args:
        weights: Of one network.
        config: Its options.
        vocabulary_size: Number of subwords.
    """

    def __init__(self, weights: Weights, config: ModelConfig, vocabulary_size: int):
        graphs = make_graphs(weights, config, vocabulary_size, with_gates=True)
        self._config = config
        self._encoder, self._step = map(open_graph, graphs)

    def read(self, source_ids: list[int], read_ids: list[int]) -> list[Reading]:
        """Returns what each GRU did: the encoder's from the lowest layer, then the
        decoder's.

        Args:
            source_ids: S tokens, EOS at the end.
            read_ids: T tokens that the decoder reads: BOS, and the translation's.
        """
        inputs = {
            "source_ids": np.array([source_ids]),
            "source_lengths": np.array([len(source_ids)], np.int32),
        }
        encoded = _run(self._encoder, inputs)
        return [
            *self._encoder_readings(encoded, source_ids),
            *self._decoder_readings(encoded, read_ids),
        ]

    def _encoder_readings(self, encoded, source_ids: list[int]) -> Iterator[Reading]:
        for index in range(self._config.num_encoder_layers):
            for way, order in (("forward", 1), ("backward", -1)):
                state, *gates = (
                    encoded[f"{way}_{index}_{part}"][::order, 0]
                    for part in ("state", *Gates._fields)
                )
                previous = np.concatenate([np.zeros_like(state[:1]), state[:-1]])
                name = f"encoder {index + 1}, {way}"
                yield Reading(name, source_ids[::order], *gates, previous, state)

    def _decoder_readings(self, encoded, read_ids: list[int]) -> Iterator[Reading]:
        inputs = {name: encoded[name] for name in MEMORY_NAMES}
        inputs |= {"rows": np.zeros(1, np.int64), "places": np.zeros(1, np.int64)}
        inputs |= {"grid": np.zeros((1, 1), np.int64), "num_best": np.ones(1, np.int64)}
        states = {name: encoded[name] for name in encoded if name.startswith("state_")}
        steps = []
        for token_id in read_ids:
            found = _run(self._step, inputs | states | {"ids": np.array([token_id])})
            steps.append(found | states)
            states = {name: found[f"new_{name}"] for name in states}
        for index in range(self._config.num_decoder_layers):
            *gates, previous, state = (
                np.concatenate([step[name] for step in steps])
                for name in (
                    *(f"gates_{index}_{part}" for part in Gates._fields),
                    f"state_{index}",
                    f"new_state_{index}",
                )
            )
            yield Reading(f"decoder {index + 1}", read_ids, *gates, previous, state)


def _run(session, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs a graph; returns its outputs by their names."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))
