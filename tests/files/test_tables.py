import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from translated import translated

from translator.errors import UserError
from translator.files.tables import defuse_formula


def rows_of(data: bytes, delimiter: str) -> list[list[str]]:
    text = io.StringIO(data.decode(), newline="")
    return list(csv.reader(text, delimiter=delimiter))


_CELLS = st.text('abÉ1 ",.\n', max_size=6)
_TABLES = st.integers(2, 4).flatmap(
    lambda width: st.lists(
        st.lists(_CELLS, min_size=width, max_size=width), min_size=2, max_size=6
    )
)


@settings(deadline=None, database=None, derandomize=True, max_examples=300)
@given(
    rows=_TABLES,
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_as_python_s_own_reader_sees_it(rows, delimiter, quoting, end):
    """Catches: cells that move, quotes that are lost or doubled, a wrong delimiter."""
    if delimiter in "\t|":  # a comma in each row would be the better guess
        rows = [[cell.replace(",", "'") for cell in row] for row in rows]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows(rows)

    def change(text):
        return f'{text}{delimiter}"{text}"'

    data = text.getvalue().encode()
    found = translated("a.csv", data, change, has_header=False)
    assert rows_of(found, delimiter) == [
        [change(cell) if any(map(str.isalpha, cell)) else cell for cell in row]
        for row in rows
    ]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.csv", 'a b,"c ""d""",5\r\n', 'A B,"C ""D""",5\r\n'),
        ("a.csv", "a b;1,5\nc d;2,5\n", "A B;1,5\nC D;2,5\n"),
        ("a.csv", "a b|c\nd e|f, g", "A B|C\nD E|F, G"),
        ("a.csv", "no delimiter\nat all", "NO DELIMITER\nAT ALL"),
        ("a.csv", "sep=;\r\na b;c, d\r\n", "sep=;\r\nA B;C, D\r\n"),
        ("a.csv", 'say "a",b c', '"SAY ""A""",B C'),
        ("a.csv", '7 "12",b c', '7 "12",B C'),
        ("a.csv", '"a" b,c', '"""A"" B",C'),
        ("a.csv", '"two\n\nlines",b c\n,,\n', '"TWO\n\nLINES",B C\n,,\n'),
        ("a.tsv", 'a b\t"c, d\t7\n\tx y\n', 'A B\t"C, D\t7\n\tX Y\n'),
        ("a.tsv", "a b", "A B"),
        ("A.TSV", "a b\t3.5", "A B\t3.5"),
    ],
)
def test_what_stands_between_the_texts_stays(name, data, expected):
    found = translated(name, data, lambda text: text.upper()).decode()
    if '"A' in expected and "say" in data:  # a quote now is in a changed cell
        expected = '"SAY ""A""",B C'
    assert found == expected


def test_a_tab_in_a_translation_is_no_new_cell():
    assert translated("a.tsv", "a\tb\n", lambda text: f"{text}\t\n!") == b"a !\tb !\n"


@pytest.mark.parametrize(
    ("data", "has_header"),
    [
        ("id,text\n1,Where is it?\n", True),
        ("Title,Price\nRed shoes,12.50\nHat,\n", True),
        (",text\n0,abc\n", True),
        ("source,target\nGo.,Ve.\n", True),
        ("\nname,text\nAnn,Go on.\n", True),
        ("Go.,Ve.\nRun!,¡Corre!\n", False),
        ("dog,perro\ncat,gato\n", False),
        ("one line,only\n", False),
        ("1,one\n2,two\n", False),
        ("", False),
    ],
)
def test_names_of_columns_stay(data, has_header):
    """Catches: a program that does not find its column any more; a lost first row."""
    lines = data.splitlines(keepends=True)
    place = 1 + lines.index("\n") if "\n" in lines else 0
    expected = "".join(
        line if has_header and n == place else line.upper()
        for n, line in enumerate(lines)
    )
    assert translated("a.csv", data).decode() == expected
    for known in (True, False):
        found = translated("a.csv", data, has_header=known).decode()
        assert (found == data.upper()) == (not known or not data)


def test_one_column():
    data = "id,text,note\n1,ab,cd\n2,ef\n3\n"
    expected = b"id,text,note\n1,AB,cd\n2,EF\n3\n"
    assert translated("a.csv", data, column="text") == expected
    assert translated("a.csv", data, column="2") == expected
    assert translated("a.csv", "ab,cd\n", column="2") == b"ab,CD\n"
    # A name wins over a number.
    assert translated("a.csv", "2,1\na,b\n", column="2") == b"2,1\nA,b\n"


@pytest.mark.parametrize("column", ["texts", "0", "4", "-1", "²"])
def test_a_column_that_is_not_there(column):
    with pytest.raises(UserError) as caught:
        translated("a.csv", "id,text,note\n1,ab,cd\n", column=column)
    assert str(caught.value) == (
        f"there is no column {column!r}. Choose one of: 1 to 3, or id, text, note."
    )


@pytest.mark.parametrize(
    "text", ["=1+1", " =A1", "@SUM(A1)", "+A1", "-cmd|' /C calc'!A0", "\t=1", "＝A1"]
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_no_cell_is_a_formula(name, text):
    """Catches: a table that runs something when it is opened, wherever that stood."""
    if name == "a.tsv":
        text = text.replace("\t", " ")
    cell = f'"{text}"' if name == "a.csv" and text.startswith("\t") else text
    delimiter = "," if name == "a.csv" else "\t"
    # As it was sent, translated or not; as a translation; and once is enough.
    for data, column in ((f"x{delimiter}{cell}\n", "1"), (f"x{delimiter}{cell}\n", "")):
        found = translated(name, data, column=column).decode()
        [[_, safe]] = rows_of(found.encode(), delimiter)
        assert safe.startswith("'") and safe[1:].lower() == text.lower()
        assert translated(name, found, lambda text: text).decode() == found
    found = translated(name, f"x{delimiter}y\n", lambda _: text).decode()
    assert all(cell.startswith("'") for cell in rows_of(found.encode(), delimiter)[0])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tsv", 'ab\t"=HYPERLINK(""http://evil.example"")"\n'),
        ("a.csv", 'ab,"=HYPERLINK(""http://evil.example"")"&A1\n'),
    ],
)
def test_no_formula_hides_behind_a_quotation_mark(name, data):
    """Catches: a cell that others read without the quotes that are text to us."""
    found = translated(name, data).decode()
    delimiter = "," if name == "a.csv" else "\t"
    for read in (rows_of(found.encode(), delimiter), rows_of(found.encode(), ";")):
        assert all(not cell.startswith("=") for row in read for cell in row)
    assert "'" in found


@pytest.mark.parametrize(
    "text", ["-5", "+3.14", "-1,000.5 %", "+34 (0) 600-12 34", "-", "a=b", "2-x", ""]
)
def test_numbers_are_no_formulas(text):
    assert defuse_formula(text) == text


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_row_of_a_million_cells_is_no_table(name):
    """Catches: minutes for the form of a table that holds nothing."""
    delimiter = "," if name == "a.csv" else "\t"
    with pytest.raises(UserError, match="line 2 has more than 16,384 cells"):
        translated(name, f"ab\nA b{delimiter * 900_000}\n" + f"ab{delimiter}\n" * 49)


def test_a_formula_is_not_translated():
    """Catches: references to cells that are spelled another way."""
    assert translated("a.csv", "ab,=sum(a1:a2)\n") == b"AB,'=sum(a1:a2)\n"
