import gzip
import json
import zipfile
from pathlib import Path

import pytest
from toy_corpus import make_pairs, write_tsv

from translator.corpus import Pair, readers
from translator.corpus.readers import guess_languages, read_pairs
from translator.errors import UserError


def write(path: Path, content: str | bytes) -> Path:
    content = content.encode() if isinstance(content, str) else content
    if path.suffix == ".gz":
        content = gzip.compress(content)
    path.write_bytes(content)
    return path


def write_zip(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.txt", "pairs.tsv.gz"])
def test_columns_after_the_second_are_ignored(tmp_path, name):
    """Catches: taking the attribution column of ManyThings for the translation."""
    path = write(tmp_path / name, "Run!\t¡Corre!\tCC-BY 2.0 #1\nGo.\tVe.\n")
    assert list(read_pairs([path])) == [Pair("Run!", "¡Corre!"), Pair("Go.", "Ve.")]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_two_aligned_files(tmp_path, ending):
    """Catches: sides exchanged; a line split at U+2028 or U+0085 inside it."""
    english = write(tmp_path / f"train.en{ending}", "One\u2028two\nThree\n")
    spanish = write(tmp_path / f"train.es{ending}", "Uno\x85dos\nTres")
    assert list(read_pairs([english, spanish])) == [
        Pair("One\u2028two", "Uno\x85dos"),
        Pair("Three", "Tres"),
    ]


def test_json_lines_by_either_kind_of_keys(tmp_path):
    """Catches: language keys looked up in the order of the file, not of the options."""
    lines = [{"source": "a", "target": "b"}, {"es": "d", "en": "c", "id": 7}]
    text = "\n".join(json.dumps(line) for line in lines)
    path = write(tmp_path / "pairs.jsonl", text)
    assert list(read_pairs([path], ("en", "es"))) == [Pair("a", "b"), Pair("c", "d")]


def test_byte_order_mark_and_crlf_are_not_text(tmp_path):
    """Catches: U+FEFF glued to the first word, or CR to the last one."""
    path = write(tmp_path / "pairs.tsv", b"\xef\xbb\xbfOne\tUno\r\nTwo\tDos\r\n")
    assert list(read_pairs([path])) == [Pair("One", "Uno"), Pair("Two", "Dos")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.tsv.gz"])
def test_what_spreadsheets_call_unicode_text(tmp_path, encoding, name):
    """Catches: a line cut where Unicode has another end of a line; half a character at
    the edge of a block."""
    pairs = [Pair(f"House {n} 😀 a\u2028b", f"Casa {n}") for n in range(3_000)]
    text = "\ufeff" + "".join("\t".join(pair) + "\r\n" for pair in pairs)
    path = write(tmp_path / name, text.encode(encoding))
    assert list(read_pairs([path])) == pairs


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv.gz", gzip.compress(b"a\tb\n" * 99)[:20]),
        ("a.tsv.gz", b"\x1f\x8b\x08\x00" + b"\xff" * 40),
        ("a.tsv", "a\tb\r\n".encode("utf-16")[:-1]),
    ],
    ids=["cut", "damaged", "half a character"],
)
def test_a_file_that_was_cut_off(tmp_path, name, content):
    """Catches: a traceback of the library that unpacks it; half a character read as
    one that is unknown."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="cannot read"):
        list(read_pairs([tmp_path / name]))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('"He said ""yes""."', 'He said "yes".'),
        ('"Stop!"', '"Stop!"'),
        ('"Yes," he said. "No."', '"Yes," he said. "No."'),
        ('"', '"'),
        ('""', '""'),
    ],
)
def test_quotation_marks_of_a_spreadsheet(tmp_path, cell, expected):
    """Catches: doubled marks that are learned; a sentence's own that are lost."""
    path = write(tmp_path / "pairs.tsv", f"{cell}\tx\n")
    assert list(read_pairs([path])) == [Pair(expected, "x")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1\tA red house.\tx\n22\tRain.\ty\n", "1, 22.*cut -f2,3"),
        (b"1\tA house.\t7\tx\n22\tRain.\t8\ty\n", "cut -f2,4"),
        (b"PK\x03\x04...", "is a spreadsheet or an archive"),
        (b'"A house","Una casa"\n', "save the two columns as text with tabs"),
    ],
)
def test_what_looks_like_pairs_and_is_none(tmp_path, content, message):
    """Catches: numbers of lines taken for sentences, and trained on."""
    path = write(tmp_path / "pairs.tsv", content)
    with pytest.raises(UserError, match=message):
        list(read_pairs([path]))


def test_cells_with_commas_of_a_spreadsheet(tmp_path):
    """Catches: quotation marks that training takes for the sentence's; in a text that
    none wrote, a quotation's lost."""
    lines = [
        ('"Yes, sir."', '"Sí, señor."'),
        ('"No, ""sir""."', '"No, ""señor""."'),
        ('"Thanks"', "Gracias"),
    ]
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in lines), "utf-8")
    assert list(read_pairs([path])) == [
        ("Yes, sir.", "Sí, señor."),
        ('No, "sir".', 'No, "señor".'),
        ("Thanks", "Gracias"),
    ]
    lines.append(("Well, no", "Pues no"))
    path.write_text("".join(f"{a}\t{b}\n" for a, b in lines), "utf-8")
    found = list(read_pairs([path]))
    assert found[0] == lines[0] and found[2] == lines[2]
    assert found[1] == ('No, "sir".', 'No, "señor".')


def test_numbers_with_their_words_are_pairs(tmp_path):
    path = write(tmp_path / "pairs.tsv", "1\tone\n2\ttwo\n")
    assert list(read_pairs([path])) == [Pair("1", "one"), Pair("2", "two")]


def test_the_only_text_of_an_archive(tmp_path):
    """Catches: reading _about.txt, or the resource forks that macOS adds."""
    path = write_zip(
        tmp_path / "spa-eng.zip",
        **{
            "__MACOSX/._spa.txt": "junk",
            "spa-eng/_about.txt": "about\tthis",
            "spa-eng/spa.txt": "One\tUno\n",
        },
    )
    assert list(read_pairs([path])) == [Pair("One", "Uno")]
    assert list(read_pairs([path], member="spa-eng/spa.txt")) == [Pair("One", "Uno")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tb\nonly one\n", r"pairs\.tsv, line 2: expected two columns"),
        (b"a\tb\n\xff\xfe\tc\n", r"pairs\.tsv, line 2: not UTF-8 \(byte 0xff"),
        (b"a\tb\nc\xe9\td\n", r"line 2: not UTF-8 \(byte 0xe9 in column 2\)"),
        ("", r"pairs\.tsv is empty"),
        ("x" * (readers.MAX_LINE_BYTES + 9), r"pairs\.tsv, line 1: longer than"),
    ],
    ids=["columns", "not UTF-8", "Latin-1", "empty", "long line"],
)
def test_bad_lines_are_named(tmp_path, content, message):
    """Catches: numbers counted from zero, skipped lines, decoding with `replace`."""
    path = write(tmp_path / "pairs.tsv", content)
    with pytest.raises(UserError, match=message):
        list(read_pairs([path]))


@pytest.mark.parametrize(
    "line",
    ['{"source": "a"}', '{"source": 1, "target": "b"}', "[1, 2]", "{", "[" * 9999],
)
def test_bad_json_is_named(tmp_path, line):
    """Catches: KeyError, JSONDecodeError or RecursionError as a traceback."""
    path = write(tmp_path / "p.jsonl", '{"source": "a", "target": "b"}\n' + line)
    with pytest.raises(UserError, match=r"p\.jsonl, line 2: expected .*\"source\""):
        list(read_pairs([path], ("en", "es")))


@pytest.mark.parametrize("is_source_short", [True, False])
def test_unequal_line_counts(tmp_path, is_source_short):
    """Catches: `zip`, which drops the surplus lines without a word."""
    contents = ["a\nb\n", "c\nd\ne\n"]
    if not is_source_short:
        contents.reverse()
    source = write(tmp_path / "train.en", contents[0])
    target = write(tmp_path / "train.es", contents[1])
    short = "train.en" if is_source_short else "train.es"
    with pytest.raises(UserError, match=rf"{short} ends before line 3"):
        list(read_pairs([source, target]))


def test_missing_files_and_wrong_numbers_of_files(tmp_path):
    """Catches: FileNotFoundError, or an error only after hours of other work."""
    path = write_tsv(tmp_path / "a.tsv", make_pairs(3))
    with pytest.raises(UserError, match=r"there is no file .*nowhere\.tsv"):
        read_pairs([tmp_path / "nowhere.tsv"])
    with pytest.raises(UserError, match="Received: 3 files"):
        read_pairs([path] * 3)


@pytest.mark.parametrize("name", ["pairs.tsv.gz", "pairs.zip"])
def test_damaged_archives(tmp_path, name):
    """Catches: EOFError, zlib.error and BadZipFile as tracebacks."""
    path = tmp_path / name
    if path.suffix == ".gz":
        write(path, "".join(f"{a}\t{b}\n" for a, b in make_pairs(500)))
    else:
        write_zip(path, **{"pairs.txt": "a\tb\n" * 500})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=rf"{name}"):
        list(read_pairs([path]))


def test_a_changed_byte_in_an_archive(tmp_path):
    """Catches: text from a corrupt archive, by not reading to the checksum."""
    with zipfile.ZipFile(tmp_path / "pairs.zip", "w") as archive:
        archive.writestr("pairs.txt", "one\tuno\n")
    content = (tmp_path / "pairs.zip").read_bytes()
    (tmp_path / "pairs.zip").write_bytes(content.replace(b"uno", b"dos", 1))
    with pytest.raises(UserError, match=r"pairs\.zip, line .*CRC"):
        list(read_pairs([tmp_path / "pairs.zip"]))


def test_archives_with_several_texts_or_none(tmp_path):
    """Catches: silently taking the first of several corpora."""
    two = write_zip(tmp_path / "two.zip", **{"a.txt": "a\tb", "b.txt": "c\td"})
    none = write_zip(tmp_path / "none.zip", **{"a.pdf": "x"})
    with pytest.raises(UserError, match="expected one text .*a.txt, b.txt"):
        list(read_pairs([two]))
    with pytest.raises(UserError, match="expected one text .*none"):
        list(read_pairs([none]))
    with pytest.raises(UserError, match="expected one text c.txt"):
        list(read_pairs([two], member="c.txt"))


def test_bombs_and_links_in_archives(tmp_path):
    """Catches: reading a gigabyte out of a megabyte; following a symbolic link."""
    bomb = write_zip(tmp_path / "bomb.zip", **{"a.txt": "a\tb\n" * 2_000_000})
    with pytest.raises(UserError, match="unpacks to 8000000 bytes"):
        list(read_pairs([bomb]))
    link = zipfile.ZipInfo("a.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="not a plain file"):
        list(read_pairs([tmp_path / "link.zip"]))


def test_members_with_dangerous_names_write_nothing(tmp_path):
    """Catches: unpacking to the name that the archive chooses."""
    (tmp_path / "inside").mkdir()
    path = write_zip(tmp_path / "inside" / "a.zip", **{"../out/evil.txt": "a\tb"})
    list(read_pairs([path], member="../out/evil.txt"))
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.zip", "inside"]


def test_reading_is_lazy(tmp_path):
    """Catches: a reader that loads the whole file before its first pair."""
    path = write(tmp_path / "pairs.tsv", b"a\tb\n" * 2_000 + b"broken \xff\n")
    assert next(read_pairs([path])) == Pair("a", "b")


@pytest.mark.parametrize(
    ("names", "languages"),
    [
        (["train.en", "train.es"], ("en", "es")),
        (["a.pt-BR.gz", "b.de.gz"], ("pt-BR", "de")),
        (["pairs.en-pt_BR.tsv"], ("en", "pt-BR")),
        (["de-en.jsonl"], ("de", "en")),
        (["a.tok", "b.txt"], ("", "")),
        (["train.en", "train.en"], ("", "")),
        (["up-to-date.tsv"], ("", "")),
    ],
)
def test_languages_in_names(names, languages):
    """Catches: .txt or .tok taken for a language."""
    assert guess_languages([Path(name) for name in names]) == languages
