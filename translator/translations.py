"""Texts in, translations out: what all translators share, whatever runs the network.

Nothing here needs TensorFlow.

Shapes: B batch, S source length, T target length, K hypotheses of a sentence.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from translator.array_search import Choice, HypothesisArrays, Step, beam_search
from translator.checkpoints import CARD_NAME, TOKENIZER_NAME, load_run_config
from translator.config import Config, SearchConfig
from translator.errors import UserError
from translator.languages import has_ascii_digits, has_spaces, number_marks
from translator.placeholders import (
    NO_NAMES,
    PLACEHOLDERS,
    CapitalRule,
    NumberMarks,
    is_intact,
    protect,
    protect_copies,
    restore,
    rewrite_number,
    with_ascii_digits,
)
from translator.startup import count_cores
from translator.text import (
    MAX_SENTENCE_CHARACTERS,
    SplitText,
    capital_letters,
    fold_capitals,
    normalize_text,
    small_letters,
    split_sentences,
    unwrap,
)
from translator.tokenizer import PAD_ID, Tokenizer, pad_ids

# Longest text `translate` takes, in characters: about four pages.
MAX_CHARACTERS = 10_000


@dataclass(frozen=True)
class Hypothesis:
    """One translation that the search found.

    Attributes:
        text: The translation.
        score: `log_prob / length ** length_penalty`, what hypotheses are ranked by.
        log_prob: Natural-log probability of all its tokens, at most 0.
        tokens: Its subwords, `▁` where a word starts, `</s>` at the end; a character of
            `PLACEHOLDERS` where something was copied.
        attention_weights: float32, shape `(len(tokens), len(source_tokens))`; each
            row sums to 1: where the model looked when it wrote the token.
        is_finished: Whether the model ended it, rather than the longest length.
        token_log_probs: float32, shape `(len(tokens),)`: natural-log probability of
            each token, given those before it. None where it is not known.
    """

    text: str
    score: float
    log_prob: float
    tokens: list[str]
    attention_weights: np.ndarray = field(compare=False)  # what follows from the rest
    is_finished: bool
    token_log_probs: np.ndarray | None = field(default=None, compare=False)


@dataclass(frozen=True)
class SentenceTranslation:
    """A sentence and its hypotheses, the best first.

    Attributes:
        source_text: The sentence as it was given.
        source_tokens: Its subwords, `</s>` at the end.
        hypotheses: At least one: those that lost nothing of what is copied, then the
            others; each sorted by score.
    """

    source_text: str
    source_tokens: list[str]
    hypotheses: list[Hypothesis]

    @property
    def is_protected(self) -> bool:
        """Whether placeholders stood in what the network got, or it got nothing: they
        do not where it lost one, or where there was nothing to copy."""
        tokens = self.source_tokens
        return not (tokens and set(PLACEHOLDERS).isdisjoint(tokens))


@dataclass(frozen=True)
class Translation:
    """A text, its translation, and the sentences it is made of.

    Attributes:
        source_text: The text as it was given.
        parts: The text in sentences, and what stands around their translations.
        sentences: One entry a sentence; empty for blank text.
    """

    source_text: str
    parts: SplitText
    sentences: list[SentenceTranslation]

    @cached_property
    def text(self) -> str:
        """The translation, with the white space between sentences as it was."""
        return self.parts.join([own.hypotheses[0].text for own in self.sentences])

    @property
    def is_finished(self) -> bool:
        """Whether no sentence's translation was cut off at the longest allowed."""
        return all(own.hypotheses[0].is_finished for own in self.sentences)

    @property
    def score(self) -> float:
        """Mean score of the sentences' best hypotheses; 0 for blank text."""
        scores = [sentence.hypotheses[0].score for sentence in self.sentences]
        return float(np.mean(scores)) if scores else 0.0


class PreparedSentence(NamedTuple):
    """A sentence as the network gets it.

    Fields:
        text: In the letters that models know, with placeholders.
        is_upper: Whether it was all capitals.
        originals: What each placeholder stands for in the translation.
        target_language: Code of the translation's, if it is known.
        before: The marks that were around it, and are around its translation.
        after: Those behind it.
    """

    text: str
    is_upper: bool = False
    originals: Mapping[str, str] = MappingProxyType({})
    target_language: str = ""
    before: str = ""
    after: str = ""

    @property
    def is_copy(self) -> bool:
        """Whether there is nothing in it to translate."""
        return bool(self.originals) and not any(map(str.isalnum, self.text))

    def is_intact(self, hypothesis: Hypothesis) -> bool:
        """Whether all that stands for something is there, once."""
        return not self.originals or is_intact(hypothesis.text, self.originals)

    def intact_first(self, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        """Returns the hypotheses with those in front that lost nothing."""
        return sorted(hypotheses, key=self.is_intact, reverse=True)

    def finish(self, translation: str) -> str:
        """Returns what the user gets for what the network wrote."""
        return f"{self.before}{self.finish_word(translation)}{self.after}"

    def finish_word(self, word: str) -> str:
        """Returns a part of what the user gets, for that of what the network wrote."""
        if self.is_upper:
            word = capital_letters(word, self.target_language)
        return restore(word, self.originals)

    def unfinish(self, beginning: str) -> str:
        """Returns what the network writes for the beginning of a translation."""
        beginning = beginning.removeprefix(self.before).removesuffix(self.after)
        beginning = protect_copies(beginning, self.originals)
        if self.is_upper:
            rest = small_letters(beginning[1:], self.target_language)
            beginning = beginning[:1] + rest
        return beginning


class TextTranslator(ABC):
    """Translates whole texts by means of a translator of sentences.

    Args:
        name: What to call it.
        source_language: Code of the language it reads, such as `en`.
        target_language: Code of the language it writes.
        search: How it searches when nothing else is asked for.
        tokenizer: The subwords that the network was trained on, where they are known.
        capital_rule: Which names it copies; default, none.
        max_sentence_characters: Longest sentence that it translates whole.

    Attributes:
        max_characters: Longest text that `translate` takes.
        card: Its model card, Markdown.
        is_search_fixed: Whether it refuses other search options than its own.
        can_be_inspected: Whether it searches in steps: see `translator.inspection`.
        has_gates: Whether `inspection.read_gates` can read them.
        folder: Where it was loaded from; None if from nowhere.
        others: The further folders of an ensemble.
    """

    max_characters = MAX_CHARACTERS
    card = ""
    is_search_fixed = False
    can_be_inspected = False
    has_gates = False
    folder: Path | None = None
    others: tuple[Path, ...] = ()

    def __init__(
        self,
        name: str,
        source_language: str,
        target_language: str,
        search: SearchConfig,
        tokenizer: Tokenizer | None = None,
        capital_rule: CapitalRule = NO_NAMES,
        max_sentence_characters: int = MAX_SENTENCE_CHARACTERS,
    ):
        self.name = name
        self.source_language = source_language
        self.target_language = target_language
        self.search = search
        self.tokenizer = tokenizer
        self.capital_rule = capital_rule
        self.max_sentence_characters = max_sentence_characters

    def __reduce__(self):
        """Pickles as its folder: who unpickles it loads the model again."""
        if not self.folder:
            raise TypeError(
                f"{self.name} was loaded from no folder, and can be pickled only as "
                "one. Save it as a run folder first, or make it in the other process."
            )
        return type(self).load, (self.folder.resolve(),)

    def gate_readings(
        self, source_ids: list[int], read_ids: list[int]
    ) -> Sequence[tuple]:
        """Returns what each GRU did: see `light.gates.GateReader`.

        Raises:
            ValueError: It has none: see `has_gates`.
        """
        raise ValueError(
            f"the gates of {self.name} cannot be read. Use the run folder of one "
            "network."
        )

    @abstractmethod
    def search_sentences(
        self,
        sentences: Sequence[str],
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
    ) -> list[SentenceTranslation]:
        """Translates sentences as they are: `translate_sentences` asks this."""

    def translate(
        self,
        texts: Sequence[str],
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
    ) -> list[Translation]:
        """Translates texts of any number of lines and sentences.

        Each text is split into sentences, which are translated together and put back
        with the white space that was between them. Blank text stays as it is. A
        sentence in capitals is translated in small letters, and the translation
        capitalised. What cannot be translated is copied, if the model has learned to:
        see `prepare`.

        Args:
            texts: Any number of texts; not one string. Any iterable of strings will do.
            search: How to search; default, the run's own options.
            num_hypotheses: Hypotheses for each sentence, at most the beam size; fewer
                are returned where the beam has no more different ones.

        Raises:
            UserError: A text longer than `max_characters`, or `num_hypotheses` out of
                range.
        """
        texts = _checked_texts(texts)
        self.check_lengths(texts)
        parts = [self.split(text) for text in texts]
        sentences = [sentence for part in parts for sentence in part.sentences]
        remaining = iter(self.translate_sentences(sentences, search, num_hypotheses))
        return [
            Translation(text, part, [next(remaining) for _ in part.sentences])
            for text, part in zip(texts, parts, strict=True)
        ]

    def split(self, text: str) -> SplitText:
        """Cuts a text into the sentences that are translated one by one, with what
        stands around their translations: see `split_sentences`."""
        parts = split_sentences(text, self.max_sentence_characters)
        return parts.with_gaps(self.gap)

    def check_lengths(self, texts: Sequence[str]) -> None:
        for text in texts:
            if len(text) > self.max_characters:
                raise UserError(
                    f"a text has {len(text):,} characters; at most "
                    f"{self.max_characters:,} are accepted. Split it and try again."
                )

    @property
    def gap(self) -> str:
        """What stands between two sentences that nothing stands between."""
        return " " if has_spaces(self.target_language) else ""

    def prepare(self, sentence: str, is_protected: bool = True) -> PreparedSentence:
        """Returns a sentence as the network gets it.

        Without marks around all of it, see `unwrap`, and in the letters that models
        know: see `fold_capitals`. If the vocabulary has
        placeholders, they stand for what cannot be translated: see `protect`; numbers
        get the marks of the target language. Names that the network does not know are
        found by `capital_rule`, but not in a sentence whose words all have a capital.

        Args:
            sentence: One, as the user typed it.
            is_protected: Whether placeholders may stand in it.
        """
        before, sentence, after = unwrap(sentence)
        rest = self.target_language, before, after
        if not (self.tokenizer and self.tokenizer.placeholders):
            return PreparedSentence(*self._fold(sentence), {}, *rest)
        placeholders = self.tokenizer.placeholders if is_protected else ""
        sentence = normalize_text(sentence)
        protected, originals = protect(sentence, placeholders)
        text, is_upper = self._fold(protected)
        rule = self.capital_rule
        if text == protected and (rule.inner or rule.first):
            text, originals = protect(sentence, placeholders, rule.is_unknown)
        rewritten = {key: self._rewrite(value) for key, value in originals.items()}
        return PreparedSentence(text, is_upper, rewritten, *rest)

    def _fold(self, sentence: str) -> tuple[str, bool]:
        if not self.capital_rule.folds:
            return sentence, False
        return fold_capitals(sentence, self.source_language)

    def _rewrite(self, original: str) -> str:
        """Returns what is copied as the target language writes it."""
        if not any(map(str.isdecimal, original)):
            return original  # and CLDR, which takes a while to load, is not asked
        if has_ascii_digits(self.target_language):
            original = with_ascii_digits(original)
        marks = self.number_marks
        return rewrite_number(original, *marks) if marks else original

    @property
    def number_marks(self) -> tuple[NumberMarks, NumberMarks] | None:
        """What source and target language write in numbers, if that is known."""
        source, target = map(number_marks, (self.source_language, self.target_language))
        return (source, target) if source and target else None

    def translate_sentences(
        self,
        sentences: Sequence[str],
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
        prefixes: Sequence[str] = (),
    ) -> list[SentenceTranslation]:
        """Translates sentences, without splitting them further.

        The network gets each as `prepare` makes it. Hypotheses that lost a placeholder,
        or wrote one twice, come behind the others of the beam. If all did, the sentence
        is translated again without any. A sentence of things to copy needs no network;
        the translation of a blank one is empty. Both have a score of 0.

        Args:
            sentences: Any number of them.
            search: How to search; default, the run's own options.
            num_hypotheses: Hypotheses for each sentence, at most the beam size; fewer
                are returned where the beam has no more different ones.
            prefixes: For each sentence the text that its translations begin with;
                empty: all are free. The last word of one may be unfinished. Only if
                `can_be_inspected`.

        Raises:
            UserError: `num_hypotheses` out of range, or not one prefix for each
                sentence.
        """
        sentences, prefixes = _checked_texts(sentences), _checked_texts(prefixes)
        if prefixes:
            self.check_can_be_inspected()
        if len(prefixes) not in (0, len(sentences)):
            raise UserError(
                f"there must be one prefix for each of the {len(sentences)} sentences. "
                f"Received: {len(prefixes)}."
            )
        prepared = [self.prepare(sentence) for sentence in sentences]
        results = [
            blank_translation(sentence, own.finish(own.text) if own.is_copy else "")
            for sentence, own in zip(sentences, prepared, strict=True)
        ]
        places = [i for i, own in enumerate(prepared) if prefixes or not own.is_copy]
        while True:
            texts = [prepared[i].text for i in places]
            begun = [prepared[i].unfinish(prefixes[i]) for i in places if prefixes]
            options = {"prefixes": begun} if begun else {}
            count = num_hypotheses
            if count > 1 or any(prepared[i].originals for i in places):
                count = max(count, (search or self.search).beam_size)
            found = self.search_sentences(texts, search, count, **options)
            lost = []
            for i, translation in zip(places, found, strict=True):
                own = prepared[i]
                hypotheses = own.intact_first(translation.hypotheses)
                if not own.is_intact(hypotheses[0]):
                    prepared[i] = self.prepare(sentences[i], is_protected=False)
                    lost.append(i)
                results[i] = SentenceTranslation(
                    sentences[i],
                    translation.source_tokens,
                    _distinct(replace(h, text=own.finish(h.text)) for h in hypotheses)[
                        :num_hypotheses
                    ],
                )
            if not lost:
                return results
            places = lost

    def check_can_be_inspected(self) -> None:
        """Raises a UserError unless it searches in steps."""
        if not self.can_be_inspected:
            raise UserError(
                f"the search of {self.name} is fixed inside its SavedModel: there is "
                "no prefix, tree or alternative. Use the run folder, or an ONNX export."
            )

    @staticmethod
    def check_num_hypotheses(num_hypotheses: int, search: SearchConfig) -> None:
        if not 1 <= num_hypotheses <= search.beam_size:
            raise UserError(
                "the number of hypotheses must be from 1 to the beam size, "
                f"{search.beam_size}. Received: {num_hypotheses}. Raise beam_size."
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
        text, prefix = _checked_texts([text, prefix])
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


def _checked_texts(texts: Iterable[str]) -> list[str]:
    """Returns texts of any iterable as a list.

    Raises:
        TypeError: They are a single text, a table, or one of them is no string.
    """
    if isinstance(texts, str | bytes | Mapping) or hasattr(texts, "columns"):
        raise TypeError(
            f"expected a list of strings. Received: {type(texts).__name__}. Put a "
            "single text in a list; of a table, give a column."
        )
    texts = list(texts)
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise TypeError(
                f"expected strings. Received: {type(text).__name__} as text {number} "
                f"of {len(texts)}."
            )
    return texts


def _distinct(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Returns the first, and of the others those that say something, and something new:
    a text has several segmentations."""
    first, *others = hypotheses
    found = {first.text: first}
    for hypothesis in others:
        if hypothesis.text:
            found.setdefault(hypothesis.text, hypothesis)
    return list(found.values())


def blank_translation(sentence: str, text: str = "") -> SentenceTranslation:
    """A translation for certain, without a token: that of a blank sentence."""
    none = np.zeros((0, 0), np.float32)
    hypothesis = Hypothesis(
        text, 0.0, 0.0, [], none, True, token_log_probs=none.ravel()
    )
    return SentenceTranslation(sentence, [], [hypothesis])
