"""Texts in, translations out, by means of a translator of sentences: what all
translators share, whatever runs the network.

Nothing here needs TensorFlow.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from translator.alignment import link_words
from translator.config import SearchConfig
from translator.emphasis import Mark, drop_marks, put_marks, take_marks
from translator.errors import UserError
from translator.languages import and_word, has_ascii_digits, has_spaces, number_marks
from translator.placeholders import (
    NO_NAMES,
    CapitalRule,
    NumberMarks,
    has_words,
    is_intact,
    protect,
    protect_copies,
    restore,
    rewrite_number,
    with_ascii_digits,
)
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
from translator.tokenizer import Tokenizer
from translator.translations import (
    Hypothesis,
    SentenceTranslation,
    Translation,
    blank_translation,
)

# Longest text `translate` takes, in characters: about four pages.
MAX_CHARACTERS = 10_000


class PreparedSentence(NamedTuple):
    """A sentence as the network gets it.

    Fields:
        text: In the letters that models know, with placeholders.
        is_upper: Whether it was all capitals.
        originals: What each placeholder stands for in the translation.
        target_language: Code of the translation's, if it is known.
        before: The marks that were around it, and are around its translation.
        after: Those behind it.
        marks: Those inside of it, see `emphasis`.
    """

    text: str
    is_upper: bool = False
    originals: Mapping[str, str] = MappingProxyType({})
    target_language: str = ""
    before: str = ""
    after: str = ""
    marks: Sequence[Mark] = ()

    @property
    def is_copy(self) -> bool:
        """Whether there is nothing in it to translate."""
        return bool(self.originals) and not has_words(self.text)

    def is_intact(self, hypothesis: Hypothesis) -> bool:
        """Whether all that stands for something is there, once."""
        return not self.originals or is_intact(hypothesis.text, self.originals)

    def intact_first(self, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        """Returns the hypotheses with those in front that lost nothing."""
        return sorted(hypotheses, key=self.is_intact, reverse=True)

    def finish(self, translation: str, links: np.ndarray | None = None) -> str:
        """Returns what the user gets for what the network wrote.

        Args:
            translation: Of `text`.
            links: Which words of it come from which, see `link_words`.
        """
        translation = self._in_its_case(translation)
        if self.marks:
            translation = put_marks(translation, self.marks, links)
        return f"{self.before}{restore(translation, self.originals)}{self.after}"

    def finish_hypothesis(
        self, hypothesis: Hypothesis, source_tokens: list[str]
    ) -> Hypothesis:
        """Returns a hypothesis with what the user gets as its text.

        Args:
            hypothesis: As the network wrote it.
            source_tokens: The subwords of `text`.
        """
        links = None
        if self.marks:
            found = SentenceTranslation(self.text, source_tokens, [hypothesis])
            links = link_words(found)
        return replace(hypothesis, text=self.finish(hypothesis.text, links))

    def finish_word(self, word: str) -> str:
        """Returns a part of what the user gets, for that of what the network wrote."""
        return restore(self._in_its_case(word), self.originals)

    def _in_its_case(self, text: str) -> str:
        return capital_letters(text, self.target_language) if self.is_upper else text

    def unfinish(self, beginning: str) -> str:
        """Returns what the network writes for the beginning of a translation."""
        beginning = beginning.removeprefix(self.before).removesuffix(self.after)
        if self.marks:
            beginning = drop_marks(beginning)
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
        texts = checked_texts(texts)
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

        Without marks around all of it, see `unwrap`, or inside of it, see `emphasis`,
        and in the letters that models know: see `fold_capitals`. If the vocabulary has
        placeholders, they stand for what cannot be translated: see `protect`; numbers
        get the marks of the target language. Names that the network does not know are
        found by `capital_rule`, but not in a sentence whose words all have a capital.
        An & is the word that it stands for.

        Args:
            sentence: One, as the user typed it.
            is_protected: Whether placeholders may stand in it.
        """
        before, sentence, after = unwrap(sentence)
        sentence, marks = take_marks(sentence)
        rest = self.target_language, before, after, marks
        if not (self.tokenizer and self.tokenizer.placeholders):
            text, is_upper = self._fold(sentence)
            return PreparedSentence(self._spell_and(text), is_upper, {}, *rest)
        placeholders = self.tokenizer.placeholders if is_protected else ""
        sentence = normalize_text(sentence)
        protected, originals = protect(sentence, placeholders)
        text, is_upper = self._fold(protected)
        rule = self.capital_rule
        if text == protected and (rule.inner or rule.first):
            text, originals = protect(sentence, placeholders, rule.is_unknown)
        rewritten = {key: self._rewrite(value) for key, value in originals.items()}
        return PreparedSentence(self._spell_and(text), is_upper, rewritten, *rest)

    def _fold(self, sentence: str) -> tuple[str, bool]:
        if not self.capital_rule.folds:
            return sentence, False
        return fold_capitals(sentence, self.source_language)

    def _spell_and(self, sentence: str) -> str:
        """Returns a sentence with a word for each &, which corpora hardly hold."""
        if " & " not in sentence or not (word := and_word(self.source_language)):
            return sentence
        return sentence.replace(" & ", f" {word} ")

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
        sentences, prefixes = checked_texts(sentences), checked_texts(prefixes)
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
                own, tokens = prepared[i], translation.source_tokens
                hypotheses = own.intact_first(translation.hypotheses)
                if not own.is_intact(hypotheses[0]):
                    prepared[i] = self.prepare(sentences[i], is_protected=False)
                    lost.append(i)
                results[i] = SentenceTranslation(
                    sentences[i],
                    tokens,
                    _distinct(own.finish_hypothesis(h, tokens) for h in hypotheses)[
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


def checked_texts(texts: Iterable[str]) -> list[str]:
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
