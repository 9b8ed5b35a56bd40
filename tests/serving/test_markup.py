"""HTML in, HTML out: what is translated, and what stays to the letter."""

import random

import pytest

from translator.serving.markup import split_markup


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("plain", ["plain"]),
        ("<p>one</p>\n<p>two <i>three</i>.</p>", ["one", "two ", "three"]),
        ("a &lt;b&gt; &eacute;", ["a <b> é"]),
        ("<!-- no > --><p>yes</p>", ["yes"]),
        ("<a title=\"1 > 0\" href='x>y'>yes</a>", ["yes"]),
        ("<script>if (a < b) f('no')</script>yes", ["yes"]),
        ("<pre>no <b>no</b></pre>yes<br>yes", ["yes", "yes"]),
        ("<p translate=no>no</p><p>yes</p>", ["yes"]),
        ('<b class="x notranslate">no<i>no</i></b>yes', ["yes"]),
        ("1 < 2 and 3 > 2", ["1 ", " 2 and 3 > 2"]),
        ("<p>unclosed <b>yes", ["unclosed ", "yes"]),
        ("</p>yes<", ["yes"]),
        ("<p>...</p> \n", []),
        ("", []),
    ],
)
def test_what_is_translated(text, texts):
    """Catches: a > in quotes, code, comments or attributes taken for text."""
    assert split_markup(text).texts == texts


def test_many_tags_take_a_moment():
    """Catches: a search through all that are open for each that is closed, which took
    a quarter of an hour."""
    markup = split_markup("<a>" * 100_000 + "</b>" * 100_000 + "yes")
    assert markup.texts == ["yes"]


def test_translations_are_escaped():
    """Catches: a translation that becomes a tag."""
    markup = split_markup("<p>x</p>")
    assert markup.join(["<script> & y"]) == "<p>&lt;script&gt; &amp; y</p>"


@pytest.mark.parametrize("seed", range(200))
def test_any_text_comes_back(seed):
    """Catches: characters lost between parts."""
    pieces = ["<", ">", "<p>", "</p>", "<!--", "-->", '"', "'", "a", " ", "=", "<br/>"]
    pieces += ["<code>", "</code>", "é", "<a href='x'>", "<\n", "/"]
    text = "".join(random.Random(seed).choices(pieces, k=25))
    markup = split_markup(text)
    assert markup.join(markup.texts).replace("&gt;", ">").replace("&lt;", "<") == text
