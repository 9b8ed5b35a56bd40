"""What all formats share: bytes in, bytes out, piece by piece."""

import codecs
import io
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from translated import translated

from translator.errors import UserError
from translator.files.document import Document, Progress, translated_name

# Characters that formats give a meaning to, and such as must survive; no formulas.
_ATOMS = [*'aÉß1 ".,;:|<>{}\\/', "\t", "\n", "\r", "\r\n", "\x0c", "\x85", "\u2028"]
_ATOMS += ["\ufeff", "👋", "<i>", "</i>", "{\\an8}", '""', "\n\n", "- "]
_ATOMS += ["\n1\n00:00:01,000 --> 00:00:02,500\n"]
_TEXTS = st.lists(st.sampled_from(_ATOMS), max_size=40).map("".join)
_ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",  # brings its mark
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}


@pytest.mark.parametrize("suffix", [".txt", ".srt", ".tsv", ".csv"])
@settings(deadline=None, database=None, derandomize=True, max_examples=300)
@given(text=_TEXTS, encoding=st.sampled_from(sorted(_ENCODINGS)))
def test_what_is_not_changed_is_the_same_to_the_byte(suffix, text, encoding):
    """Catches: line ends, marks, quotes, blank lines or a last line that get lost."""
    if suffix in (".csv", ".tsv"):
        text = text.replace("-", "~")  # a formula, before letters
    data = _ENCODINGS[encoding] + text.encode(encoding)
    try:
        assert translated("a" + suffix, data, lambda text: text) == data
    except UserError as error:
        assert suffix == ".csv" and "has no end" in str(error)


@settings(deadline=None, database=None, derandomize=True, max_examples=300)
@given(
    suffix=st.sampled_from([".txt", ".srt", ".tsv", ".csv"]),
    data=st.binary(max_size=60) | _TEXTS.map(str.encode),
    column=st.sampled_from(["", "1", "a"]),
)
def test_no_bytes_are_a_mistake_of_ours(suffix, data, column):
    """Catches: an error that is not the user's to mend, whatever the file holds."""
    options = {"column": column} if suffix in (".csv", ".tsv") else {}
    try:
        translated("a" + suffix, data, **options)
    except UserError as error:
        assert "\n" not in str(error)


@settings(deadline=None, database=None, derandomize=True, max_examples=200)
@given(text=_TEXTS)
def test_lines_of_text_are_as_many_and_none_is_left_out(text):
    """Catches: a line that is taken for two; text that stays untranslated."""
    # As the texts of one line each; what is no line end to a file stays within.
    assert translated("a.txt", text.encode()) == text.upper().encode()


def test_a_translation_stays_in_its_line():
    assert translated("a.txt", "ab\ncd", lambda text: f"{text}\r\n!") == b"ab !\ncd !"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"a\n\ncaf\xe9\n", "a.txt, line 3: this is not UTF-8."),
        ("a.csv", b"a\n" * 9_999 + b"\xff", "a.csv, line 10000: this is not UTF-8."),
        ("a.srt", b"\xff\xfea\0\n\0\0\xd8", "a.srt, line 2: this is not UTF-16."),
        ("a.srt", b"\xfe\xff\0a\0", "a.srt, line 1: this is not UTF-16."),
        ("a.txt", "a\nb".encode("utf-16-le"), "a.txt, line 1: a NUL character"),
        ("a.txt", "a\nb".encode("utf-32"), "a.txt, line 1: a NUL character"),
        ("a.txt", b"a\n" + b"b" * 1_001, "a.txt, line 2: it has 1,001 characters; at"),
        ("a.csv", b'a,"b\nc', "a.csv, line 1: a cell in quotes has no end."),
        ("a.docx", b"a", "a.docx is of no format that can be translated. These are"),
    ],
)
def test_what_cannot_be_translated_is_one_line(name, data, message):
    """Catches: a traceback; a mistake that is found after an hour of work."""
    with pytest.raises(UserError) as caught:
        translated(name, data, change=lambda text: 1 / 0)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "no.txt", tmp_path):
        name = path if path.suffix else path / "a.txt"
        with pytest.raises(UserError, match="cannot read"):
            Document(name, 100)


def test_tables_alone_have_columns(tmp_path):
    for options in ({"column": "1"}, {"has_header": False}):
        with pytest.raises(UserError, match="has no columns and no header"):
            translated("a.txt", b"a", **options)


def document_of(folder: Path, data: str, name="a.txt") -> Document:
    (folder / name).write_text(data, "utf-8", newline="")
    return Document(folder / name, 10_000)


def test_pieces_are_small_and_tell_how_far_they_are(tmp_path):
    """Catches: a request too large for a server; progress that ends before 100%."""
    lines = [f"line {n} " + "x" * (n * 37 % 500) for n in range(300)]
    document = document_of(tmp_path, "\n\n".join(lines))
    total = sum(map(len, lines))
    assert document.num_characters == total
    done = 0
    for piece in document.pieces(tmp_path / "b.txt", max_texts=8):
        done += sum(map(len, piece.texts))
        assert piece.progress == Progress(done, total)
        assert 1 <= len(piece.texts) <= 8
        assert len(piece.texts) == 1 or sum(map(len, piece.texts)) <= 8 * 64
        piece.translations = piece.texts
    assert done == total
    assert (tmp_path / "b.txt").read_bytes() == (tmp_path / "a.txt").read_bytes()


def test_a_row_with_more_texts_than_a_piece(tmp_path):
    """Catches: a table with many columns that no server takes."""
    row = ",".join(f"text {n}" for n in range(40))
    document = document_of(tmp_path, row, "a.csv")
    sizes = []
    for piece in document.pieces(tmp_path / "b.csv", max_texts=16):
        sizes.append(len(piece.texts))
        piece.translations = [text.upper() for text in piece.texts]
    assert sizes == [16, 16, 8]
    assert (tmp_path / "b.csv").read_text() == row.upper()


@pytest.mark.parametrize("end", ["close", "fail"])
def test_what_is_not_finished_leaves_nothing_behind(tmp_path, end):
    """Catches: half a file under the name of the whole one; an old one destroyed."""
    document = document_of(tmp_path, "a\n" * 1_000)
    target = tmp_path / "b.txt"
    target.write_text("old")
    calls = []

    def translate(texts):
        calls.append(len(texts))
        if len(calls) > 2 and end == "fail":
            raise UserError("too late.")
        return [SimpleNamespace(text=text) for text in texts]

    progress = document.translate(translate, target)
    next(progress), next(progress)
    if end == "fail":
        with pytest.raises(UserError, match="too late"):
            next(progress)
    progress.close()
    assert len(calls) == 2 + (end == "fail")
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_files_without_a_text(tmp_path):
    for data in ("", "\n \n", "\ufeff"):
        document = document_of(tmp_path, data)
        assert document.num_characters == 0
        assert list(document.translate(None, tmp_path / "b.txt")) == []
        assert (tmp_path / "b.txt").read_bytes() == data.encode()


def test_a_stream_as_the_target(tmp_path):
    target = io.BytesIO()
    document = document_of(tmp_path, "ab\r\n")
    list(document.translate(lambda texts: [SimpleNamespace(text="c")], target))
    assert target.getvalue() == b"c\r\n"


def test_a_target_that_cannot_be_written(tmp_path):
    document = document_of(tmp_path, "ab")
    with pytest.raises(UserError, match="^cannot write .*b.txt: "):
        list(document.translate(None, tmp_path / "none" / "b.txt"))


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.srt"])
def test_memory_does_not_grow_with_the_file(tmp_path, name):
    """Catches: a file that is read whole, or kept until it is written."""
    document = document_of(tmp_path, "some words, more\n\n5\n" * 15_000, name)
    tracemalloc.start()
    for piece in document.pieces(tmp_path / "b"):
        piece.translations = piece.texts
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "b").stat().st_size == 300_000
    assert peak < 250_000


def test_the_sample_tells_the_language(tmp_path):
    document = document_of(
        tmp_path, "id,text\n7,Where is it?\n8,Over there.\n", "a.csv"
    )
    assert document.sample == "Where is it? Over there. "


def test_names_of_translations():
    assert translated_name(Path("c/film.en.SRT"), "es") == "film.en.es.SRT"
