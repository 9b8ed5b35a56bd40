"""`translator data`: list, fetch, show and check corpora."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from translator.corpus import PreparedCorpus

app = typer.Typer(help="List, fetch, show and check corpora.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="Name of a corpus.", show_default=False)]
_Files = Annotated[
    list[str],
    typer.Argument(
        help="One file of pairs, two line-aligned files, or the name of a corpus.",
        show_default=False,
    ),
]
_Language = Annotated[str, typer.Option(help="Language code, such as en.")]


@app.command("list")
def list_corpora() -> None:
    """List the named corpora.

    Each serves both directions: tatoeba-es-en is tatoeba-en-es, the other way round.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from translator.corpus.fetching import is_cached
    from translator.corpus.registry import CORPORA

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("name", no_wrap=True)
    table.add_column("languages")
    table.add_column("pairs", justify="right")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("cached")
    table.add_column("licence")
    for corpus in CORPORA.values():
        size = sum(file.size for file in corpus.files) / 1e6
        cached = "yes" if all(map(is_cached, corpus.files)) else "no"
        facts = (f"{corpus.num_pairs:,}", f"{size:.1f} MB", cached)
        table.add_row(
            corpus.name,
            ", ".join(corpus.languages),
            *(("any", "none", "") if corpus.is_generated else facts),
            corpus.licence,
        )
    Console().print(table)


@app.command("fetch")
def fetch_corpus(name: _Name) -> None:
    """Fetch the files of a corpus to the cache."""
    from translator.corpus.fetching import fetch
    from translator.corpus.registry import find_corpus

    corpus, _ = find_corpus(name)
    if corpus.is_generated:
        typer.echo(f"{name} is made on the fly: there is nothing to fetch.")
        return
    for file in corpus.files:
        typer.echo(fetch(file, corpus.release))
    typer.echo(f"Licence: {corpus.licence}. Credit: {corpus.attribution}.")


@app.command("show")
def show_pairs(
    corpus: _Files,
    number: Annotated[int, typer.Option("--number", "-n", min=1)] = 10,
    source_language: _Language = "",
    target_language: _Language = "",
) -> None:
    """Print the first pairs as they are, with a tab between the sides."""
    from itertools import islice

    from translator.corpus import read_corpus

    config = _make_config(corpus, source_language, target_language)
    for pair in islice(read_corpus(config), number):
        typer.echo("\t".join(pair))


@app.command("check")
def check_files(
    corpus: _Files,
    source_language: _Language = "",
    target_language: _Language = "",
    max_characters: Annotated[
        int | None,
        typer.Option(help="As of `translator train`.", show_default="as there"),
    ] = None,
    max_length_ratio: Annotated[
        float | None,
        typer.Option(help="As of `translator train`.", show_default="as there"),
    ] = None,
) -> None:
    """Read, clean and split a corpus, and report what training would get."""
    from translator.corpus import prepare_corpus

    limits = {"max_characters": max_characters, "max_length_ratio": max_length_ratio}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    config = _make_config(corpus, source_language, target_language, **given)
    _print_report(prepare_corpus(config, allow_empty=True))


def _make_config(
    corpus: list[str], source_language: str, target_language: str, **options: float
):
    from translator.config import make_config

    options |= {
        "corpus": tuple(corpus),
        "source_language": source_language,
        "target_language": target_language,
    }
    return make_config(options=options).data


def _print_report(corpus: "PreparedCorpus") -> None:
    from translator.corpus.cleaning import REASONS

    info, report = corpus.info, corpus.report
    typer.echo(f"{info['name']}, {' to '.join(info['languages'])}")
    typer.echo(f"  {report.read:>9,} pairs read")
    for reason in REASONS:
        if reason in report.dropped:
            typer.echo(f"  {report.dropped[reason]:>9,} dropped: {REASONS[reason]}")
            for pair in report.examples[reason]:
                typer.echo(f"{'':12}{pair.source[:60]!r}  {pair.target[:60]!r}")
    typer.echo(f"  {report.kept:>9,} kept")
    typer.echo(f"  {len(corpus.train):>9,} for training")
    _print_training(corpus)
    for name, pairs in {"dev": corpus.dev, **corpus.tests}.items():
        typer.echo(f"  {len(pairs):>9,} {name}")


def _print_training(corpus: "PreparedCorpus") -> None:
    """Shows what is learned from, as wrong columns look like any others in numbers."""
    if not len(corpus.train):
        return
    import numpy as np

    for pair in corpus.train.sample(3):
        typer.echo(f"{'':12}{pair.source[:60]!r}  {pair.target[:60]!r}")
    pairs = corpus.train.sample(1_000)
    for side, language in enumerate(corpus.info["languages"]):
        usual, long = np.percentile([len(pair[side]) for pair in pairs], [50, 95])
        typer.echo(
            f"{'':12}{language}: half have {usual:.0f} characters or fewer, 95% "
            f"{long:.0f}"
        )
