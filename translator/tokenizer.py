"""Text to subword ids and back: one vocabulary for both languages."""

import hashlib
import io
import logging
import math
import random
import re
from array import array
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, islice
from pathlib import Path
from typing import Literal, Self

import numpy as np
import sentencepiece

from translator.disk import replacing
from translator.errors import UserError
from translator.placeholders import NUMBERS, PLACEHOLDERS, THINGS
from translator.text import normalize_text

_logger = logging.getLogger(__name__)

PAD_ID = 0
UNK_ID = 1
BOS_ID = 2
EOS_ID = 3

# The vocabulary of a larger corpus is made from a random sample of this many lines, or
# fewer if they are long: SentencePiece takes some 24 bytes a character.
MAX_TRAINING_LINES = 250_000
MAX_TRAINING_CHARACTERS = 12_000_000
# Words whose segmentations are kept: below 1 KB each.
MAX_CACHED_WORDS = 50_000

WORD_START = "\u2581"  # SentencePiece's mark
_SPECIAL_LABELS = {"<s>": "(start)", "</s>": "(end)", WORD_START: "(space)"} | {
    character: f"({kind} {number})"
    for kind, own in (("copy", THINGS), ("number", NUMBERS))
    for number, character in enumerate(own, 1)
}
_LONGEST_LABEL = 24  # characters; a longer one would leave no room for a picture


class Tokenizer:
    """Cuts text into subwords by a unigram language model (Kudo 2018).

    Nothing is lost: `decode(encode(text)) == normalize_text(text)` for every text, as
    a character outside the vocabulary is spelled by its UTF-8 bytes. Text that looks
    like a special token (`</s>`) is only text. Digits are cut one by one, so that a
    number that was never seen is made of parts that were.

    **Source:** Kudo 2018, "Subword Regularization", section 3, in the implementation of
    SentencePiece, without SentencePiece's own normalisation.

    Args:
        model: Bytes of a SentencePiece model. See also `train` and `load`.

    Raises:
        UserError: The bytes are no such model, or its special ids are not ours.

    Attributes:
        placeholders: The characters of `PLACEHOLDERS` that are subwords, each by
            itself; none if it was not trained with them.

    Example:
        >>> stems = ["walk", "talk", "jump", "want", "look", "turn", "work"]
        >>> texts = [f"{a}ing, {b}ed {n}" for a in stems for b in stems for n in "12"]
        >>> tokenizer = Tokenizer.train(texts, vocabulary_size=300)
        >>> tokenizer.tokens(tokenizer.encode("looked 21"))
        ['▁look', 'e', 'd', '▁', '2', '1', '</s>']
        >>> tokenizer.decode(tokenizer.encode("Привет, 👋!"))
        'Привет, 👋!'
    """

    def __init__(self, model: bytes):
        self.model_bytes = model
        self.checksum = hashlib.sha256(model).hexdigest()
        self._processor = _load_processor(model)
        self.vocabulary_size: int = self._processor.get_piece_size()
        self.placeholders = "".join(
            character
            for character in PLACEHOLDERS
            if self._processor.piece_to_id(character) != UNK_ID
        )
        self._log_probs = [
            self._processor.get_score(piece) for piece in range(self.vocabulary_size)
        ]
        # To look a word up takes a twentieth of the time that finding them takes.
        self._segmentations = lru_cache(MAX_CACHED_WORDS)(self._find_segmentations)

    def __reduce__(self):
        return Tokenizer, (self.model_bytes,)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary_size: int = 5_000,
        seed: int = 1,
        placeholders: str = "",
    ) -> Self:
        """Finds the vocabulary that describes the texts best.

        The same texts in the same order give the same bytes, on any number of cores.

        Args:
            texts: Lines of both languages. Read once.
            vocabulary_size: Most subwords, with the 4 special and the 256 byte tokens.
                A few words have no more than a few parts: see `vocabulary_size` of the
                result.
            seed: Chooses the lines if there are more than `MAX_TRAINING_LINES`, or
                more than `MAX_TRAINING_CHARACTERS` in them.
            placeholders: Characters that are a subword each, whatever the texts have:
                `PLACEHOLDERS`, or none.

        Raises:
            UserError: There is no text, or the vocabulary is smaller than its alphabet.
        """
        lines = list(filter(None, map(normalize_text, _sample_lines(texts, seed))))
        if not lines:
            raise UserError("there is no text to make a vocabulary of.")
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=model,
                model_type="unigram",
                vocab_size=vocabulary_size,
                hard_vocab_limit=False,
                character_coverage=0.9998,
                byte_fallback=True,
                split_digits=True,
                user_defined_symbols=list(placeholders),
                normalization_rule_name="identity",
                pad_id=PAD_ID,
                unk_id=UNK_ID,
                bos_id=BOS_ID,
                eos_id=EOS_ID,
                num_threads=4,  # Fixed: the sums, and so the model, depend on it.
                minloglevel=2,
            )
        except RuntimeError as error:
            raise UserError(_explain(str(error), vocabulary_size)) from None
        tokenizer = cls(model.getvalue())
        if tokenizer.vocabulary_size < vocabulary_size:
            _logger.info(
                "the texts give %d subwords, fewer than the %d asked for",
                tokenizer.vocabulary_size,
                vocabulary_size,
            )
        return tokenizer

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Reads a file written by `save`."""
        try:
            model = Path(path).read_bytes()
        except OSError as error:
            raise UserError(
                f"cannot read the tokenizer {path}: {error.strerror}."
            ) from None
        try:
            return cls(model)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def save(self, path: Path | str) -> None:
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(self.model_bytes)

    def encode(self, text: str) -> list[int]:
        """Returns the ids of the text's best segmentation, with EOS, without BOS."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Encodes many texts; quicker than one by one."""
        if isinstance(texts, str):
            raise TypeError("expected a list of texts. Received: one; see `encode`.")
        normalized = [normalize_text(text) for text in texts]
        if len(normalized) == 1:
            # A list is encoded by threads: to start them takes longer than one text,
            # and milliseconds on a busy machine.
            return [self._processor.encode(normalized[0], out_type=int, add_eos=True)]
        return self._processor.encode(normalized, out_type=int, add_eos=True)

    def sample_batch(
        self,
        texts: Sequence[str],
        share: float,
        rng: np.random.Generator,
        *,
        num_candidates: int = 8,
        smoothness: float = 0.5,
    ) -> list[list[int]]:
        """Encodes many texts, a share of them by segmentations drawn at random.

        A model that sees several segmentations of a word learns what its parts mean
        (subword regularisation). The segmentation x of each word is drawn from its most
        probable `num_candidates` with a probability in proportion to P(x) ** smoothness
        (Kudo 2018, section 3.3). Subwords do not cross words, so that this is a draw
        from the segmentations of the whole text, at the price of looking words up. The
        draws come from `rng` alone, so they repeat in any process; SentencePiece's own
        sampling does not.

        Args:
            texts: What to encode.
            share: Fraction of the texts to draw for, 0 to 1.
            rng: Source of the draws.
            num_candidates: Most probable segmentations of a word to choose from.
            smoothness: 0 chooses any of them alike, a large value the best one.
        """
        is_drawn = rng.random(len(texts)) < share
        best = iter(
            self.encode_batch([texts[row] for row in np.flatnonzero(~is_drawn)])
        )
        return [
            self._sample(text, rng, num_candidates, smoothness) if drawn else next(best)
            for text, drawn in zip(texts, is_drawn, strict=True)
        ]

    def _sample(
        self,
        text: str,
        rng: np.random.Generator,
        num_candidates: int,
        smoothness: float,
    ) -> list[int]:
        """Draws a segmentation of each of the text's words."""
        words = normalize_text(text).split(" ")
        ids: list[int] = []
        for word, draw in zip(words, rng.random(len(words)).tolist(), strict=True):
            candidates, ends = self._segmentations(word, num_candidates, smoothness)
            ids += candidates[bisect(ends, draw)]
        return [*ids, EOS_ID]

    def _find_segmentations(
        self, word: str, num_candidates: int, smoothness: float
    ) -> tuple[list[array], array]:
        """Returns a word's segmentations, and the upper ends of their shares of [0, 1).

        The last end is left out: what is beyond the others is the last one's. Arrays
        take a third of the memory of lists.
        """
        candidates = self._processor.nbest_encode(
            word, nbest_size=num_candidates, out_type=int
        )
        log_probs = [sum(map(self._log_probs.__getitem__, ids)) for ids in candidates]
        best = max(log_probs)
        weights = [math.exp(smoothness * (value - best)) for value in log_probs]
        total = sum(weights)
        ends = accumulate(weight / total for weight in weights[:-1])
        return [array("I", ids) for ids in candidates], array("d", ends)

    def decode(
        self, ids: Iterable[int], errors: Literal["replace", "ignore"] = "replace"
    ) -> str:
        """Returns the text of the ids before the first EOS: one normalised line.

        PAD, UNK and BOS are skipped.

        Args:
            ids: Of subwords.
            errors: What becomes of bytes that are no UTF-8, which a model may write
                where it spells a character that it hardly knows: U+FFFD, or nothing.
        """
        text = self._processor.decode(list(_words_of(ids)))
        if errors == "ignore":
            text = text.replace("\ufffd", "")
        return normalize_text(text)

    def is_cut(self, word: str) -> bool:
        """Whether a word takes more than one subword."""
        return len(self.encode(word)) > 2  # EOS is the second

    @cached_property
    def vocabulary(self) -> list[str]:
        """The subword of each id, from 0 on."""
        return self.tokens(range(self.vocabulary_size))

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Returns the subword of each id. A leading `▁` stands for a space."""
        return [self._processor.id_to_piece(int(token_id)) for token_id in ids]

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """Returns the id of each subword: what `tokens` was given. UNK for others."""
        return [self._processor.piece_to_id(token) for token in tokens]


def pad_ids(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Pads id lists with `PAD_ID` on the right: int32, `(number, longest)`."""
    padded = np.full((len(rows), max(map(len, rows))), PAD_ID, np.int32)
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = ids
    return padded


def token_labels(tokens: Sequence[str]) -> list[str]:
    """Turns subwords into what a reader expects to see on an axis.

    Those that begin a word lose their mark, those that continue one get a hyphen; very
    long ones are cut. Placeholders are numbered.

    Example:
        >>> token_labels(["▁trans", "lator", ".", "</s>"])
        ['trans', '-lator', '.', '(end)']
    """
    previous = ["", *tokens][: len(tokens)]
    return [
        _token_label(token, continues_word=before[-1:].isalnum())
        for before, token in zip(previous, tokens, strict=True)
    ]


def _token_label(token: str, continues_word: bool) -> str:
    if token in _SPECIAL_LABELS:
        return _SPECIAL_LABELS[token]
    text = token.removeprefix(WORD_START).replace(WORD_START, " ")
    if len(text) > _LONGEST_LABEL:
        text = text[: _LONGEST_LABEL - 1] + "…"
    starts_word = token.startswith(WORD_START) or not continues_word
    return text if starts_word or not text[:1].isalpha() else f"-{text}"


def _words_of(ids: Iterable[int]) -> Iterator[int]:
    for token_id in map(int, ids):
        if token_id == EOS_ID:
            return
        if token_id not in (PAD_ID, UNK_ID, BOS_ID):
            yield token_id


def _load_processor(model: bytes) -> sentencepiece.SentencePieceProcessor:
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.load_from_serialized_proto(model)
    except RuntimeError:
        raise UserError("this is not a SentencePiece model.") from None
    special_ids = (
        processor.pad_id(),
        processor.unk_id(),
        processor.bos_id(),
        processor.eos_id(),
    )
    if special_ids != (PAD_ID, UNK_ID, BOS_ID, EOS_ID):
        raise UserError(
            "the ids of PAD, UNK, BOS and EOS must be 0, 1, 2, 3. "
            f"Received: {', '.join(map(str, special_ids))}. Train the tokenizer anew."
        )
    return processor


def _sample_lines(lines: Iterable[str], seed: int) -> list[str]:
    """Returns all lines, or a uniform sample of them (algorithm R)."""
    lines = iter(lines)
    sample = list(islice(lines, MAX_TRAINING_LINES))
    rng = random.Random(seed)
    for position, line in enumerate(lines, start=len(sample)):
        slot = rng.randrange(position + 1)
        if slot < MAX_TRAINING_LINES:
            sample[slot] = line
    if sum(map(len, sample)) > MAX_TRAINING_CHARACTERS:
        # Early lines tend to be in front, so the first ones would be no fair sample.
        rng.shuffle(sample)
        totals = accumulate(map(len, sample))
        sample = sample[: sum(total <= MAX_TRAINING_CHARACTERS for total in totals)]
    return sample


def _round_up(number: int) -> int:
    return math.ceil(number / 100) * 100


def _explain(message: str, vocabulary_size: int) -> str:
    """Turns SentencePiece's complaint about the vocabulary into one for the user."""
    if found := re.search(r"smaller than required_chars. \d+ vs (\d+)", message):
        return (
            f"the characters of the texts alone need {found[1]} subwords. "
            f"Received: vocabulary_size={vocabulary_size}. Use some "
            f"{_round_up(3 * int(found[1])):,}: with {found[1]} all would be spelled."
        )
    return f"cannot make a vocabulary of the texts: {message.strip()}."
