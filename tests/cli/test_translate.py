import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from translator.config import SearchConfig
from translator.errors import UserError


class FakeTranslator:
    """Writes text backwards; its alternatives have more and more marks."""

    search = SearchConfig(beam_size=4)
    max_characters = 60

    def __init__(self):
        self.calls = []

    def translate(self, texts, search):
        self.calls.append((len(texts), search))
        return [
            SimpleNamespace(text=text[::-1], score=-len(text) / 4) for text in texts
        ]

    def translate_sentences(self, sentences, search, num_hypotheses):
        if num_hypotheses > search.beam_size:
            raise UserError("too many hypotheses.")
        self.calls.append((len(sentences), search))
        return [
            SimpleNamespace(
                hypotheses=[
                    SimpleNamespace(text=text[::-1] + "!" * rank, score=-0.25 - rank)
                    for rank in range(num_hypotheses)
                ]
            )
            for text in sentences
        ]


@pytest.fixture
def fake(monkeypatch):
    """Stands in for the translator of every model."""
    translator = FakeTranslator()
    home = SimpleNamespace(load_translator=lambda path, ensemble=(): translator)
    monkeypatch.setitem(sys.modules, "translator.loading", home)
    return translator


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab\ncd\n", "ba\ndc\n"),
        ("ab\n\n\ncd\n\n", "ba\n\n\ndc\n\n"),
        ("ab\ncd", "ba\ndc\n"),
        ("ab\r\ncd\r\n", "ba\ndc\n"),
        ("\ufeffab\ncd\n", "ba\ndc\n"),
        ("a\u2028b\x0cc\x85d\re\n", "e d c b a\n"),
        ("¿qué? 👋\n", "👋 ?éuq¿\n"),
        ("", ""),
    ],
    ids=["plain", "blank", "no_end", "crlf", "bom", "line_ends", "unicode", "nothing"],
)
def test_one_line_in_one_line_out(command, fake, text, expected):
    """Catches: blank lines dropped, a line that comes out as two, lost last lines."""
    assert command("translate", "m", stdin=text.encode()) == (0, expected, "")


def test_many_lines_keep_their_order(command, fake):
    """Catches: a chunk that is lost, or comes out of turn."""
    lines = [f"{number}\n" for number in range(600)]
    _, output, _ = command("translate", "m", stdin="".join(lines).encode())
    assert output.splitlines() == [line.strip()[::-1] for line in lines]
    assert [count for count, _ in fake.calls] == [256, 256, 88]


def test_a_person_gets_an_answer_to_each_line(command, fake):
    """Catches: an interactive session that waits for 256 lines."""
    command("translate", "m", stdin=b"ab\ncd\n", is_terminal=True)
    assert [count for count, _ in fake.calls] == [1, 1]


def test_scores_number_the_lines(command, fake):
    """Catches: numbers from 0, or of a chunk."""
    lines = ["ab", "", "c"] * 100
    outcome = command("translate", "m", "--scores", stdin="\n".join(lines).encode())
    expected = [
        f"{number}\t{-len(line) / 4:.4f}\t{line[::-1]}\n"
        for number, line in enumerate(lines, 1)
    ]
    assert outcome == (0, "".join(expected), "")


def test_nbest_lists_alternatives(command, fake):
    """Catches: alternatives of one line that cannot be told from the next line's."""
    _, output, _ = command("translate", "m", "--nbest", "2", stdin=b"ab\ncd\n")
    assert output == (
        "1\t-0.2500\tba\n1\t-1.2500\tba!\n2\t-0.2500\tdc\n2\t-1.2500\tdc!\n"
    )


def test_search_options(command, fake):
    """Catches: defaults of the program in place of those of the run."""
    command("translate", "m", stdin=b"ab\n")
    command("translate", "m", "--length-penalty", "0.5", stdin=b"ab\n")
    searches = [search for _, search in fake.calls]
    assert searches == [
        FakeTranslator.search,
        SearchConfig(beam_size=4, length_penalty=0.5),
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--beam-size", "0"), "error: beam_size: "),
        (("--nbest", "5"), "error: too many hypotheses."),
        (("--nbest", "0"), "Invalid value for '--nbest'"),
        (("--input", "none.txt"), "error: cannot read none.txt: "),
        (("--output", "none/out.txt"), "error: cannot write none/out.txt: "),
    ],
    ids=["bound", "beam", "zero", "input", "output"],
)
def test_mistakes(command, fake, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    status, output, errors = command("translate", "m", *arguments, stdin=b"ab\n")
    assert (status, output) == (2, "")
    assert expected in errors


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"caf\xe9", "this is not UTF-8"),
        (b"x" * 61, "it has 61 characters; at most 60"),
    ],
    ids=["utf8", "long"],
)
def test_a_bad_line_is_named(command, fake, tmp_path, line, expected):
    """Catches: an error that leaves the user to search a large file."""
    text = b"ab\n\n" + line + b"\n"
    status, _, errors = command("translate", "m", stdin=text)
    assert status == 2
    assert errors.startswith(f"error: standard input, line 3: {expected}")
    path = tmp_path / "in.txt"
    path.write_bytes(text)
    _, _, errors = command("translate", "m", "--input", path)
    assert errors.startswith(f"error: {path}, line 3: {expected}")


def test_a_mistake_leaves_what_was_there(command, fake, tmp_path):
    """Catches: an old file that a bad line destroys; hours of work that it destroys; a
    link that becomes a file; a device that does."""
    old, link, source = tmp_path / "old.txt", tmp_path / "link", tmp_path / "lines"
    old.write_text("old\n")
    link.symlink_to(old)
    source.write_bytes(b"ab\n" * 300 + b"\xff\n")
    arguments = ("translate", "model", "--input", source, "--output")
    status, _, errors = command(*arguments, link)
    assert status == 2 and "line 301" in errors
    assert f"What was translated before is in {old}.part." in errors
    assert old.read_text() == "old\n" and link.is_symlink()
    assert (tmp_path / "old.txt.part").read_text() == "ba\n" * 256
    source.write_bytes(b"ab\n")
    assert command(*arguments, link)[0] == 0
    assert old.read_text() == "ba\n" and link.is_symlink()
    assert not (tmp_path / "old.txt.part").exists()
    for name in ("lines", "lines.txt"):
        source = source.rename(tmp_path / name)
        assert command(*arguments[:3], source, "--output", "/dev/null")[0] == 0
    assert Path("/dev/null").is_char_device()


def test_files(command, fake, tmp_path):
    """Catches: output in the platform's encoding or with its line ends."""
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes("ñandú\n\nab\n".encode())
    outcome = command("translate", "m", "--input", source, "--output", target)
    assert outcome == (0, "", "")
    assert target.read_bytes() == "údnañ\n\nba\n".encode()


def run_on(command, tmp_path, name, text, *arguments):
    """Translates a file with these contents; returns the outcome and the result."""
    source, target = tmp_path / name, tmp_path / "out"
    source.write_bytes(text.encode())
    outcome = command(
        "translate", "m", "--input", source, "--output", target, *arguments
    )
    return outcome, target.read_bytes().decode() if target.exists() else None


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "\ufeffab\r\n\r\ncd", "\ufeffba\r\n\r\ndc"),
        ("a.CSV", 'id,text\n1,"a, b"\n', 'id,text\n1,"b ,a"\n'),
        ("a.tsv", "ab\t7\n", "ba\t7\n"),
        ("a.srt", "1\n0:00:01,0 --> 0:00:02,0\nab\n", None),
        ("a.log", "\ufeffab\r\ncd", "ba\ndc\n"),  # lines, as ever
    ],
)
def test_files_keep_their_form(command, fake, tmp_path, name, text, expected):
    outcome, found = run_on(command, tmp_path, name, text)
    assert outcome == (0, "", "")
    assert found == (expected or text.replace("ab", "ba"))
    assert command("translate", "m", "--input", tmp_path / name).output == found


def test_search_options_of_files(command, fake, tmp_path):
    run_on(command, tmp_path, "a.srt", "ab", "--length-penalty", "0.5")
    assert fake.calls == [(1, SearchConfig(beam_size=4, length_penalty=0.5))]


def test_columns(command, fake, tmp_path):
    _, found = run_on(command, tmp_path, "a.csv", "t,u\nab,cd\n", "--column", "u")
    assert found == "t,u\nab,dc\n"
    _, found = run_on(command, tmp_path, "a.csv", "t,uv\nab,cd\n", "--header")
    assert found == "t,uv\nba,dc\n"
    _, found = run_on(command, tmp_path, "a.csv", "t,uv\na b,cd\n", "--no-header")
    assert found == "t,vu\nb a,dc\n"


@pytest.mark.parametrize(
    ("name", "text", "arguments", "expected"),
    [
        ("a.csv", "a,b\n", ("--column", "c"), "there is no column 'c'. Choose one of"),
        ("a.txt", "a\n", ("--column", "1"), "has no columns and no header"),
        ("a.log", "a\n", ("--column", "1"), "--column and --header need a .csv or"),
        ("a.csv", "a\n", ("--header", "--scores"), "--column and --header need a"),
        ("a.csv", 'a\n"b', (), "a.csv, line 2: a cell in quotes has no end."),
        ("a.srt", "a" * 61, (), "a.srt, line 1: it has 61 characters; at most 60"),
        ("no.csv", None, (), "cannot read no.csv: No such file or directory."),
    ],
)
def test_mistakes_with_files(
    command, fake, tmp_path, monkeypatch, name, text, arguments, expected
):
    """Catches: a traceback, half a file that is left."""
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / name).write_text(text)
    options = ("--input", name, "--output", "out", *arguments)
    status, output, errors = command("translate", "m", *options)
    assert (status, output) == (2, "")
    assert errors.startswith("error: ") and expected in errors
    assert errors.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_terminal_shows_how_far_a_file_is(command, fake, tmp_path, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    outcome, _ = run_on(command, tmp_path, "a.txt", "ab\n" * 600)
    assert "a.txt" in outcome.errors and "100%" in outcome.errors
    assert outcome.output == ""


def test_the_input_is_not_overwritten(command, fake, tmp_path):
    """Catches: a file that is emptied before it is read."""
    path = tmp_path / "in.txt"
    path.write_text("ab\n")
    status, _, errors = command("translate", "m", "--input", path, "--output", path)
    assert status == 2
    assert errors.startswith(f"error: --output would overwrite {path}")
    assert path.read_text() == "ab\n"


def test_a_trained_model(command, run_dir, translator):
    """Catches: a text that is changed on its way to the model or back."""
    lines = ["The red house. Nobody sings!", "", "I don't drink coffee at night."]
    expected = [translation.text for translation in translator.translate(lines)]
    status, output, _ = command("translate", run_dir, stdin="\n".join(lines).encode())
    assert status == 0
    assert output.split("\n") == [*expected, ""]


def test_scores_do_not_change_the_translation(command, run_dir):
    """Catches: a line of two sentences that is taken as one because of a switch."""
    stdin = b"The red house. Nobody sings!\nI don't drink coffee at night.\n"
    _, plain, _ = command("translate", run_dir, stdin=stdin)
    _, scored, _ = command("translate", run_dir, "--scores", stdin=stdin)
    fields = [line.split("\t") for line in scored.splitlines()]
    assert [text for _, _, text in fields] == plain.splitlines()
    assert [number for number, _, _ in fields] == ["1", "2"]
    assert all(float(score) < 0 for _, score, _ in fields)


def test_a_missing_model(command, tmp_path):
    status, output, errors = command("translate", tmp_path / "none", stdin=b"ab\n")
    assert (status, output) == (2, "")
    assert errors == f"error: there is no folder {tmp_path / 'none'}.\n"
