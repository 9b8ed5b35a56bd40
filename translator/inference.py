"""Texts in, translations out: a trained model with its tokenizer and its search.

Shapes: B batch, S source length.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import tensorflow as tf

from translator.checkpoints import BEST_NAME, load_weights
from translator.config import Config, SearchConfig
from translator.model import Seq2Seq, build_model
from translator.search import Hypotheses, beam_search
from translator.tokenizer import PAD_ID, Tokenizer
from translator.translations import (
    HypothesisArrays,
    SubwordTranslator,
    load_parts,
)


def search_translations(
    model: Seq2Seq, source_ids: tf.Tensor, search: SearchConfig
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
        model: The network, with its weights.
        tokenizer: The subwords it was trained on.
        config: Options of its run.
        name: What to call it.
        card: Its model card, Markdown.

    Example:
        >>> translator = Translator.load("data/models/en-es")    # doctest: +SKIP
        >>> translator.translate(["Where is the station?"])[0].text  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Seq2Seq,
        tokenizer: Tokenizer,
        config: Config,
        name: str = "",
        card: str = "",
    ):
        super().__init__(tokenizer, config, name, card)
        self.model = model
        self._searches: dict[SearchConfig, Callable[[tf.Tensor], Hypotheses]] = {}

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Loads a run folder.

        Raises:
            UserError: No run folder, a damaged file, or files that do not belong
                together.
        """
        parts = load_parts(Path(path))
        model = build_model(parts.config.model, parts.tokenizer.vocabulary_size)
        load_weights(model, Path(path) / BEST_NAME)
        return cls(model, *parts)

    def search_batch(
        self, source_ids: np.ndarray, search: SearchConfig
    ) -> HypothesisArrays:
        """Encodes a batch and searches for its translations, in the graph."""
        found = self._search(search)(source_ids)
        return HypothesisArrays(*(part.numpy() for part in found))

    def _search(self, search: SearchConfig) -> Callable[[tf.Tensor], Hypotheses]:
        """Returns the traced search for some options, made at its first use."""
        if search not in self._searches:
            traced = tf.function(
                lambda source_ids: search_translations(self.model, source_ids, search),
                input_signature=[tf.TensorSpec([None, None], tf.int32)],
                jit_compile=False,
                autograph=False,
            )
            # Of threads that come at the same time, one gives the function to all.
            self._searches.setdefault(search, traced)
        return self._searches[search]
