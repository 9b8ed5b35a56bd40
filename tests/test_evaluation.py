"""Scores equal sacreBLEU's own; a report holds every sentence in its place."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from sacrebleu.metrics import BLEU

from translator import evaluation
from translator.config import DataConfig, SearchConfig
from translator.corpus import (
    CorpusSets,
    Pair,
    load_sets,
    load_tokenized_references,
)
from translator.corpus.cleaning import CleaningReport
from translator.errors import UserError
from translator.evaluation import (
    EvaluationSet,
    evaluate,
    read_corpus_set,
    read_file_set,
)
from translator.scoring import score, score_tokenized, tokenize_moses

SHARED_DATA = Path(
    os.environ.get("TRANSLATOR_MIRROR")
    or Path(__file__).parents[1].parent / "shared" / "data"
)
WORDS = "la casa roja , grande ¿ quién come pan con María 12,5 : sí".split()


def make_sentences(seed: int, count: int) -> tuple[list[str], list[str]]:
    """Returns references of 1 to 30 words, and the same with words lost or changed."""
    rng = random.Random(seed)
    references = [rng.choices(WORDS, k=rng.randint(1, 30)) for _ in range(count)]
    hypotheses = [
        [word if rng.random() < 0.8 else rng.choice(WORDS) for word in words]
        for words in references
    ]
    return [" ".join(ws) for ws in hypotheses], [" ".join(ws) for ws in references]


class FakeTranslator:
    """Looks translations up; notes how it was called."""

    def __init__(self, translations: dict[str, str]):
        self.translations = translations
        self.searches: list[SearchConfig | None] = []

    def translate(self, texts, search=None):
        self.searches.append(search)
        return [
            SimpleNamespace(
                text=self.translations[text],
                is_finished=not text.startswith("endless"),
            )
            for text in texts
        ]


def evaluate_sentences(sources, hypotheses, references, name="test", **more):
    translator = FakeTranslator(dict(zip(sources, hypotheses, strict=True)))
    return evaluate(translator, EvaluationSet(name, sources, references, **more))


def test_scores_are_those_of_the_sacrebleu_program(tmp_path):
    """Catches: hypotheses and references exchanged, another tokenisation, lower case,
    references by sentence given as references by rank.
    """
    hypotheses, references = make_sentences(1, 60)
    others = make_sentences(1, 60)[0][::-1]
    texts = {"hypotheses": hypotheses, "first": references, "second": others}
    for name, lines in texts.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n", "utf-8")
    command = [sys.executable, "-m", "sacrebleu", "first", "second", "-i", "hypotheses"]
    command += ["-m", "bleu", "chrf", "--confidence", "--format", "json", "-w", "4"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    bleu, chrf = json.loads(result.stdout)

    scores = score(hypotheses, list(zip(references, others, strict=True)))
    for ours, theirs in ((scores.bleu, bleu), (scores.chrf, chrf)):
        assert ours.score == pytest.approx(theirs["score"], abs=1e-4)
        middle, margin = theirs["confidence_mean"], theirs["confidence_var"]
        assert ours.low == pytest.approx(middle - margin, abs=1e-3)
        assert ours.high == pytest.approx(middle + margin, abs=1e-3)
        assert ours.signature == theirs["signature"]


def test_interval_is_that_of_resampled_sentences():
    """Catches: a standard deviation for an interval, resampling without replacement."""
    hypotheses, references = make_sentences(2, 40)
    rng = np.random.default_rng(1)
    resampled = []
    for _ in range(300):
        rows = rng.integers(0, 40, 40)
        lines = [hypotheses[row] for row in rows]
        wanted = [[references[row] for row in rows]]
        resampled.append(BLEU(force=True).corpus_score(lines, wanted).score)
    low, high = np.percentile(resampled, [2.5, 97.5])
    bleu = score(hypotheses, references).bleu
    # Of 300 samples the ends themselves vary by about a tenth of the width.
    assert (bleu.low, bleu.high) == pytest.approx((low, high), abs=0.2 * (high - low))


def test_the_number_of_references_may_vary():
    """Catches: a missing reference counted as an empty one, or the list cut short."""
    hypotheses, references = make_sentences(3, 30)
    others, _ = make_sentences(4, 30)
    ragged = [[r] if row % 3 else [r, others[row]] for row, r in enumerate(references)]
    # A reference twice changes neither n-gram matches nor the closest length.
    full = [
        [r] * 2 if row % 3 else [r, others[row]] for row, r in enumerate(references)
    ]
    assert score(hypotheses, ragged).bleu.score == score(hypotheses, full).bleu.score
    assert score(hypotheses, ragged).chrf.score == score(hypotheses, full).chrf.score
    assert "nrefs:var" in score(hypotheses, ragged).bleu.signature
    assert score(hypotheses, full).bleu.score > score(hypotheses, references).bleu.score


def test_exact_match_takes_any_reference():
    """Catches: the first reference only; a fraction for a percentage; the bootstrap of
    sacreBLEU 2.6.0, which fails on a set as bad as this.
    """
    references = [["a b", "a c"], ["d"], ["e"], ["f g"]]
    assert score(["a c", "d", "x", "f  g"], references).exact_match == 50.0


def test_nothing_right_and_all_right():
    """Catches: a missing interval around zero, an interval or score beyond 100."""
    nothing = score(["x y", "z"], ["a b c d", "e"])
    assert (nothing.bleu.score, nothing.bleu.low, nothing.bleu.high) == (0, 0, 0)
    lines = ["a b c d e f", "g h i j k l", "g"]
    everything = score(lines, lines)
    for each in (everything.bleu, everything.chrf):
        assert each.score == each.high == 100


def test_scoring_is_silent(capfd, caplog):
    """Catches: sacreBLEU's advice on the user's screen."""
    lines = ["La casa es roja ."] * 150
    evaluate_sentences([f"{n}" for n in range(150)], lines, lines)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("num_sources", "references", "message"),
    [
        (0, [], "no sentences"),
        (3, ["a", "b"], "Received: 2 for 3 sentences"),
        (2, [["a"], []], "none for sentence 2"),
    ],
)
def test_wrong_numbers_are_refused_before_the_work(num_sources, references, message):
    """Catches: pairs cut to the shorter side; an hour of work before the error."""
    ones = ["x"] * num_sources
    with pytest.raises(UserError, match=message):
        EvaluationSet("test", ones, references)
    with pytest.raises(UserError, match=message):
        EvaluationSet("test", ones, ones, all_references=references)
    with pytest.raises(UserError, match=message):
        EvaluationSet("test", ones, ones, tokenized_references=references)
    with pytest.raises(UserError, match=message):
        score(ones, references)


def test_columns_of_any_library_are_scored():
    """Catches: arrays that are neither true nor false; a text of letters."""
    texts = ["a b c d", "e f g h"]
    expected = score(texts, texts)
    assert score(np.array(texts), np.array(texts)) == expected
    test = EvaluationSet("test", np.array(texts), np.array(texts))
    assert test.sources == texts
    with pytest.raises(TypeError, match="a single string"):
        score("abc", "abd")
    with pytest.raises(UserError, match="none for sentence 2"):
        score(texts, ["a", None])


def test_evaluate_keeps_the_order_over_chunks(monkeypatch):
    """Catches: a chunk lost or twice; options not passed on."""
    monkeypatch.setattr(evaluation, "_CHUNK_SIZE", 7)
    hypotheses, references = make_sentences(5, 30)
    sources = [f"source {n}" for n in range(30)]
    translator = FakeTranslator(dict(zip(sources, hypotheses, strict=True)))
    search, counts = SearchConfig(beam_size=3), []
    test = EvaluationSet("test", sources, references)
    report = evaluate(translator, test, search, progress=counts.append)
    assert report.hypotheses == hypotheses
    assert report.scores == score(hypotheses, references)
    assert translator.searches == [search] * 5
    assert counts == [7, 14, 21, 28, 30]
    assert report.search["beam_size"] == 3


def test_scores_by_length_are_those_of_the_sentences_of_that_length():
    """Catches: bins of target words or characters; a sentence in two bins or none."""
    hypotheses, references = make_sentences(6, 80)
    rng = random.Random(7)
    # Not the length of the reference; every edge of the bins, and an empty source.
    counts = [0, 1, 5, 6, 10, 11, 20, 21, 40, *rng.choices(range(1, 30), k=71)]
    sources = [" ".join([f"s{row}"] * count) for row, count in enumerate(counts)]
    report = evaluate_sentences(sources, hypotheses, references)
    assert [entry.words for entry in report.by_length] == [
        "1-5",
        "6-10",
        "11-20",
        "21+",
    ]
    bounds = [(0, 5), (6, 10), (11, 20), (21, 99)]
    for entry, (low, high) in zip(report.by_length, bounds, strict=True):
        rows = [row for row, count in enumerate(counts) if low <= count <= high]
        expected = score(
            [hypotheses[row] for row in rows], [references[row] for row in rows]
        )
        assert entry.num_sentences == len(rows)
        assert (entry.bleu, entry.chrf) == (expected.bleu.score, expected.chrf.score)
        assert entry.exact_match == expected.exact_match


def test_a_bin_without_sentences_has_no_scores():
    """Catches: a crash of sacreBLEU on no sentences; a zero that was not measured."""
    report = evaluate_sentences(["one"], ["uno"], ["uno"])
    assert report.by_length[3].num_sentences == 0
    assert report.by_length[3].bleu is None
    Console(quiet=True).print(report.render())


def test_examples_are_the_worst_and_the_best():
    """Catches: orders reversed, hypotheses beside foreign sources, short ones first."""
    hypotheses, references = make_sentences(8, 40)
    hypotheses = [f"{hypothesis} mal" for hypothesis in hypotheses]
    hypotheses[3:6] = references[3:6] = ["sí", "sí , María come pan", "sí , come"]
    hypotheses[9] = "zzz"
    sources = [f"{'long ' * len(r)}{n}" for n, r in enumerate(references)]
    report = evaluate_sentences(sources, hypotheses, references)
    assert report.worst[0].source == sources[9]
    assert [example.source for example in report.best[:3]] == [
        sources[row] for row in (4, 5, 3)
    ]
    assert len(report.worst) == len(report.best) == 10
    for example in [*report.worst, *report.best]:
        row = sources.index(example.source)
        assert example.hypothesis == hypotheses[row]
        assert example.references == [references[row]]
        chrf = score([hypotheses[row]], [references[row]]).chrf.score
        assert example.chrf == pytest.approx(chrf)
    chrfs = [example.chrf for example in report.worst]
    assert chrfs == sorted(chrfs)


def test_all_references_are_a_second_score():
    """Catches: the first score raised by more references; one number shown as two."""
    hypotheses, references = make_sentences(9, 20)
    sources = [f"{n}" for n in range(20)]
    more = [[r, h] for r, h in zip(references, hypotheses, strict=True)]
    report = evaluate_sentences(sources, hypotheses, references, all_references=more)
    assert report.scores == score(hypotheses, references)
    assert report.scores_of_all_references.exact_match == 100.0
    alone = [[r] for r in references]
    report = evaluate_sentences(sources, hypotheses, references, all_references=alone)
    assert report.scores_of_all_references is None


def test_tokenized_bleu_is_lower_cased_moses():
    """Catches: no lower-casing, no normalising, no tokenising, no escaping; sacreBLEU's
    own tokenisation on top.
    """
    reference = "un homme &quot; crie &quot; : l&apos; eau , vite !"
    hypothesis = "Un homme „crie“: l'eau, vite!"
    tokenized = score_tokenized([hypothesis], [reference], "fr")
    assert tokenized.score == 100.0
    assert "case:lc|eff:no|tok:none" in tokenized.signature
    report = evaluate_sentences(
        ["A man"],
        [hypothesis],
        ["Un homme crie: L'eau, vite!"],
        tokenized_references=[reference],
        target_language="fr",
    )
    assert report.tokenized_bleu == tokenized
    assert report.scores.bleu.score < 100


def test_save_writes_a_line_a_sentence_and_all_facts(tmp_path):
    """Catches: line breaks inside a hypothesis, escaped letters, hypotheses twice."""
    sources = ["endless", "two", "three"]
    report = evaluate_sentences(
        sources, ["a\nb\u2028c", "", "¿Qué?"], ["a b c", "dos", "¿Qué?"], name="dev"
    )
    report.save(tmp_path / "new" / "dev")
    text = (tmp_path / "new" / "dev" / "hypotheses.txt").read_text("utf-8")
    assert text == "a b c\n\n¿Qué?\n"
    text = (tmp_path / "new" / "dev" / "report.json").read_text("utf-8")
    content = json.loads(text)
    assert "¿Qué?" in text
    assert "hypotheses" not in content
    assert content["name"] == "dev"
    assert content["num_unfinished"] == 1
    assert content["scores"]["num_sentences"] == 3
    for metric in ("bleu", "chrf"):
        saved = content["scores"][metric]
        assert saved["low"] <= saved["score"] <= saved["high"]
        assert saved["signature"] == getattr(report.scores, metric).signature
    assert [entry["words"] for entry in content["by_length"]][0] == "1-5"


def test_save_tells_where_it_cannot_write(tmp_path):
    """Catches: a traceback after an hour of translating."""
    report = evaluate_sentences(["one"], ["uno"], ["uno"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the report to .*file"):
        report.save(tmp_path / "file")


def test_render_shows_texts_as_they_are(tmp_path):
    """Catches: user text read as markup; scores of the wrong rows."""
    report = evaluate_sentences(
        ["endless [red]x[/red]", "two"],
        ["[bold]a b c", "dos"],
        ["[link=x]a b d", "dos"],
        name="my test",
        tokenized_references=["a b d", "dos"],
        target_language="es",
    )
    console = Console(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(report.render())
    console.file.close()
    text = console.export_text()
    for part in (
        "my test: 2 sentences",
        "1 cut off",
        "endless [red]x[/red]",
        "= [link=x]a b d",
        "> [bold]a b c",
        "tok:none",
        "Multi30k papers",
    ):
        assert part in text
    rows = {
        line.split("  ")[1].strip(): line for line in text.splitlines() if "  " in line
    }
    assert f"{report.scores.chrf.score:.1f}" in rows["chrF"]
    assert "50.0" in rows["exact match"]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("A man's T-Shirt.", "en", "a man &apos;s t-shirt ."),
        ("L'ÉTÉ, aujourd’hui !", "fr", "l&apos; été , aujourd&apos; hui !"),
        ("„Ja“ & «nein»", "de", "&quot; ja &quot; &amp; &quot; nein &quot;"),
        ("2,5 km", "de", "2,5 km"),
    ],
)
def test_tokenize_moses(text, language, expected):
    """Catches: steps left out or in another order, the rules of another language."""
    assert tokenize_moses([text], language) == [expected]


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the public corpora are not here")
@pytest.mark.parametrize("target", ["de", "en"])
def test_tokenize_moses_makes_the_official_references(target, tmp_path, monkeypatch):
    """Catches: any other way to tokenise than that of the published scores."""
    monkeypatch.setenv("TRANSLATOR_CACHE", str(tmp_path))
    monkeypatch.setenv("TRANSLATOR_MIRROR", str(SHARED_DATA))
    config = DataConfig(corpus=("multi30k-en-de",), target_language=target)
    official = load_tokenized_references(config)
    for name, pairs in load_sets(config).tests.items():
        raw = [pair.target for pair in pairs]
        tokenized = [line.strip() for line in tokenize_moses(raw, target)]
        assert tokenized == official[name]
        test = read_corpus_set(config, name)
        assert test.tokenized_references == official[name]
        assert test.target_language == target


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def test_file_set_pairs_lines_of_several_references(tmp_path):
    """Catches: references by file, not by line; a name with the language in it."""
    source = write_lines(tmp_path / "news.v1.en", ["one", "two", "three"])
    first = write_lines(tmp_path / "a.es", ["uno", "dos", "tres"])
    second = write_lines(tmp_path / "b.es", ["un", "", "3"])
    test = read_file_set(source, [first, second])
    assert test.name == "news.v1"
    assert test.sources == ["one", "two", "three"]
    assert test.references == [["uno", "un"], ["dos", ""], ["tres", "3"]]
    write_lines(second, ["un", "2"])
    with pytest.raises(UserError, match=r"b\.es .* 3 lines of .*news.v1.en. .* 2\."):
        read_file_set(source, [first, second])


def test_corpus_set_is_held_out_and_has_all_references(tmp_path):
    """Catches: the training pairs, the first reference twice, another direction."""
    lines = [f"Sentence number {n}.\tFrase {n} {k}." for n in range(900) for k in "ab"]
    config = DataConfig(corpus=(str(write_lines(tmp_path / "toy.en-es.tsv", lines)),))
    sets = load_sets(config)
    for name, pairs in (("test", sets.tests["test"]), ("dev", sets.dev)):
        test = read_corpus_set(config, name)
        assert len(test.sources) > 3
        assert (test.name, test.target_language) == (name, "es")
        assert list(zip(test.sources, test.references, strict=True)) == pairs
        for source, first, every in zip(
            test.sources, test.references, test.all_references, strict=True
        ):
            number = source.split()[-1][:-1]
            assert first == f"Frase {number} a."
            assert every == [f"Frase {number} a.", f"Frase {number} b."]
        assert test.tokenized_references is None
    with pytest.raises(UserError, match="no set 'test_2016'. Its sets: test, dev"):
        read_corpus_set(config, "test_2016")


def test_unusual_sentences_are_long_or_hold_a_rare_word(tmp_path):
    """Catches: words counted in the development set itself, or as they are cased; a
    length counted in characters; usual sentences kept.
    """
    usual = [f"We saw {'the ' * n}house." for n in range(1, 7)]
    rare = ["We saw the Zeppelin.", "We saw the zeppelin house."]
    long = "We saw the house and the garden and the old grey bridge."
    train = [f"{text[:-1]} {n}.\tx {n}." for text in usual for n in range(300)]
    train += [
        f"{rare[0]}\tz.",
        f"{long[:-1]} there.\ty.",
    ]
    train += [
        f"And the garden, {word} {n}.\tv{n}."
        for word in ("old", "grey", "bridge")
        for n in range(9)
    ]
    dev = [f"{text}\tu {n}." for n, text in enumerate([*usual, rare[1], long])]
    config = DataConfig(
        corpus=(str(write_lines(tmp_path / "toy.en-es.tsv", train)),),
        dev_corpus=(str(write_lines(tmp_path / "dev.en-es.tsv", dev)),),
    )
    assert read_corpus_set(config, "unusual").sources == [rare[1], long]


def test_test_stands_for_the_first_test_set(monkeypatch):
    """Catches: `--split test` refused where the sets have names of their own."""
    pairs = [Pair("one", "eins")]
    corpus = CorpusSets(
        dev=[],
        tests={"test_a": pairs, "test_b": [Pair("two", "zwei")]},
        references={"one": ["eins"], "two": ["zwei"]},
        info={"name": "toy", "languages": ["en", "de"]},
        report=CleaningReport(),
    )
    monkeypatch.setattr(evaluation, "load_sets", lambda config, directory: corpus)
    monkeypatch.setattr(
        evaluation, "load_tokenized_references", lambda config: {"test_a": ["eins !"]}
    )
    test = read_corpus_set(DataConfig())
    assert (test.name, test.sources) == ("test_a", ["one"])
    assert test.tokenized_references == ["eins !"]
    assert read_corpus_set(DataConfig(), "test_b").sources == ["two"]
    with pytest.raises(UserError, match=r"no set 'dev'. Its sets: test_a, test_b\."):
        read_corpus_set(DataConfig(), "dev")
