import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from translator.cli.data import app
from translator.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSLATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def write_pairs(path: Path, count: int) -> Path:
    lines = (f"Sentence number {i}.\tFrase {i}.\n" for i in range(count))
    path.write_text("".join(lines), "utf-8")
    return path


def test_list_shows_every_corpus_on_its_line():
    """Catches: names cut off by a narrow column; a corpus forgotten."""
    from translator.corpus.registry import CORPORA

    lines = run("list").splitlines()
    for corpus in CORPORA.values():
        (line,) = [line for line in lines if corpus.name in line]
        assert ", ".join(corpus.languages) in line
        assert corpus.is_generated or f"{corpus.num_pairs:,}" in line
        assert corpus.is_generated or " no " in line


def test_fetch_prints_where_the_files_are(tmp_path, monkeypatch):
    """Catches: fetching only the training files of a corpus with its own tests."""
    from translator.corpus import fetching, registry

    content = b"One\tUno\n"
    file = registry.RemoteFile(
        path="a/b.tsv",
        address="https://example.org/b.tsv",
        sha256=fetching.sha256(content).hexdigest(),
        size=len(content),
    )
    other = registry.RemoteFile("a/c.tsv", file.address, file.sha256, file.size)
    corpus = registry.Corpus(
        name="toy",
        languages=("en", "es"),
        description="",
        licence="CC0",
        attribution="nobody",
        release="1",
        train=(file,),
        tests={"test": (other,)},
    )
    monkeypatch.setattr(registry, "CORPORA", {"toy": corpus})
    monkeypatch.setenv("TRANSLATOR_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror" / "a").mkdir(parents=True)
    for name in ("b.tsv", "c.tsv"):
        (tmp_path / "mirror" / "a" / name).write_bytes(content)
    lines = run("fetch", "toy").splitlines()
    for line, name in zip(lines, ("b.tsv", "c.tsv"), strict=False):
        assert Path(line) == tmp_path / "cache" / "a" / name
        assert Path(line).read_bytes() == content
    assert lines[2] == "Licence: CC0. Credit: nobody."


def test_fetch_of_a_generated_corpus():
    """Catches: an error, or silence, where there is nothing to do."""
    assert "nothing to fetch" in run("fetch", "numbers-en-es")


def test_show_prints_pairs_that_the_readers_read(tmp_path):
    """Catches: decoration in output that is meant to be piped."""
    path = tmp_path / "pairs.tsv"
    path.write_text(run("show", "numbers-en-es", "-n", "7"), "utf-8")
    assert run("show", path, "-n", "99") == path.read_text("utf-8")
    assert len(path.read_text("utf-8").splitlines()) == 7
    swapped = run("show", "numbers-en-es", "-n", "7", "--source-language", "es")
    for line, other in zip(
        swapped.splitlines(), path.read_text("utf-8").splitlines(), strict=True
    ):
        assert line.split("\t") == other.split("\t")[::-1]


def test_check_reports_counts_reasons_and_examples(tmp_path):
    """Catches: a report that does not add up, or does not say why."""
    path = write_pairs(tmp_path / "toy.en-es.tsv", 1_000)
    with path.open("a", encoding="utf-8") as file:
        file.write("Lonely.\t \nOK\tOK\nOK\tOK\n")
    output = run("check", path)
    assert "toy.en-es.tsv, en to es" in output
    assert "1,003 pairs read" in output
    assert "1 dropped: a side is empty" in output
    assert "2 dropped: the sentence is not translated" in output
    assert "'Lonely.'" in output
    assert "1,000 kept" in output
    sizes = [
        int(line.split()[0].replace(",", ""))
        for line in output.splitlines()
        if line.split()[1:] in (["for", "training"], ["dev"], ["test"])
    ]
    assert len(sizes) == 3
    assert sum(sizes) == 1_000


def test_check_shows_what_is_learned_from(tmp_path):
    """Catches: the numbers of lines in the place of the source; limits that cannot be
    tried before training."""
    path = tmp_path / "toy.en-es.tsv"
    lines = [f"I have {n} books now.\tTengo {n} libros.\n" for n in range(100, 400)]
    path.write_text("".join(lines), "utf-8")
    output = run("check", path)
    assert output.count("books now.'  'Tengo ") == 3
    assert "en: half have 21 characters or fewer, 95% 21" in output
    assert "es: half have 17 characters or fewer, 95% 17" in output
    output = run("check", path, "--max-characters", "19")
    assert "300 dropped" in output and "half have" not in output
    output = run("check", path, "--max-length-ratio", "1.1")
    assert "books now." in output


def test_check_of_a_few_pairs(tmp_path):
    """Catches: refusing to look at a file because it is too small to train on."""
    assert "3 pairs read" in run("check", write_pairs(tmp_path / "few.tsv", 3))


@pytest.mark.parametrize(
    "arguments", [("check", "nowhere.tsv"), ("fetch", "x"), ("show", "x")]
)
def test_mistakes_are_user_errors(arguments):
    """Catches: tracebacks; `translator` prints a UserError in one line."""
    with pytest.raises(UserError, match="there is no corpus"):
        run(*arguments)


def test_a_bad_line_is_named(tmp_path):
    """Catches: a report on the part of the file before the mistake."""
    path = tmp_path / "bad.tsv"
    path.write_text("one\tuno\ntwo\n")
    with pytest.raises(UserError, match=r"bad\.tsv, line 2: expected two columns"):
        run("check", path)


def test_importing_the_command_is_instant():
    """Catches: NumPy, Babel or TensorFlow loaded for `--help`."""
    code = (
        "import sys, translator.cli.data; "
        "heavy = {'numpy', 'babel', 'httpx', 'tensorflow'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
