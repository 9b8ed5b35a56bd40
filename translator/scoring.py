"""Scores of translations by sacreBLEU: BLEU, chrF, exact match, with intervals.

All scores are percentages, 0 to 100.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.metrics.base import Metric

from translator.errors import UserError
from translator.languages import bleu_tokenizer

# One reference a sentence, or any number of them.
References = Sequence[str] | Sequence[Sequence[str]]

_NUM_RESAMPLES = 1_000


@dataclass(frozen=True)
class Score:
    """A corpus score with its 95% interval.

    Attributes:
        score: 0 to 100.
        low: Lower end of the interval, by bootstrap over the sentences (Koehn 2004).
        high: Upper end.
        signature: sacreBLEU's: everything that somebody needs to get the same number.
    """

    score: float
    low: float
    high: float
    signature: str


@dataclass(frozen=True)
class Scores:
    """Scores of a set of sentences.

    Attributes:
        bleu: BLEU (Papineni et al. 2002), cased, on plain text.
        chrf: chrF2 (Popović 2015): n-grams of characters; kinder to other endings.
        exact_match: Percentage of the sentences that equal a reference.
        num_sentences: Sentences in the set.
    """

    bleu: Score
    chrf: Score
    exact_match: float
    num_sentences: int


def score(
    hypotheses: Sequence[str], references: References, language: str = ""
) -> Scores:
    """Scores translations by sacreBLEU, with 95% bootstrap intervals.

    Args:
        hypotheses: The translations.
        references: For each either one reference or a list of at least one; their
            number may vary.
        language: Code of their language; see `languages.bleu_tokenizer`.

    Raises:
        UserError: No hypotheses, as many references, or none for a sentence.

    Example:
        >>> scores = score(["El gato come."], [["Un gato come.", "El gato come."]])
        >>> scores.bleu.score, scores.exact_match
        (100.0, 100.0)
    """
    references = as_lists(hypotheses, references)
    hypotheses = list(hypotheses)
    return Scores(
        bleu=_with_interval(make_bleu(language), hypotheses, references),
        chrf=_with_interval(Chrf(), hypotheses, references),
        exact_match=exact_match_rate(hypotheses, references),
        num_sentences=len(hypotheses),
    )


def score_tokenized(
    hypotheses: Sequence[str], tokenized_references: Sequence[str], language: str
) -> Score:
    """Returns the BLEU that Multi30k papers report: another scale than `score`'s.

    Args:
        hypotheses: The translations, plain text.
        tokenized_references: Lower-cased, Moses-tokenised; see `tokenize_moses`.
        language: Code of their language.
    """
    return _with_interval(
        BLEU(tokenize="none", lowercase=True, force=True),
        tokenize_moses(hypotheses, language),
        as_lists(hypotheses, tokenized_references),
    )


def tokenize_moses(texts: Sequence[str], language: str) -> list[str]:
    """Returns the texts lower-cased, normalised and tokenised, in this order.

    Applied to the 6,000 raw references of Multi30k's tests it gives the official
    tokenised ones, but for one line.

    Example:
        >>> tokenize_moses(["Ein Mann ruft: »Halt!«"], "de")
        ['ein mann ruft : &quot; halt ! &quot;']
    """
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)
    return [
        tokenizer.tokenize(normalizer.normalize(text.lower()), return_str=True)
        for text in texts
    ]


def as_lists(sentences: Sequence[str], references: References) -> list[list[str]]:
    """Returns a list of references for each sentence.

    Raises:
        UserError: No sentences, as many references, or none for a sentence.
    """
    if isinstance(sentences, str) or isinstance(references, str):
        raise TypeError("expected lists of sentences. Received: a single string.")
    if len(sentences) == 0:
        raise UserError("there are no sentences to score.")
    if len(references) != len(sentences):
        raise UserError(
            "there must be a reference for each sentence. "
            f"Received: {len(references)} for {len(sentences)} sentences."
        )
    lists = [
        [own] if isinstance(own, str) else list(own if own is not None else ())
        for own in references
    ]
    for number, own in enumerate(lists, 1):
        if not own or not all(isinstance(reference, str) for reference in own):
            raise UserError(
                "there must be a reference, a string, for each sentence. Received: "
                f"{own or 'none'} for sentence {number}."
            )
    return lists


def as_streams(references: list[list[str]]) -> list[tuple[str | None, ...]]:
    """Turns references by sentence into sacreBLEU's order: by rank, None for none."""
    return list(zip_longest(*references))


def make_bleu(language: str, **options: Any) -> BLEU:
    """Returns sacreBLEU's metric, which cuts words as the language needs it."""
    # `force` is about a warning, not about the score.
    return BLEU(tokenize=bleu_tokenizer(language), force=True, **options)


class Chrf(CHRF):
    """chrF whose bootstrap does not fail on a small or bad set.

    sacreBLEU 2.6.0 mixes `float` zeros with `numpy.float32` scores there, and
    `statistics.mean` raises `TypeError: don't know how to coerce float and float32`.
    """

    def _compute_score_from_stats(self, stats):
        return super()._compute_score_from_stats([float(count) for count in stats])


def _with_interval(
    metric: Metric, hypotheses: Sequence[str], references: list[list[str]]
) -> Score:
    result = metric.corpus_score(
        hypotheses, as_streams(references), n_bootstrap=_NUM_RESAMPLES
    )
    signature = str(metric.get_signature())
    # Only its JSON tells the interval; it leaves out one around zero.
    facts = json.loads(result.format(width=4, signature=signature, is_json=True))
    middle = facts.get("confidence_mean", result.score)
    margin = facts.get("confidence_var", 0.0)
    return Score(
        score=rounded(result.score),
        low=rounded(max(0.0, middle - margin)),
        high=rounded(min(100.0, middle + margin)),
        signature=signature,
    )


def rounded(score: float) -> float:
    """Returns a score for a report: sacreBLEU's 100.00000000000004 is 100."""
    return round(float(score), 4)


def exact_match_rate(hypotheses: Sequence[str], references: list[list[str]]) -> float:
    """Returns the percentage of the translations that equal a reference."""
    pairs = zip(hypotheses, references, strict=True)
    matches = sum(hypothesis in wanted for hypothesis, wanted in pairs)
    return rounded(100.0 * matches / len(hypotheses))
