"""How good a model is: scores of a set, all of it and by length, with examples."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from translator.config import DataConfig, SearchConfig
from translator.corpus import (
    Pair,
    PairFile,
    load_sets,
    load_tokenized_references,
    prepare_corpus,
    read_corpus,
)
from translator.corpus.keeping import TRAIN_NAME
from translator.corpus.readers import read_lines
from translator.disk import write_json, write_text
from translator.errors import UserError
from translator.languages import has_spaces
from translator.scoring import (
    Chrf,
    References,
    Score,
    Scores,
    as_lists,
    as_streams,
    exact_match_rate,
    make_bleu,
    rounded,
    score,
    score_tokenized,
)
from translator.text import normalize_text
from translator.translations import AnyTranslator
from translator.words import split_words

# Words of the source sentence, from and to. The last bin has no end.
LENGTH_BINS = ((1, 5), (6, 10), (11, 20), (21, None))
NUM_EXAMPLES = 10  # kept of each kind
_NUM_SHOWN = 5

# A sentence is unusual if it has more words, or one that training has less often.
USUAL_LENGTH = 10
USUAL_COUNT = 3

# Sentences between calls of `progress`: enough to fill batches of one length.
_CHUNK_SIZE = 512


@dataclass(frozen=True)
class EvaluationSet:
    """Sentences and how they should be translated.

    Args:
        name: Of the set.
        sources: Sentences.
        references: One for each, or a list of at least one.
        all_references: Every known translation of each, for a second score.
        tokenized_references: One lower-cased, Moses-tokenised line for each, for a
            third; see `score_tokenized`.
        target_language: Code, for BLEU to cut it into words; that of the translator if
            it is not told.

    Raises:
        UserError: The numbers of sentences and references differ, or are zero.
    """

    name: str
    sources: Sequence[str]
    references: References
    all_references: Sequence[Sequence[str]] | None = None
    tokenized_references: Sequence[str] | None = None
    target_language: str = ""

    def __post_init__(self):
        for name in ("sources", "references"):  # columns of any library
            if not isinstance(getattr(self, name), str):
                object.__setattr__(self, name, list(getattr(self, name)))
        known = (self.references, self.all_references, self.tokenized_references)
        for references in known:
            if references is not None:
                as_lists(self.sources, references)


@dataclass(frozen=True)
class LengthScores:
    """Scores of the sentences of some length; None where there are no sentences.

    Attributes:
        words: The bin, such as `6-10`, in words of the source sentence; in characters
            where its language has no spaces.
        num_sentences: Sentences in it.
        bleu: Corpus BLEU of them.
        chrf: Corpus chrF of them.
        exact_match: Percentage that equals a reference.
    """

    words: str
    num_sentences: int
    bleu: float | None = None
    chrf: float | None = None
    exact_match: float | None = None


@dataclass(frozen=True)
class Example:
    """A sentence, its translation, and the sentence's own scores.

    Attributes:
        source: What was translated.
        references: What was wanted.
        hypothesis: What came out.
        chrf: Sentence chrF.
        bleu: Sentence BLEU, of the n-gram orders that fit the sentence.
    """

    source: str
    references: list[str]
    hypothesis: str
    chrf: float
    bleu: float


@dataclass(frozen=True)
class EvaluationReport:
    """What `evaluate` finds.

    Attributes:
        name: Of the test set.
        scores: Against the references.
        scores_of_all_references: Against every known translation, if there are more.
        tokenized_bleu: BLEU of lower-cased, Moses-tokenised text, as Multi30k papers
            report it: another scale, usually some points higher.
        by_length: One entry for each of `LENGTH_BINS`.
        worst: Examples with the lowest chrF.
        best: Examples with the highest chrF, the longest first.
        hypotheses: All translations, in the order of the sentences.
        num_unfinished: Translations cut off at the longest length allowed.
        seconds: Time the translating took.
        search: Options of the search; None for the translator's own.
    """

    name: str
    scores: Scores
    scores_of_all_references: Scores | None
    tokenized_bleu: Score | None
    by_length: list[LengthScores]
    worst: list[Example]
    best: list[Example]
    hypotheses: list[str]
    num_unfinished: int
    seconds: float
    search: dict[str, Any] | None

    def save(self, directory: Path | str, test: EvaluationSet | None = None) -> None:
        """Writes `hypotheses.txt`, a line a sentence, and `report.json`, the rest.

        Args:
            directory: Where to.
            test: What was translated: `sources.txt` and `references.txt`, its first
                ones, for tools that compare translations.
        """
        directory = Path(directory)
        content = asdict(self)
        files = {"hypotheses.txt": content.pop("hypotheses")}
        if test:
            references = as_lists(test.sources, test.references)
            files["sources.txt"] = test.sources
            files["references.txt"] = [own[0] for own in references]
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name, texts in files.items():
                lines = (" ".join(text.split()) for text in texts)
                write_text(directory / name, "".join(f"{line}\n" for line in lines))
            write_json(directory / "report.json", content)
        except OSError as error:
            raise UserError(
                f"cannot write the report to {directory}: {error.strerror}. "
                "Choose another folder with --output."
            ) from None

    def render(self) -> Group:
        """Returns the report for a `rich.console.Console` to print."""
        return Group(
            Text(self._headline()),
            self._score_table(),
            Text("\n".join(self._notes()), style="dim"),
            self._length_table(),
            _render_examples("Worst", self.worst),
            "",
            _render_examples("Best, longest first", self.best),
        )

    def _headline(self) -> str:
        headline = (
            f"{self.name}: {self.scores.num_sentences:,} sentences "
            f"in {self.seconds:.0f} s"
        )
        if self.num_unfinished:
            headline += f", {self.num_unfinished:,} cut off at the longest length"
        return headline

    def _score_rows(self) -> list[tuple[str, Score]]:
        rows = [("BLEU", self.scores.bleu), ("chrF", self.scores.chrf)]
        if several := self.scores_of_all_references:
            rows += [("BLEU, all references", several.bleu)]
            rows += [("chrF, all references", several.chrf)]
        if self.tokenized_bleu:
            rows += [("BLEU, lc tokenised*", self.tokenized_bleu)]
        return rows

    def _score_table(self) -> Table:
        table = Table("", box=box.SIMPLE_HEAD)
        table.add_column("score", justify="right")
        table.add_column("95% interval", justify="right")
        for name, own in self._score_rows():
            interval = f"{own.low:.1f} to {own.high:.1f}"
            table.add_row(name, f"{own.score:.1f}", interval)
        table.add_row("exact match", f"{self.scores.exact_match:.1f}", "")
        return table

    def _notes(self) -> list[str]:
        notes = [f"{name}: {score.signature}" for name, score in self._score_rows()]
        if self.tokenized_bleu:
            notes += ["* The scale of Multi30k papers; compare with nothing else."]
        return notes

    def _length_table(self) -> Table:
        table = Table("source words", box=box.SIMPLE_HEAD)
        for name in ("sentences", "BLEU", "chrF", "exact match"):
            table.add_column(name, justify="right")
        for row in self.by_length:
            numbers = (row.bleu, row.chrf, row.exact_match)
            table.add_row(
                row.words,
                f"{row.num_sentences:,}",
                *("" if number is None else f"{number:.1f}" for number in numbers),
            )
        return table


def read_corpus_set(
    config: DataConfig, name: str = "test", directory: Path | None = None
) -> EvaluationSet:
    """Reads the development set of a corpus, or one of its test sets.

    Args:
        config: Which corpus, in which direction: those of the training.
        name: `dev`; `unusual`, those sentences of it that a good average hides, of more
            than `USUAL_LENGTH` words or with one that training has less than
            `USUAL_COUNT` times; or a test set. `test` stands for the first of them if
            none is called so. `all` is all pairs, as they are.
        directory: Where the corpus was prepared for training, if it is known: the sets
            are those that training did not see, though the files may have changed.

    Raises:
        UserError: The corpus cannot be read, or has no such set.
    """
    if name == "all":
        pairs = list(read_corpus(config))
        sources, targets = (
            [normalize_text(pair[side]) for pair in pairs] for side in (0, 1)
        )
        return EvaluationSet(name, sources, targets)
    corpus = load_sets(config, directory=directory)
    sets = {**corpus.tests, "dev": corpus.dev}
    if name == "test" and name not in sets:
        name = next(iter(sets))
    if name == "unusual":
        sets[name] = _unusual(corpus.dev, config, directory)
        if not sets[name]:
            raise UserError(
                f"no development sentence of {corpus.info['name']} is unusual."
            )
    if not sets.get(name):
        known = ", ".join(key for key, pairs in sets.items() if pairs)
        raise UserError(
            f"{corpus.info['name']} has no set {name!r}. Its sets: {known or 'none'}."
        )
    pairs = sets[name]
    return EvaluationSet(
        name,
        [pair.source for pair in pairs],
        [pair.target for pair in pairs],
        all_references=[corpus.references[pair.source] for pair in pairs],
        tokenized_references=load_tokenized_references(config).get(name),
        target_language=corpus.info["languages"][1],
    )


def _unusual(
    pairs: Sequence[Pair], config: DataConfig, directory: Path | None
) -> list[Pair]:
    language = config.source_language
    words = [split_words(pair.source.casefold(), language) for pair in pairs]
    counts = Counter(dict.fromkeys(chain(*words), 0))
    if directory and (directory / TRAIN_NAME).exists():
        train = PairFile(directory / TRAIN_NAME)
    else:
        train = prepare_corpus(config, allow_empty=True).train
    for pair in train:
        for word in split_words(pair.source.casefold(), language):
            if word in counts:
                counts[word] += 1
    return [
        pair
        for pair, own in zip(pairs, words, strict=True)
        if len(own) > USUAL_LENGTH or any(counts[word] < USUAL_COUNT for word in own)
    ]


def read_file_set(source: Path, references: Sequence[Path]) -> EvaluationSet:
    """Reads a file of sentences and one or more files of references, line by line.

    Raises:
        UserError: A file cannot be read, or has another number of lines.
    """
    sources, *columns = (
        [normalize_text(line) for line in read_lines(path)]
        for path in (source, *references)
    )
    for path, lines in zip(references, columns, strict=True):
        if len(lines) != len(sources):
            raise UserError(
                f"{path} must have a line for each of the {len(sources)} lines of "
                f"{source}. Received: {len(lines)}."
            )
    name = source.name.removesuffix(".gz")
    rows = [list(row) for row in zip(*columns, strict=True)]
    return EvaluationSet(name.rpartition(".")[0] or name, sources, rows)


def evaluate(
    translator: AnyTranslator,
    test: EvaluationSet,
    search: SearchConfig | None = None,
    progress: Callable[[int], None] | None = None,
) -> EvaluationReport:
    """Translates a set as its users would, cut into sentences, and scores what comes
    out.

    Args:
        translator: Anything with the `translate` of `TextTranslator`.
        test: Sentences and references.
        search: How to search; default, the translator's own options.
        progress: Called now and then with the number of sentences translated.
    """
    start = time.perf_counter()
    found = _translate(translator, test.sources, search, progress)
    seconds = time.perf_counter() - start
    hypotheses = [" ".join(translation.text.split()) for translation in found]
    references = as_lists(hypotheses, test.references)
    language = test.target_language or getattr(translator, "target_language", "")
    examples = _score_examples(test.sources, references, hypotheses, language)
    return EvaluationReport(
        name=test.name,
        scores=score(hypotheses, references, language),
        scores_of_all_references=_score_all_references(test, hypotheses, language),
        tokenized_bleu=_score_tokenized(test, hypotheses),
        by_length=_score_by_length(
            _lengths(test.sources, getattr(translator, "source_language", "")),
            references,
            hypotheses,
            language,
        ),
        worst=sorted(examples, key=lambda e: (e.chrf, e.bleu))[:NUM_EXAMPLES],
        best=sorted(examples, key=lambda e: (-e.chrf, -len(e.source)))[:NUM_EXAMPLES],
        hypotheses=hypotheses,
        num_unfinished=sum(not translation.is_finished for translation in found),
        seconds=round(seconds, 1),
        search=search.model_dump() if search else None,
    )


def _translate(
    translator: AnyTranslator,
    sources: Sequence[str],
    search: SearchConfig | None,
    progress: Callable[[int], None] | None,
) -> list[Any]:
    found = []
    for start in range(0, len(sources), _CHUNK_SIZE):
        found += translator.translate(sources[start : start + _CHUNK_SIZE], search)
        if progress:
            progress(len(found))
    return found


def _score_all_references(
    test: EvaluationSet, hypotheses: list[str], language: str
) -> Scores | None:
    if not test.all_references or max(map(len, test.all_references)) < 2:
        return None
    return score(hypotheses, test.all_references, language)


def _score_tokenized(test: EvaluationSet, hypotheses: list[str]) -> Score | None:
    if not test.tokenized_references:
        return None
    return score_tokenized(hypotheses, test.tokenized_references, test.target_language)


def _lengths(sources: Sequence[str], language: str) -> list[int]:
    """In words, or characters of a language that has no spaces between them."""
    if has_spaces(language):
        return [len(source.split()) for source in sources]
    return [len(split_words(source, language)) for source in sources]


def _score_by_length(
    lengths: Sequence[int],
    references: list[list[str]],
    hypotheses: list[str],
    language: str,
) -> list[LengthScores]:
    table = []
    for low, high in LENGTH_BINS:
        words = f"{low}-{high}" if high else f"{low}+"
        rows = [
            row
            for row, count in enumerate(lengths)
            if low <= max(1, count) and (high is None or count <= high)
        ]
        wanted = [references[row] for row in rows]
        found = [hypotheses[row] for row in rows]
        table.append(_score_bin(words, found, wanted, language))
    return table


def _score_bin(
    words: str, hypotheses: list[str], references: list[list[str]], language: str
) -> LengthScores:
    if not hypotheses:
        return LengthScores(words, 0)
    streams = as_streams(references)
    return LengthScores(
        words,
        len(hypotheses),
        bleu=rounded(make_bleu(language).corpus_score(hypotheses, streams).score),
        chrf=rounded(Chrf().corpus_score(hypotheses, streams).score),
        exact_match=exact_match_rate(hypotheses, references),
    )


def _score_examples(
    sources: Sequence[str],
    references: list[list[str]],
    hypotheses: list[str],
    language: str,
) -> list[Example]:
    bleu, chrf = make_bleu(language, effective_order=True), Chrf()
    return [
        Example(
            source,
            wanted,
            hypothesis,
            chrf=rounded(chrf.sentence_score(hypothesis, wanted).score),
            bleu=rounded(bleu.sentence_score(hypothesis, wanted).score),
        )
        for source, wanted, hypothesis in zip(
            sources, references, hypotheses, strict=True
        )
    ]


def _render_examples(title: str, examples: list[Example]) -> Table:
    rows = [
        (f"{own.chrf:.1f}", own.source, own.references, {">": own.hypothesis})
        for own in examples
    ]
    return render_sentences(f"{title} (= wanted, > found)", rows)


def render_sentences(
    title: str, rows: Sequence[tuple[str, str, list[str], dict[str, str]]]
) -> Table:
    """Draws the first few sentences of a list, with their translations.

    Args:
        title: Of the list; explains the marks.
        rows: Score, source, references, and what was found, each behind its mark. A
            reference that was found is not drawn twice.
    """
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    table.add_row("", Text(title, style="bold"))
    for score_text, source, references, found in rows[:_NUM_SHOWN]:
        table.add_row("", "")
        table.add_row(score_text, Text(source))
        for reference in references:
            if reference not in found.values():
                table.add_row("=", Text(reference))
        for mark, text in found.items():
            table.add_row(mark, Text(text))
    return table
