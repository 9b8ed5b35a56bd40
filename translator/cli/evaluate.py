"""`translator evaluate`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from translator.cli.options import EnsembleOption, config_options
from translator.errors import UserError

if TYPE_CHECKING:
    from translator.config import DataConfig
    from translator.evaluation import EvaluationSet
    from translator.text_translator import TextTranslator


@config_options("search", are_of_run=True)
def evaluate(
    options: dict,
    run: Annotated[
        Path,
        typer.Argument(
            help="Run folder, SavedModel or ONNX folder.", show_default=False
        ),
    ],
    ensemble: EnsembleOption = None,
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            help="Name or files of another corpus, as `translator train` takes them. "
            "Default: the run's.",
            metavar="<str>",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Set of the corpus: test, dev, the name of a test set, unusual "
            "(sentences of dev with rare words or more than ten), or with --corpus "
            "all.",
            show_default="test; all of files that --corpus gives",
        ),
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="File of sentences, in place of a set.")
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of their translations. May be given several times.",
            metavar="<path>",
        ),
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Translate altered copies of the sentences, too: capitals, typos, no "
            "full stop, unseen names and numbers, emoji and more.",
        ),
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="Run folder of another model, evaluated on the same set, or a folder "
            "of --output: tell whether this one is better, and where.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the report. Default: RUN/evaluation/NAME."),
    ] = None,
) -> None:
    """Measure how good a model is: BLEU and chrF on sentences it has not seen.

    Prints scores with 95% intervals and sacreBLEU's signatures, scores by length of
    the source, the worst and the best translations. Writes all translations to
    hypotheses.txt, beside sources.txt and references.txt, and the rest to report.json;
    with --robustness, what altered input costs to robustness.json; with --baseline, how
    sure it is that this model is better to comparison.json.

    Example: translator evaluate data/models/en-es --split dev
    """
    if ensemble and not output:
        raise UserError(
            "the scores of an ensemble are not those of the run, in whose folder they "
            "would be. Give a folder with --output."
        )
    from rich.console import Console
    from rich.progress import Progress

    if corpus and source:
        raise UserError("--corpus and --source exclude each other. Leave one out.")
    if source and split:
        raise UserError(
            "--split chooses a set of a corpus, and --source is a file. Leave one out."
        )
    from translator.cli.translate import change_search
    from translator.comparison import compare, read_baseline
    from translator.evaluation import evaluate as evaluate_set
    from translator.loading import (
        is_saved_model,
        load_translator,
        newest_version,
    )

    translator = None
    if source or reference:
        test = _read_files(source, reference or [])
    elif is_saved_model(newest_version(run)):
        translator = load_translator(run, ensemble or ())
        test = _read_set_of(translator, run, corpus or [], split)
    else:
        test = _read_set(run, corpus or [], split)
    others = read_baseline(baseline, test) if baseline else []
    translator = translator or load_translator(run, ensemble or ())
    search = change_search(translator.search, options)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"translating {test.name}", total=len(test.sources))
        report = evaluate_set(
            translator, test, search, lambda done: progress.update(task, completed=done)
        )
    output_dir = output or run / "evaluation" / test.name
    report.save(output_dir, test)
    Console().print(report.render())
    if baseline:
        language = test.target_language or translator.target_language
        comparison = compare(report, test, others, str(baseline), language)
        comparison.save(output_dir)
        Console().print(comparison.render())
    if robustness:
        _measure_robustness(translator, test, search, output_dir)
    _update_card(run, output)
    typer.echo(f"report: {output_dir}", err=True)


def _read_files(source: Path | None, references: list[Path]) -> "EvaluationSet":
    from translator.evaluation import read_file_set

    if not (source and references):
        raise UserError(
            "--source and --reference go together: a file of sentences, and one or "
            "more files of their translations."
        )
    test = read_file_set(source, references)
    return replace(test, name=f"file-{test.name}")  # or it might be the run's own


def _read_set(run: Path, corpus: list[str], split: str | None) -> "EvaluationSet":
    """Reads a set of the run's corpus, or of another one: then its name tells which."""
    from translator.checkpoints import DATA_NAME, load_run_config
    from translator.evaluation import read_corpus_set

    data = load_run_config(run)[0].data
    split = split or _default_split(corpus)
    if not corpus:
        if split == "all":
            raise UserError(
                "most of the run's corpus was trained on. Choose one of its sets with "
                "--split, or another corpus with --corpus."
            )
        return read_corpus_set(data, split, run / DATA_NAME)
    return _read_other_set(data, corpus, split)


def _read_set_of(
    translator: "TextTranslator", path: Path, corpus: list[str], split: str | None
) -> "EvaluationSet":
    """As `_read_set`, of a SavedModel, which does not know what it was trained on."""
    from translator.config import DataConfig

    if not corpus:
        raise UserError(
            f"{path} is a SavedModel, which does not know its corpus. Give one with "
            "--corpus, or files with --source and --reference."
        )
    languages = translator.source_language, translator.target_language
    data = DataConfig(source_language=languages[0], target_language=languages[1])
    return _read_other_set(data, corpus, split or _default_split(corpus))


def _default_split(corpus: list[str]) -> str:
    return "all" if corpus and Path(corpus[0]).is_file() else "test"


def _read_other_set(
    data: "DataConfig", corpus: list[str], split: str
) -> "EvaluationSet":
    from translator.evaluation import read_corpus_set

    changes = {"corpus": tuple(corpus), "dev_corpus": (), "extra_corpus": ()}
    test = read_corpus_set(data.model_copy(update=changes), split)
    return replace(test, name=f"{Path(corpus[0]).stem}-{test.name}")


def _measure_robustness(translator, test, search, output_dir: Path) -> None:
    from rich.console import Console

    from translator.robustness import (
        measure_robustness,
        render_robustness,
        save_robustness,
    )

    references = [r if isinstance(r, str) else r[0] for r in test.references]
    with Console(stderr=True).status("translating altered copies"):
        rows = measure_robustness(translator, test.sources, references, search)
    save_robustness(rows, output_dir)
    Console().print(render_robustness(rows))


def _update_card(run: Path, output: Path | None) -> None:
    """The card of a run shows the scores that lie in its folder."""
    from translator.loading import is_onnx_folder

    if is_onnx_folder(run):  # Its card is a copy, without what cards are made of.
        return
    from translator.cards import CARD_NAME, write_card

    if output is None and (run / CARD_NAME).exists():
        write_card(run)
