"""Texts in, translations out: a trained model with its tokenizer and its search.

Shapes: B batch, S source length, N rows of a step, V vocabulary size.
"""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import tensorflow as tf

from translator.array_search import Continuations, HypothesisArrays, Rows, Step
from translator.checkpoints import BEST_NAME, load_weights, variable_arrays
from translator.config import Config, SearchConfig
from translator.errors import UserError
from translator.light.weights import Weights
from translator.model import Seq2Seq, build_model
from translator.placeholders import NO_NAMES, CapitalRule
from translator.search import Hypotheses, StepResult, beam_search
from translator.subword_translator import SubwordTranslator, TranslatorParts, load_parts
from translator.text import MAX_SENTENCE_CHARACTERS
from translator.tokenizer import PAD_ID, Tokenizer

# What a search may be told besides its beam size.
_NUMBERS = ("length_penalty", "max_length_factor", "max_length_extra")


class Network(Protocol):
    """What a search needs: a `Seq2Seq`, or several of them in an `Ensemble`."""

    def encode(self, source_ids, source_mask) -> tuple[Any, Any]: ...

    def step(self, ids, state, memory) -> StepResult: ...


class Ensemble:
    """Several networks that write one translation together.

    The probability of the next token is the mean of theirs, and so is the attention.

    Source: Sutskever et al. 2014, section 3.6.

    Args:
        models: Networks over one vocabulary, such as those of runs that differ in the
            seed.
    """

    def __init__(self, models: Sequence[Seq2Seq]):
        self.models = tuple(models)

    def encode(self, source_ids, source_mask):
        """Returns the memories of all networks, and their states."""
        pairs = [model.encode(source_ids, source_mask) for model in self.models]
        return tuple(zip(*pairs, strict=True))

    def step(self, ids, state, memory):
        """Advances all networks by the same token.

        Returns:
            `StepResult`, whose logits are log-probabilities.
        """
        results = [
            model.step(ids, *own)
            for model, *own in zip(self.models, state, memory, strict=True)
        ]
        log_probs = [tf.nn.log_softmax(result.logits) for result in results]  # (N, V)
        num_models = len(self.models)
        return StepResult(
            tf.reduce_logsumexp(log_probs, axis=0) - np.log(np.float32(num_models)),
            tuple(result.state for result in results),
            tf.add_n([result.attention_weights for result in results]) / num_models,
        )


def search_translations(
    model: Network, source_ids: tf.Tensor, search: SearchConfig
) -> Hypotheses:
    """Encodes a batch and searches for its translations, all in the graph.

    Args:
        model: The network.
        source_ids: int32, shape `(batch_size, source_length)`, padded with `PAD_ID`;
            each row ends in EOS.
        search: Beam size, penalty and the bound on the length.
    """
    source_mask = source_ids != PAD_ID
    source_lengths = tf.reduce_sum(tf.cast(source_mask, tf.int32), axis=1)
    max_lengths = tf.cast(
        search.max_length_factor * tf.cast(source_lengths, tf.float32), tf.int32
    )
    memory, state = model.encode(source_ids, source_mask)
    return beam_search(
        model.step,
        state,
        memory,
        max_lengths + search.max_length_extra,
        beam_size=search.beam_size,
        length_penalty=search.length_penalty,
    )


class Translator(SubwordTranslator):
    """Translates texts with a trained model.

    Args:
        model: The network, with its weights; or several.
        tokenizer: The subwords it was trained on.
        config: Options of its run.
        name: What to call it.
        card: Its model card, Markdown.
        capital_rule, max_sentence_characters: See `SubwordTranslator`.

    Example:
        >>> translator = Translator.load("data/models/en-es")    # doctest: +SKIP
        >>> translator.translate(["Where is the station?"])[0].text  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Network,
        tokenizer: Tokenizer,
        config: Config,
        name: str = "",
        card: str = "",
        capital_rule: CapitalRule = NO_NAMES,
        max_sentence_characters: int = MAX_SENTENCE_CHARACTERS,
    ):
        super().__init__(
            tokenizer, config, name, card, capital_rule, max_sentence_characters
        )
        self.model = model
        self.has_gates = isinstance(model, Seq2Seq)
        self._searches: dict[int, Callable[..., Hypotheses]] = {}  # by beam size
        self._process = os.getpid()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Loads a run folder.

        Raises:
            UserError: No run folder, a damaged file, or files that do not belong
                together.
        """
        path = Path(path)
        if (path / "encoder.onnx").exists():
            raise UserError(
                f"{path} is an ONNX folder, and no run folder. Load it with "
                "`load_translator`, which takes both."
            )
        parts = load_parts(path)
        translator = cls(_load_model(path, parts), *parts)
        translator.folder = path
        return translator

    @classmethod
    def load_ensemble(cls, paths: Sequence[str | Path]) -> Self:
        """Loads run folders that share a vocabulary, to translate together.

        Name, card and options are those of the first.

        Raises:
            UserError: As `load`; or the vocabularies or the languages differ.
        """
        paths = [Path(path).resolve() for path in paths]
        parts = [load_parts(path) for path in paths]
        first = parts[0]
        for path, own in zip(paths, parts, strict=True):
            if own.tokenizer.checksum != first.tokenizer.checksum:
                raise UserError(
                    f"{path} and {paths[0]} have different vocabularies, so they "
                    "cannot translate together. Use runs of the same corpus and "
                    "vocabulary_size."
                )
            if own.languages != first.languages:
                raise UserError(
                    f"{path} translates {' to '.join(own.languages)}, and {paths[0]} "
                    f"{' to '.join(first.languages)}: they cannot translate together."
                )
        translator = cls(Ensemble(list(map(_load_model, paths, parts))), *first)
        translator.folder, translator.others = paths[0], tuple(paths[1:])
        return translator

    def __reduce__(self):
        """As of any translator; an ensemble as its folders."""
        if not self.others:
            return super().__reduce__()
        return type(self).load_ensemble, ([self.folder, *self.others],)

    def gate_readings(
        self, source_ids: list[int], read_ids: list[int]
    ) -> Sequence[tuple]:
        """See `SubwordTranslator`; of the weights as they are now."""
        if not self.has_gates:
            return super().gate_readings(source_ids, read_ids)
        from translator.light.gates import GateReader

        weights = Weights(variable_arrays(self.model.weights), self.name)
        vocabulary_size = self.tokenizer.vocabulary_size
        reader = GateReader(weights, self.config.model, vocabulary_size)
        return reader.read(source_ids, read_ids)

    def search_batch(
        self, source_ids: np.ndarray, search: SearchConfig
    ) -> HypothesisArrays:
        """Encodes a batch and searches for its translations, in the graph."""
        self._check_process()
        # As arrays: TensorFlow keeps a tensor for each float that it has ever seen.
        numbers = (np.float32(getattr(search, name)) for name in _NUMBERS)
        found = self._search(search.beam_size)(source_ids, *map(tf.constant, numbers))
        return HypothesisArrays(*(part.numpy() for part in found))

    def begin(self, source_ids: np.ndarray) -> tuple[Step, Any]:
        """Encodes a batch: see `SubwordTranslator`."""
        self._check_process()
        source_ids = tf.constant(source_ids, tf.int32)
        memory, state = self._encode(source_ids)

        def advance(rows: Rows, state: Any, num_best: int) -> Continuations:
            arguments = (tf.constant(part, tf.int32) for part in (*rows, num_best))
            *found, state = self._advance(*arguments, state, memory)
            return Continuations(*(part.numpy() for part in found), state)

        return advance, state

    def _check_process(self) -> None:
        """Raises a UserError in a fork of the process, where TensorFlow would wait for
        threads that are not there, without an end."""
        if os.getpid() != self._process:
            raise UserError(
                "TensorFlow does not survive a fork of the process. Load the model in "
                "each worker, start workers by spawn, or use an ONNX export."
            )

    @cached_property
    def _encode(self):
        """`Network.encode` as a graph."""
        return tf.function(
            lambda source_ids: self.model.encode(source_ids, source_ids != PAD_ID),
            input_signature=[tf.TensorSpec([None, None], tf.int32)],
            autograph=False,
        )

    @cached_property
    def _advance(self):
        """A step of `array_search` as a graph, traced once."""
        # What the encoder returns, with the sizes that differ from call to call open.
        memory, state = tf.nest.map_structure(
            lambda x: tf.TensorSpec(x.shape, x.dtype),
            self._encode.get_concrete_function().structured_outputs,
        )
        rows, count = (tf.TensorSpec(shape, tf.int32) for shape in ([None], []))

        def advance(ids, parents, sentences, num_best, state, memory):
            # One row of the memory for each row of the step.
            state, memory = (
                tf.nest.map_structure(lambda x, rows=rows: tf.gather(x, rows), part)
                for part, rows in ((state, parents), (memory, sentences))
            )
            result = self.model.step(ids, state, memory)
            log_probs = tf.nn.log_softmax(result.logits)  # (N, V)
            num_best = tf.minimum(num_best, tf.shape(log_probs)[1])
            best, ids = tf.math.top_k(log_probs, num_best)
            return best, ids, result.attention_weights, result.state

        return tf.function(
            advance,
            input_signature=[rows, rows, rows, count, state, memory],
            autograph=False,
        )

    def _search(self, beam_size: int) -> Callable[..., Hypotheses]:
        """Returns the traced search with a beam, made at its first use.

        Numbers of any value are its inputs, so that no client makes it trace anew.
        """
        if beam_size not in self._searches:

            def find(source_ids, *numbers):
                options = dict(zip(_NUMBERS, numbers, strict=True))
                options["max_length_extra"] = tf.cast(numbers[-1], tf.int32)
                search = SearchConfig(beam_size=beam_size).model_copy(update=options)
                return search_translations(self.model, source_ids, search)

            traced = tf.function(
                find,
                input_signature=[
                    tf.TensorSpec([None, None], tf.int32),
                    *[tf.TensorSpec([], tf.float32)] * len(_NUMBERS),
                ],
                jit_compile=False,
                autograph=False,
            )
            # Of threads that come at the same time, one gives the function to all.
            self._searches.setdefault(beam_size, traced)
        return self._searches[beam_size]


def _load_model(path: Path, parts: TranslatorParts) -> Seq2Seq:
    model = build_model(parts.config.model, parts.tokenizer.vocabulary_size)
    load_weights(model, path / BEST_NAME)
    return model
