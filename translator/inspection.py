"""Looking inside a translation: how the search went, how else it could go on, and what
the gates of each GRU did.

Shapes: S source length, T target length, U units.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from translator.array_search import Choice, beam_search
from translator.config import SearchConfig
from translator.placeholders import PLACEHOLDERS
from translator.subword_translator import SubwordTranslator
from translator.tokenizer import BOS_ID, EOS_ID, PAD_ID, pad_ids
from translator.translations import Hypothesis

# Next tokens looked at for each alternative: some continue a word, or begin the same.
_CANDIDATES_PER_ALTERNATIVE = 4


@dataclass(frozen=True)
class BeamNode:
    """A beginning that the search looked at: that of its parent, and a token.

    Attributes:
        token: The subword that it adds; `</s>` ends it.
        parent: Place of the beginning that it continues, in the list of nodes; None
            for a first token.
        position: How many tokens come before it.
        log_prob: Natural-log probability of all its tokens.
        score: `log_prob / length ** length_penalty`.
        fate: It was kept in the beam; or kept, and complete; or dropped.
        rank: Place among the complete hypotheses by score, 0 the best; else None.
    """

    token: str
    parent: int | None
    position: int
    log_prob: float
    score: float
    fate: Literal["kept", "complete", "dropped"]
    rank: int | None = None


@dataclass(frozen=True)
class Alternative:
    """Another way to go on behind the beginning of a translation.

    Attributes:
        word: The word that comes next.
        log_prob: Natural-log probability of its first subword.
        hypothesis: The whole translation, with that word.
    """

    word: str
    log_prob: float
    hypothesis: Hypothesis


class GateTrace(NamedTuple):
    """What a GRU did, step by step; each float32, shape `(T, U)`.

    Fields:
        name: Which one, such as `encoder 1, forward`.
        tokens: The T subwords, in the order in which it read them.
        update_gate: In [0, 1]: the share of the previous state that was kept.
        reset_gate: In [0, 1]: the share of the past that the candidate saw.
        candidate_state: In [-1, 1].
        previous_state: In [-1, 1]: the state before the step.
        state: In [-1, 1]: the state after it, `z * previous + (1 - z) * candidate`.
    """

    name: str
    tokens: list[str]
    update_gate: np.ndarray
    reset_gate: np.ndarray
    candidate_state: np.ndarray
    previous_state: np.ndarray
    state: np.ndarray


def search_tree(
    translator: SubwordTranslator,
    sentence: str,
    search: SearchConfig | None = None,
    is_protected: bool = True,
) -> list[BeamNode]:
    """Searches for the translation of a sentence, and tells all that was looked at.

    The tree grows from an empty beginning; at each position come those that were kept,
    the best first, then the best of those that were dropped.

    Args:
        translator: With its own search in steps.
        sentence: One sentence; of a blank one, or one that is only copied, there is no
            tree.
        search: How to search; default, the run's own options.
        is_protected: As of its `SentenceTranslation`.
    """
    translator.check_can_be_inspected()
    search = search or translator.search
    prepared = translator.prepare(sentence, is_protected)
    [ids] = translator.tokenizer.encode_batch([prepared.text])
    if ids == [EOS_ID] or prepared.is_copy:
        return []
    nodes: list[BeamNode] = []
    rows: list[int | None] = [None]  # the node of each row of the step

    def watch(choice: Choice) -> None:
        nonlocal rows
        next_rows: list[int | None] = []
        for parent, token_id, log_prob, is_kept, is_over in zip(
            *(part.tolist() for part in choice[1:]), strict=True
        ):
            if is_kept and not is_over:
                next_rows.append(len(nodes))
            above = rows[parent]
            position = 0 if above is None else nodes[above].position + 1
            [token] = translator.tokenizer.tokens([token_id])
            score = log_prob / (position + 1) ** search.length_penalty
            fate = "complete" if is_over else "kept" if is_kept else "dropped"
            nodes.append(BeamNode(token, above, position, log_prob, score, fate))
        rows = next_rows

    translator.search_behind(pad_ids([ids]), search, watch=watch)
    complete = [place for place, node in enumerate(nodes) if node.fate == "complete"]
    complete.sort(key=lambda place: -nodes[place].score)
    for rank, place in enumerate(complete):
        nodes[place] = replace(nodes[place], rank=rank)
    return nodes


def alternatives(
    translator: SubwordTranslator,
    sentence: str,
    prefix: str,
    count: int = 5,
    search: SearchConfig | None = None,
    is_protected: bool = True,
) -> list[Alternative]:
    """Lists the likeliest words behind a beginning, each with a whole translation.

    Args:
        translator: With its own search in steps.
        sentence: What is translated.
        prefix: How the translation begins, up to the word in question; empty for the
            first one. A space at its end says that its last word is complete.
        count: At most so many, of different words, the likeliest first.
        search: How to search on behind each word; default, the run's own options.
        is_protected: As of its `SentenceTranslation`.

    Returns:
        Alternatives; none for a blank sentence, or one that is only copied.

    Raises:
        ValueError: `count` below 1.
        UserError: A translator that does not search in steps.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1. Received: {count}.")
    translator.check_can_be_inspected()
    search = search or translator.search
    prepared = translator.prepare(sentence, is_protected)
    prefix = prepared.unfinish(prefix)
    tokenizer = translator.tokenizer
    source, beginning = tokenizer.encode_batch([prepared.text, prefix])
    beginning.pop()  # EOS
    source_tokens = tokenizer.tokens(source)
    if source == [EOS_ID] or prepared.is_copy:
        return []
    at_word_start = not prefix or prefix[-1].isspace()
    candidates = [
        [*beginning, token_id]
        for token_id in _next_ids(
            translator, source, beginning, _CANDIDATES_PER_ALTERNATIVE * count
        )
        if not (at_word_start and _continues_word(*tokenizer.tokens([token_id])))
    ]
    found: dict[str, Alternative] = {}
    for start in range(0, len(candidates), count):
        prefixes = candidates[start : start + count]
        sources = pad_ids([source] * len(prefixes))
        arrays = translator.search_behind(sources, search, prefixes)
        for row in range(len(prefixes)):
            hypothesis = translator.hypothesis(arrays, row, 0, len(source))
            word = prepared.finish_word(
                _word_at(translator, hypothesis, len(beginning))
            )
            log_prob = float(hypothesis.token_log_probs[len(beginning)])
            hypothesis = prepared.finish_hypothesis(hypothesis, source_tokens)
            if word:
                found.setdefault(word, Alternative(word, log_prob, hypothesis))
        if len(found) >= count:
            break
    return list(found.values())[:count]


def read_gates(
    translator: SubwordTranslator,
    sentence: str,
    target_tokens: Sequence[str],
    is_protected: bool = True,
) -> list[GateTrace]:
    """Reads a sentence and its translation once more, and notes every gate.

    Args:
        translator: Of one network, in TensorFlow or of a run folder.
        sentence: What was translated.
        target_tokens: Subwords of its translation, `</s>` at the end.
        is_protected: As of its `SentenceTranslation`.

    Returns:
        The encoder's GRUs, from the lowest layer, and then the decoder's, which read
        at each step the token before the one that they help to write. No trace for a
        blank sentence, or one that is only copied: no network reads them.

    Raises:
        ValueError: A translator without gates: see its `has_gates`.
    """
    if isinstance(target_tokens, str):
        raise TypeError("target_tokens should be a list of subwords. Received: a text.")
    tokenizer = translator.tokenizer
    prepared = translator.prepare(sentence, is_protected)
    [ids] = tokenizer.encode_batch([prepared.text])
    if ids == [EOS_ID] or prepared.is_copy:
        return []
    read_ids = [BOS_ID, *tokenizer.ids(target_tokens)[:-1]]
    return [
        GateTrace(name, tokenizer.tokens(own_ids), *arrays)
        for name, own_ids, *arrays in translator.gate_readings(ids, read_ids)
    ]


def _next_ids(
    translator: SubwordTranslator, source: list[int], beginning: list[int], count: int
) -> list[int]:
    """Returns the likeliest ids behind a beginning, but for the end."""
    step, state = translator.begin(pad_ids([source]))
    max_lengths = np.array([len(beginning) + 1])
    found = beam_search(step, state, max_lengths, count + 1, prefixes=[beginning])
    last_ids = found.ids[0, :, -1].tolist()
    return [token_id for token_id in last_ids if token_id not in (EOS_ID, PAD_ID)]


def _continues_word(token: str) -> bool:
    # A letter, one that is copied, or a byte of one.
    return token[:1].isalnum() or token in PLACEHOLDERS or token.startswith("<0x")


def _word_at(
    translator: SubwordTranslator, hypothesis: Hypothesis, position: int
) -> str:
    """Returns the word that begins with a token."""
    end = position + 1
    while end < len(hypothesis.tokens) and _continues_word(hypothesis.tokens[end]):
        end += 1
    ids = translator.tokenizer.ids(hypothesis.tokens[position:end])
    return translator.tokenizer.decode(ids, errors="ignore").strip()
