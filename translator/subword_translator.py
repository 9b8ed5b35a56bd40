"""Sentences to subwords, to batches, to searches side by side, and back: what all
translators share that search in steps.

Nothing here needs TensorFlow.

Shapes: B batch, S source length, T target length, K hypotheses of a sentence.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from translator.array_search import Choice, HypothesisArrays, Step, beam_search
from translator.checkpoints import CARD_NAME, TOKENIZER_NAME, load_run_config
from translator.config import Config, SearchConfig
from translator.errors import UserError
from translator.placeholders import NO_NAMES, CapitalRule
from translator.startup import count_cores
from translator.text import MAX_SENTENCE_CHARACTERS
from translator.text_translator import TextTranslator, checked_texts
from translator.tokenizer import PAD_ID, Tokenizer, pad_ids
from translator.translations import (
    Hypothesis,
    SentenceTranslation,
    Translation,
    blank_translation,
)


class TranslatorParts(NamedTuple):
    """What every model folder holds besides the network: see `SubwordTranslator`."""

    tokenizer: Tokenizer
    config: Config
    name: str = ""
    card: str = ""
    capital_rule: CapitalRule = NO_NAMES
    max_sentence_characters: int = MAX_SENTENCE_CHARACTERS

    @property
    def languages(self) -> tuple[str, str]:
        """Codes of the source's and the translation's."""
        return self.config.data.source_language, self.config.data.target_language


def load_parts(model_dir: Path) -> TranslatorParts:
    """Reads options, subwords and card of a run folder or an ONNX folder.

    Raises:
        UserError: No such folder, a damaged file, or files that do not belong
            together.
    """
    config, facts = load_run_config(model_dir)
    tokenizer = Tokenizer.load(model_dir / TOKENIZER_NAME)
    if facts.get("tokenizer_sha256", tokenizer.checksum) != tokenizer.checksum:
        raise UserError(
            f"{model_dir / TOKENIZER_NAME} is not the tokenizer that the model was "
            "trained with: its SHA-256 differs from the one in config.json. "
            "Restore the file that `translator train` wrote."
        )
    card_path = model_dir / CARD_NAME
    card = card_path.read_text("utf-8") if card_path.exists() else ""
    name = facts.get("name", model_dir.resolve().name)
    rule = facts.get("capital_rule")
    rule = CapitalRule.from_json(rule) if rule else NO_NAMES
    longest = facts.get("max_sentence_characters", MAX_SENTENCE_CHARACTERS)
    return TranslatorParts(tokenizer, config, name, card, rule, longest)


class SubwordTranslator(TextTranslator):
    """A translator that cuts sentences into subwords itself, and batches them.

    Args:
        tokenizer: The subwords that the network was trained on.
        config: Options of its run.
        name: What to call it.
        card: Its model card, Markdown.
        capital_rule, max_sentence_characters: As of `TextTranslator`.
        num_threads: How many batches are searched at the same time, each on a thread
            of its own; default, one for each core that this process may use. A single
            batch is searched by the thread that asks.

    Attributes:
        max_rows: Most rows, sentences x hypotheses, in one batch of search.
        max_tokens: Most padded source tokens, repeated for each hypothesis, in one.
    """

    can_be_inspected = True
    max_rows = 320
    max_tokens = 8_000

    def __init__(
        self,
        tokenizer: Tokenizer,
        config: Config,
        name: str = "",
        card: str = "",
        capital_rule: CapitalRule = NO_NAMES,
        max_sentence_characters: int = MAX_SENTENCE_CHARACTERS,
        num_threads: int | None = None,
    ):
        super().__init__(
            name,
            config.data.source_language,
            config.data.target_language,
            config.search,
            tokenizer,
            capital_rule,
            max_sentence_characters,
        )
        self.config = config
        self.card = card
        self.num_threads = num_threads or count_cores()

    @abstractmethod
    def search_batch(
        self, source_ids: np.ndarray, search: SearchConfig
    ) -> HypothesisArrays:
        """Searches for the translations of a batch; any number of threads may ask.

        Args:
            source_ids: int32, shape `(batch_size, source_length)`, padded with
                `PAD_ID`; each row ends in EOS.
            search: Beam size, penalty and the bound on the length.
        """

    @abstractmethod
    def begin(self, source_ids: np.ndarray) -> tuple[Step, Any]:
        """Encodes a batch for `array_search.beam_search`.

        Args:
            source_ids: As of `search_batch`.

        Returns:
            The step function, and the state before the first token.
        """

    def search_behind(
        self,
        source_ids: np.ndarray,
        search: SearchConfig,
        prefixes: Sequence[Sequence[int]] = (),
        watch: Callable[[Choice], None] | None = None,
    ) -> HypothesisArrays:
        """As `search_batch`, but behind given beginnings, and in the sight of `watch`:
        see `array_search.beam_search`. Slower where the network is in TensorFlow."""
        step, state = self.begin(source_ids)
        max_lengths = longest_lengths(source_ids, search)
        if prefixes:  # there is room for them, and an end
            needed = [len(prefix) + 1 for prefix in prefixes]
            max_lengths = np.maximum(max_lengths, needed)
        return beam_search(
            step,
            state,
            max_lengths,
            search.beam_size,
            search.length_penalty,
            prefixes,
            watch,
        )

    def complete(
        self,
        text: str,
        prefix: str,
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
    ) -> Translation:
        """Translates a text whose translation begins as it is told.

        Args:
            text: As of `translate`.
            prefix: What the translation begins with; its last word may be unfinished.
                Each of its sentences is of one of the text; of more than the text has,
                all that are left are of the last.
            search: As of `translate`.
            num_hypotheses: As of `translate`.

        Raises:
            UserError: As `translate`.
        """
        text, prefix = checked_texts([text, prefix])
        self.check_lengths([text, prefix])
        parts = self.split(text)
        sentences = parts.sentences
        begun = [prefix] if len(sentences) < 2 else self.split(prefix).sentences
        last = max(0, len(sentences) - 1)
        begun[last:] = [" ".join(begun[last:])]
        prefixes = [*begun, *[""] * len(sentences)][: len(sentences)]
        found = self.translate_sentences(sentences, search, num_hypotheses, prefixes)
        return Translation(text, parts, found)

    def _in_threads(
        self, find: Callable[[list[int]], HypothesisArrays], places: list[list[int]]
    ) -> Iterator[HypothesisArrays]:
        """Searches `num_threads` batches at a time, and yields what is found in turn.

        A search is a chain of small operations: a core for each batch is faster than
        all cores for one. The libraries let go of Python's lock while they compute.
        """
        if min(self.num_threads, len(places)) < 2:
            yield from map(find, places)
            return
        with ThreadPoolExecutor(self.num_threads) as pool:
            yield from pool.map(find, places)

    def search_sentences(
        self,
        sentences: Sequence[str],
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
        prefixes: Sequence[str] = (),
    ) -> list[SentenceTranslation]:
        """Translates sentences as they are: see `translate_sentences`.

        Those of similar length are searched together; the answer to one does not depend
        on the others.
        """
        search = search or self.search
        self.check_num_hypotheses(num_hypotheses, search)
        rows = self.tokenizer.encode_batch(sentences)
        prefix_rows = [ids[:-1] for ids in self.tokenizer.encode_batch(prefixes)]
        results = [blank_translation(sentence) for sentence in sentences]
        places = list(self._batches_by_length(rows, search.beam_size))

        def find(indices: list[int]) -> HypothesisArrays:
            batch = pad_ids([rows[i] for i in indices])
            if any(prefix_rows):
                beginnings = [prefix_rows[i] for i in indices]
                return self.search_behind(batch, search, beginnings)
            return self.search_batch(batch, search)

        found_batches = self._in_threads(find, places)
        for indices, found in zip(places, found_batches, strict=True):
            for row, index in enumerate(indices):
                results[index] = SentenceTranslation(
                    sentences[index],
                    self.tokenizer.tokens(rows[index]),
                    [
                        self.hypothesis(found, row, rank, len(rows[index]))
                        for rank in range(num_hypotheses)
                    ],
                )
        return results

    def _batches_by_length(
        self, rows: list[list[int]], beam_size: int
    ) -> Iterator[list[int]]:
        """Yields lists of indices of rows, each a batch of similar lengths.

        Rows of EOS alone, blank sentences, are left out.
        """
        batch: list[int] = []
        indices = [index for index, row in enumerate(rows) if len(row) > 1]
        for index in sorted(indices, key=lambda i: len(rows[i])):
            num_rows = (len(batch) + 1) * beam_size
            num_tokens = num_rows * len(rows[index])  # the newest is the longest
            if batch and (num_rows > self.max_rows or num_tokens > self.max_tokens):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def hypothesis(
        self, found: HypothesisArrays, row: int, rank: int, source_length: int
    ) -> Hypothesis:
        """Returns a hypothesis of one sentence of a batch.

        Args:
            found: What a search found for the batch.
            row: The sentence.
            rank: Which of its hypotheses, 0 the best.
            source_length: In subwords, EOS counted.
        """
        length = found.lengths[row, rank]
        ids = found.ids[row, rank, :length].tolist()
        return Hypothesis(
            text=self.tokenizer.decode(ids, errors="ignore"),
            score=float(found.scores[row, rank]),
            log_prob=float(found.log_probs[row, rank]),
            tokens=self.tokenizer.tokens(ids),
            # Copies, as a view would keep the arrays of the whole batch.
            attention_weights=found.attention_weights[
                row, rank, :length, :source_length
            ].copy(),
            is_finished=bool(found.is_finished[row, rank]),
            token_log_probs=found.token_log_probs[row, rank, :length].copy(),
        )


def longest_lengths(source_ids: np.ndarray, search: SearchConfig) -> np.ndarray:
    """Returns the most tokens of a translation, EOS counted: int64, shape `(B,)`."""
    lengths = (source_ids != PAD_ID).sum(axis=1).astype(np.float32)
    longest = np.float32(search.max_length_factor) * lengths
    return longest.astype(np.int64) + search.max_length_extra
