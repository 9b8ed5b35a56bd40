"""The translator over ONNX graphs: onnxruntime for the network, NumPy for the search.

Shapes: B batch, S source length, M rows of the previous step, N rows of this one, P
places (the most rows that a sentence of the batch has).
"""

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from translator.array_search import (
    Continuations,
    HypothesisArrays,
    Rows,
    Step,
)
from translator.checkpoints import BEST_NAME, load_arrays, load_run_config
from translator.config import SearchConfig
from translator.errors import UserError
from translator.light.weights import Weights
from translator.subword_translator import SubwordTranslator, TranslatorParts, load_parts
from translator.tokenizer import PAD_ID

if TYPE_CHECKING:
    from translator.light.gates import GateReader

ENCODER_NAME = "encoder.onnx"
STEP_NAME = "step.onnx"
FORMAT_VERSION = 1
MEMORY_NAMES = ("keys", "values", "mask_scores")
# Share of the memory's sentences that must be over before they are dropped from it:
# below, the copy costs more than it saves.
_LEAST_SHARE_OVER = 0.25

# What onnxruntime raises for a file that is missing, cut off or none.
_LOAD_ERRORS = (
    OSError,
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NoSuchFile,
    errors.NotImplemented,
)


class _State(NamedTuple):
    """What is carried from step to step.

    Fields:
        memory: Arrays of `MEMORY_NAMES`, one row a sentence.
        memory_rows: int64, shape `(batch_size,)`: each sentence's row in them.
        states: The decoder's states, each `(M, ...)`.
    """

    memory: list[np.ndarray]
    memory_rows: np.ndarray
    states: list[np.ndarray]


class OnnxTranslator(SubwordTranslator):
    """Translates texts without TensorFlow: with a run, or what `export_onnx` wrote.

    Args:
        encoder: Session of the encoder's graph.
        step: Session of the decoder step's graph.
        parts: Tokenizer, options, name and card.
        num_threads: How many batches are searched at the same time.
        weights: Those of the run that the graphs were made from. Without them gates
            cannot be read.

    Example:
        >>> translator = OnnxTranslator.load("exports/en-es")  # doctest: +SKIP
        >>> translator.translate(["Where is the station?"])[0].text  # doctest: +SKIP
    """

    # As fast as twice as many, in half the memory.
    max_rows = 160

    def __init__(
        self,
        encoder: onnxruntime.InferenceSession,
        step: onnxruntime.InferenceSession,
        parts: TranslatorParts,
        num_threads: int | None = None,
        weights: Weights | None = None,
    ):
        super().__init__(*parts, num_threads)
        self._encoder = encoder
        self._step = step
        self._weights = weights
        self.has_gates = weights is not None

    @classmethod
    def load(cls, path: str | Path, num_threads: int | None = None) -> Self:
        """Loads an ONNX folder; or a run folder, whose graphs are made in memory.

        Raises:
            UserError: No such folder, a damaged file, files that do not belong
                together, or a newer format.
        """
        path = Path(path)
        parts = load_parts(path)
        _, facts = load_run_config(path)
        weights = None
        is_run = "onnx_format" not in facts and not (path / ENCODER_NAME).exists()
        if is_run:
            # Whoever has an ONNX folder needs no package that writes one.
            if not find_spec("onnx"):
                raise UserError(
                    f"{path} is a run folder, and loading one needs the package onnx. "
                    "Install it, or make an ONNX folder of it with `translator export`."
                )
            from translator.light.network import make_graphs

            weights = Weights(load_arrays(path / BEST_NAME), str(path / BEST_NAME))
            graphs = make_graphs(
                weights, parts.config.model, parts.tokenizer.vocabulary_size
            )
        elif facts.get("onnx_format") != FORMAT_VERSION:
            raise UserError(
                f"{path} should be an ONNX folder of format {FORMAT_VERSION}. "
                f"Received: format {facts.get('onnx_format')}. Export it again with "
                "this version."
            )
        else:
            graphs = (path / ENCODER_NAME, path / STEP_NAME)
        translator = cls(*map(open_graph, graphs), parts, num_threads, weights)
        translator.folder = path
        return translator

    def gate_readings(
        self, source_ids: list[int], read_ids: list[int]
    ) -> Sequence[tuple]:
        """See `SubwordTranslator`."""
        if not self.has_gates:
            return super().gate_readings(source_ids, read_ids)
        return self._gate_reader.read(source_ids, read_ids)

    @cached_property
    def _gate_reader(self) -> "GateReader":
        """Made at the first look at the gates."""
        from translator.light.gates import GateReader

        vocabulary_size = self.tokenizer.vocabulary_size
        return GateReader(self._weights, self.config.model, vocabulary_size)

    def search_batch(
        self, source_ids: np.ndarray, search: SearchConfig
    ) -> HypothesisArrays:
        """Encodes a batch and searches for its translations, on the calling thread."""
        return self.search_behind(source_ids, search)

    def begin(self, source_ids: np.ndarray) -> tuple[Step, _State]:
        """Encodes a batch: see `SubwordTranslator`."""
        lengths = (source_ids != PAD_ID).sum(axis=1, dtype=np.int32)
        inputs = {"source_ids": source_ids.astype(np.int64), "source_lengths": lengths}
        outputs = self._encoder.run(None, inputs)
        num_memory = len(MEMORY_NAMES)
        memory, states = outputs[:num_memory], outputs[num_memory:]
        return self._advance, _State(memory, np.arange(len(lengths)), states)

    def _advance(self, rows: Rows, state: _State, num_best: int) -> Continuations:
        """The step function of the search."""
        state = _drop_finished(rows, state)
        grid, places = _places(state.memory_rows[rows.sentences], len(state.memory[0]))
        inputs = {
            "ids": rows.ids,
            "rows": rows.parents,
            "places": places,
            "grid": grid,
            "num_best": np.array([min(num_best, self.tokenizer.vocabulary_size)]),
        }
        inputs |= zip(MEMORY_NAMES, state.memory, strict=True)
        inputs |= {f"state_{i}": value for i, value in enumerate(state.states)}
        log_probs, ids, weights, *states = self._step.run(None, inputs)
        return Continuations(log_probs, ids, weights, state._replace(states=states))


def _drop_finished(rows: Rows, state: _State) -> _State:
    """Drops sentences without a live row from the memory, where that pays."""
    num_sentences = len(state.memory[0])
    if num_sentences == 1:
        return state
    live = np.unique(rows.sentences)
    if len(live) > (1 - _LEAST_SHARE_OVER) * num_sentences:
        return state
    memory = [array[state.memory_rows[live]] for array in state.memory]
    memory_rows = np.zeros_like(state.memory_rows)
    memory_rows[live] = np.arange(len(live))
    return _State(memory, memory_rows, state.states)


def _places(owners: np.ndarray, num_owners: int) -> tuple[np.ndarray, np.ndarray]:
    """Puts rows on a grid, those of one owner beside each other.

    Args:
        owners: int64, shape `(N,)`, ascending: the owner of each row.

    Returns:
        The row at each place, `(num_owners, P)`, any one where there is none; and the
        place of each row, `(N,)`, counted through the grid.
    """
    numbers = np.arange(len(owners))
    if num_owners == 1:
        return numbers[None], numbers
    counts = np.bincount(owners, minlength=num_owners)
    width = counts.max()
    first = counts.cumsum() - counts
    places = owners * width + numbers - first[owners]
    grid = np.zeros(num_owners * width, np.int64)
    grid[places] = numbers
    return grid.reshape(num_owners, width), places


def open_graph(graph: Path | bytes) -> onnxruntime.InferenceSession:
    """Opens a graph, to run on the thread that calls it.

    Raises:
        UserError: The file is missing or damaged.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it remembers one for each shape of the inputs
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        return onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
    except _LOAD_ERRORS as error:
        raise UserError(
            f"{graph} cannot be loaded as an ONNX graph: {str(error).splitlines()[0]}."
        ) from None
