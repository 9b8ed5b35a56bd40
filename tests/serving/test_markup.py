"""HTML in, HTML out: what is translated, and what stays to the letter."""

import html
import random
import re
from collections import Counter

import numpy as np
import pytest

from translator.serving.markup import (
    join_pieces,
    pieces_of,
    place_tags,
    split_markup,
)
from translator.text import split_sentences
from translator.translations import Hypothesis, SentenceTranslation, Translation


def translation_of(text, targets=None, with_attention=True):
    """A translation of known origin.

    Args:
        text: Its source.
        targets: For each sentence its words, each with the place of its source word;
            default, the same words.
        with_attention: Whether it tells where the model looked.
    """
    split = split_sentences(text)
    sentences = []
    for place, source in enumerate(split.sentences):
        words = source.split()
        pairs = [(word, origin) for origin, word in enumerate(words)]
        pairs = targets[place] if targets else pairs
        weights = np.zeros((len(pairs) + 1, len(words) + 1), np.float32)
        weights[-1, -1] = 1
        for row, (_, origin) in enumerate(pairs):
            weights[row, origin] = 1
        tokens = [f"▁{word}" for word, _ in pairs] + ["</s>"]
        best = Hypothesis(
            " ".join(word for word, _ in pairs),
            *(-1.0, -1.0, tokens),
            weights if with_attention else np.zeros((0, 0), np.float32),
            True,
        )
        source_tokens = [f"▁{word}" for word in words] + ["</s>"]
        sentences.append(SentenceTranslation(source, source_tokens, [best]))
    return Translation(text, split, sentences)


def render(markup, *targets):
    """The HTML of a single block, whose sentences are translated as told."""
    [block] = split_markup(markup).blocks
    return place_tags(block, translation_of(block.text, targets))


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("plain", ["plain"]),
        ("<p>one</p>\n<p>two <i>three</i>.</p>", ["one", "two three."]),
        ("<p>one\n   two</p>", ["one two"]),
        ("one <br> two <img src=x> three<wbr/>.", ["one", "two  three."]),
        ("<p>Use <code>go()</code> now</p>", ["Use go() now"]),
        ("<p>The <b translate=no>ACME</b> man</p>", ["The ACME man"]),
        ("<p><code>go()</code></p>", []),
        ("a <code>--</code> b <code><i>c</i></code> d", ["a", "b", "d"]),
        (f"a <code>{'go ' * 20}</code> b <kbd>c", ["a", "b"]),
        ("a &lt;b&gt; &eacute;", ["a <b> é"]),
        ("<!-- no > --><p>yes</p>", ["yes"]),
        ("<a title=\"1 > 0\" href='x>y'>yes</a>", ["yes"]),
        ("<script>if (a < b) f('no')</script>yes", ["yes"]),
        ("<pre>no <b>no</b></pre>yes<br>yes", ["yes", "yes"]),
        ("<p translate=no>no</p><p>yes</p>", ["yes"]),
        ('<b class="x notranslate">no<i>no</i></b>yes', ["yes"]),
        ("a <code>b</i> c", ["a"]),
        ("1 < 2 and 3 > 2", ["1", "2 and 3 > 2"]),
        ("<p>unclosed <b>yes", ["unclosed", "yes"]),
        ("<p>a <b>b <i>c</b> d</p>", ["a", "b", "c", "d"]),
        ("<i>one<br>two</i> <b>three</b> four", ["one", "two", "three four"]),
        ("<i>one<br><b>two</b></i>", ["one", "two"]),
        ("<p>see <a href=/a/>our page</a> now<a/></p>", ["see our page now"]),
        ("<p translate=no id=/z/>no</p><p data-translate=no>yes</p>", ["yes"]),
        ("<p class=notranslate>no</p>yes", ["yes"]),
        ("</p>yes<", ["yes"]),
        ("<p>...</p> \n", []),
        ("<p>a &#" + "9" * 5_000 + "; b</p>", ["a &#" + "9" * 5_000 + "; b"]),
        ("<p>a<i x=1/>b</i> <i x = y/>c</i> d</p>", ["ab c d"]),
        ("", []),
    ],
)
def test_what_is_translated(text, texts):
    """Catches: a > in quotes, code, comments or attributes taken for text; a sentence
    cut at a tag inside of it."""
    assert [block.text for block in split_markup(text).blocks] == texts


ROJA = [("La", 0), ("casa", 2), ("roja", 1), ("es", 3), ("vieja.", 4)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("The <b>red</b> house is old.", "La casa <b>roja</b> es vieja."),
        ("The red <b>house</b> is old.", "La <b>casa</b> roja es vieja."),
        ("The <b>red house</b> is old.", "La <b>casa roja</b> es vieja."),
        (
            "The <i>red</i> <b>house</b> is <u>old</u>.",
            "La <b>casa</b> <i>roja</i> es <u>vieja</u>.",
        ),
        ("The <b>red <i>house</i></b> is old.", "La <b><i>casa</i> roja</b> es vieja."),
        ("<b>The red house is old</b>.", "<b>La casa roja es vieja</b>."),
        ("<b>The red house is old.</b>", "<b>La casa roja es vieja.</b>"),
        ("The red<a></a> house is old.", "La <a></a>casa roja es vieja."),
        ("The <b>_</b> red house is old.", "La <b></b>casa roja es vieja."),
        ("The red house is old.<b> </b>", "La casa roja es vieja. <b></b>"),
        ("The <b>r</b>ed house is old.", "La casa <b>roja</b> es vieja."),
        ("The <img src=x>red house is old.", "La casa <img src=x>roja es vieja."),
        ("The <code>red</code> house is old.", "La casa <code>red</code> es vieja."),
        (
            "<i>The <b translate=no>r&eacute;d</b> house</i> is old.",
            "<i>La casa <b translate=no>r&eacute;d</b></i> es vieja.",
        ),
        ("The <code>red</code>, house is old.", "La casa <code>red</code> es vieja."),
    ],
)
def test_tags_go_where_their_words_go(source, expected):
    """Catches: a tag around other words, or none; marks at the end taken in or left
    out; a tag that is lost as it has no partner."""
    assert render(source, ROJA) == expected


def test_what_stands_apart_in_the_translation():
    """Catches: a tag around one of two words; others crossed by it."""
    never = [("Il", 0), ("ne", 1), ("dit", 2), ("jamais", 1), ("la", 3), ("vérité.", 4)]
    assert render("He <b>never</b> tells the truth.", never) == (
        "Il <b>ne dit jamais</b> la vérité."
    )
    # The other tag has its place in between, and did not stand inside.
    assert render("He <b>never</b> <i>tells</i> the truth.", never) == (
        "Il <b>ne</b> <i>dit</i> jamais la vérité."
    )
    man = [("El", 0), ("anciano", 1), ("vive.", 3)]
    assert render("The <i>old</i> <b>man</b> lives.", man) is not None


def test_tags_over_several_sentences():
    """Catches: places counted from the start of a sentence, or of the source."""
    source = "Who <b>sings? Nobody</b> here.  <i>Why not?</i>"
    expected = "¿Quién <b>canta? Nadie</b> aquí.  <i>¿Por qué no?</i>"
    targets = (
        [("¿Quién", 0), ("canta?", 1)],
        [("Nadie", 0), ("aquí.", 1)],
        [("¿Por", 0), ("qué", 0), ("no?", 1)],
    )
    assert render(source, *targets) == expected


def test_without_attention_texts_are_translated_one_by_one():
    [block] = split_markup("Salt &amp; <b>bread</b> &lt;<i>!</i>").blocks
    assert place_tags(block, translation_of(block.text, with_attention=False)) is None
    assert pieces_of(block) == ["Salt & ", "bread"]
    assert join_pieces(block, ["Sal & ", "pan"]) == "Sal &amp; <b>pan</b> &lt;<i>!</i>"


def test_what_is_glued_to_what_is_kept_is_not_lost():
    """Catches: a mark, or the rest of a word, in the place of which code was put."""
    run = [("Llama", 0), ("(go()),", 1), ("hoy.", 2)]
    source = "Call (<code>go()</code>), today."
    assert render(source, run) == "Llama (<code>go()</code>), hoy."
    run[1] = ("(ve()),", 1)
    assert render(source, run) is None
    assert render("<code>Re</code>call it today.", run) is None


def test_what_is_kept_is_not_translated_by_itself():
    """Catches: code that is translated where nobody knows its place."""
    [block] = split_markup("<p>Use <code>go &amp; on</code> now</p>").blocks
    assert pieces_of(block) == ["Use ", " now"]
    assert join_pieces(block, ["Usa ", " ya"]) == "Usa <code>go &amp; on</code> ya"


def test_many_tags_take_a_moment():
    """Catches: a search through all that are open for each that is closed, which took
    a quarter of an hour."""
    for tags in (
        "<a " + "=" * 50_000 + " x/>",
        "<a>" * 100_000 + "</b>" * 100_000,
        "<td>" * 100_000 + "</p>" * 100_000,
    ):
        [block] = split_markup(tags + "yes").blocks
        assert block.text == "yes"
    [block] = split_markup(
        "a" + " " * 200_000 + "b"
    ).blocks  # a minute for each line end
    assert place_tags(block, translation_of(block.text)) is not None
    [block] = split_markup("<p>a <i></i>" + "_ " * 3_000 + "</p>").blocks
    assert place_tags(block, translation_of(block.text)).startswith("a _ _ ")
    [block] = split_markup("<b>" * 50 + "yes" + "</b>" * 50).blocks
    assert place_tags(block, translation_of("yes")) == "<b>" * 50 + "yes" + "</b>" * 50


def test_translations_are_escaped():
    """Catches: a translation that becomes a tag."""
    markup = split_markup("<p>x <b>y</b></p>")
    target = [("<script>", 0), ("&", 1)]
    [block] = markup.blocks
    rendered = place_tags(block, translation_of(block.text, [target]))
    assert markup.join([rendered]) == "<p>&lt;script&gt; <b>&amp;</b></p>"


@pytest.mark.parametrize("seed", range(300))
def test_any_text_comes_back(seed):
    """Catches: characters or tags lost between parts."""
    pieces = ["<", ">", "<p>", "</p>", "<!--", "-->", '"', "'", "a", " ", "=", "<br/>"]
    pieces += [
        "<code>",
        "</code>",
        "é",
        "<a href='x'>",
        "<\n",
        "/",
        "<b>",
        "</b>",
        "! ",
    ]
    pieces += ["<i>", "</i>", "</a>", "a. B"]
    text = "".join(random.Random(seed).choices(pieces, k=25))
    markup = split_markup(text)
    texts = [block.text for block in markup.blocks]
    rendered = map(place_tags, markup.blocks, map(translation_of, texts))
    found = markup.join([*rendered])
    assert plain(found) == plain(text)
    assert tags_of(found) == tags_of(text)
    joined = markup.join(
        [join_pieces(block, pieces_of(block)) for block in markup.blocks]
    )
    assert html.unescape(joined) == text


@pytest.mark.parametrize("seed", range(300))
def test_tags_do_not_cross(seed):
    """Catches: well-formed HTML that is none any more, wherever its words go."""
    draw = random.Random(seed)

    def write(depth):
        for _ in range(draw.randint(1, 4)):
            kind = draw.choice(["b", "i", "a", "", "", "", "br"])
            if kind == "br":
                yield "<br>"
            elif kind and depth < 3:
                yield f"<{kind}>{''.join(write(depth + 1))}</{kind}>"
            else:
                yield draw.choice(["red ", "house, ", "_ ", "Who? ", " ", "It is"])

    markup = split_markup("".join(write(0)))
    rendered = []
    for block in markup.blocks:
        targets = []
        for sentence in split_sentences(block.text).sentences:
            places = range(len(sentence.split()))
            targets.append([(f"w{n}", draw.choice(places)) for n in places])
        found = place_tags(block, translation_of(block.text, targets))
        rendered.append(
            join_pieces(block, pieces_of(block)) if found is None else found
        )
    open_tags = []
    for is_end, name in re.findall("<(/?)([abi])>", markup.join(rendered)):
        if is_end:
            assert open_tags.pop() == name
        else:
            open_tags.append(name)
    assert not open_tags


def tags_of(text):
    return Counter(re.findall("<[/!]?[a-z][^<>]*>", text))


def plain(text):
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[/!]?[a-z][^<>]*>", "", text)))
