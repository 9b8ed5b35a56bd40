"""What is drawn and written for the page: true values, nothing of a user's as HTML."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from translator.inspection import BeamNode, GateTrace
from translator.placeholders import THINGS
from translator.text import split_sentences
from translator.translations import Hypothesis
from translator.web.markup import (
    alignment_markup,
    escape,
    step_markup,
    translation_markup,
    words_of,
)
from translator.web.pictures import (
    attention_picture,
    gates_overview,
    tree_picture,
    units_picture,
)

SVG = "{http://www.w3.org/2000/svg}"
# A template, an element, an attribute's end.
NASTY = "<img src=x onerror=alert(1)>${value}{{value}}`'\""


def hypothesis(text, tokens, log_probs):
    weights = np.full((len(tokens), 1), 1.0)
    log_probs = None if log_probs is None else np.array(log_probs)
    return Hypothesis(text, -0.5, -1.0, tokens, weights, True, log_probs)


def trace(name, tokens, num_units=20, seed=0):
    rng = np.random.default_rng(seed)
    z, r = rng.uniform(size=(2, len(tokens), num_units))
    c, before = rng.uniform(-1, 1, size=(2, len(tokens), num_units))
    return GateTrace(name, tokens, z, r, c, before, z * before + (1 - z) * c)


def node(token, parent, position, log_prob, fate, rank=None):
    score = log_prob / (position + 1)
    return BeamNode(token, parent, position, log_prob, score, fate, rank)


def test_words_and_how_sure_they_are():
    """Mistake: the probability of one subword for that of the word; a word too many
    where the text has one fewer."""
    tokens = ["▁La", "▁est", "ación", ".", "</s>"]
    own = hypothesis("La estación.", tokens, np.log([0.9, 0.5, 0.5, 0.8, 0.9]))
    words = words_of(own)
    assert [own.text[word.start : word.end] for word in words] == ["La", "estación."]
    assert [word.probability for word in words] == pytest.approx([0.9, 0.2])
    unknown = hypothesis("La estación.", tokens, None)
    assert [word.probability for word in words_of(unknown)] == [None, None]
    lost = hypothesis("La.", ["▁La", "▁", "<unk>", "</s>"], [0, 0, 0, 0])
    assert [word.probability for word in words_of(lost)] == [None]
    dropped = hypothesis("Ve.", ["▁", THINGS[0], "▁", "Ve", ".", "</s>"], [-1.0] * 6)
    assert [word.probability for word in words_of(dropped)] == [math.exp(-3)]
    assert words_of(hypothesis("", [], [])) == []


def test_a_translation_as_words():
    """Mistake: white space of the text lost; words that cannot be found again."""
    parts = split_sentences(" Hi there.\n\nBye! ")
    own = [
        hypothesis("Hola ahí.", ["▁Hola", "▁ahí", ".", "</s>"], [-0.1, -0.7, -0.5, 0]),
        hypothesis("¡Adiós!", ["▁¡", "Adiós", "!", "</s>"], [-2, 0, 0, 0]),
    ]
    markup = translation_markup(parts, own, "es", is_clickable=True)
    assert re.sub(r"<[^>]*>", "", markup) == " Hola ahí.\n\n¡Adiós! "
    spans = re.findall(r"class='word (\w+)' title='(\d+)% sure'", markup)
    assert spans == [("sure", "90"), ("unsure", "30"), ("unsure", "14")]
    assert "data-sentence='0' data-start='5' data-end='9'" in markup
    assert "data-sentence='1' data-start='0' data-end='7'" in markup
    plain = translation_markup(parts, own, "es", is_clickable=False)
    assert "data-start" not in plain and "tabindex" not in plain


def test_nothing_of_the_user_is_html_or_a_template():
    """Mistake: a translation that runs a script, or reads the page's variables."""
    tokens = [f"▁{NASTY}", "</s>"]
    weights = np.full((2, 2), 0.5)
    nodes = [
        node(tokens[0], None, 0, -1, "kept"),
        node("</s>", 0, 1, -1, "complete", 0),
    ]
    written = [
        escape(NASTY),
        translation_markup(
            split_sentences(f"{NASTY} a"),
            [hypothesis(f"{NASTY} a", [*tokens[:1], "▁a", "</s>"], None)],
            NASTY,
            is_clickable=True,
        ),
        alignment_markup(tokens, tokens, weights),
        attention_picture(tokens, tokens, weights),
        tree_picture(nodes),
        gates_overview([trace("encoder 1", tokens), trace("decoder 1", tokens)]),
        units_picture(trace("decoder 1", tokens), 0),
        step_markup(trace("decoder 1", tokens), 0),
    ]
    for markup in written:
        assert "<img" not in markup
        assert "${" not in markup and "{{" not in markup and "`" not in markup


def test_the_attention_map_holds_the_weights():
    """Mistake: rows and columns exchanged."""
    weights = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    picture = attention_picture(["▁a", "▁b", "</s>"], ["▁x", "</s>"], weights)
    root = ElementTree.fromstring(picture)
    cells = root.findall(f"{SVG}rect")
    assert [
        float(cell.get("fill-opacity")) for cell in cells
    ] == weights.ravel().tolist()
    assert cells[5].find(f"{SVG}title").text == "“(end)” looked at “(end)”: 0.50"
    assert cells[1].find(f"{SVG}title").text == "“x” looked at “b”: 0.10"
    assert root.get("aria-label").startswith("Attention")


def test_the_tree_shows_what_was_kept_and_what_was_dropped():
    """Mistake: an edge to the wrong parent; dropped ones that look like kept ones."""
    nodes = [
        node("▁a", None, 0, -0.1, "kept"),
        node("▁b", None, 0, -1.0, "kept"),
        *[node("▁z", None, 0, -2.0 - n, "dropped") for n in range(9)],
        node("</s>", 1, 1, -1.2, "complete", 1),
        node("</s>", 0, 1, -0.3, "complete", 0),
    ]
    root = ElementTree.fromstring(tree_picture(nodes))
    boxes = root.findall(f"{SVG}g")
    told = [box.find(f"{SVG}title").text for box in boxes]
    assert len(told) == 2 + 4 + 2  # of nine dropped ones the best four
    assert "“(end)”, complete; translation 1." in told[-1]
    frames = [box.find(f"{SVG}rect").get("opacity") for box in boxes]
    assert frames == ["1"] * 2 + ["0.55"] * 4 + ["1"] * 2
    paths = root.findall(f"{SVG}path")
    thick = [path for path in paths if path.get("stroke-width") == "2.5"]
    assert len(paths) == 8 and len(thick) == 2
    assert root.get("aria-label").endswith("a (end)")


def test_gates_of_the_backward_direction_stand_below_their_tokens():
    """Mistake: the order in which it read, under the order of the text."""
    forward = trace("encoder 1, forward", ["▁a", "▁b", "</s>"])
    backward = trace("encoder 1, backward", ["</s>", "▁b", "▁a"], seed=1)
    decoder = trace("decoder 1", ["<s>", "▁x"], seed=2)
    root = ElementTree.fromstring(gates_overview([forward, backward, decoder]))
    told = [cell.find(f"{SVG}title").text for cell in root.findall(f"{SVG}rect")]
    assert len(told) == 2 * (2 * 3 + 2)
    mean = backward.update_gate.mean(axis=1)[2]
    expected = f"update gate of encoder 1, backward at “a”: {mean:.2f}"
    assert expected in told


def test_a_step_adds_up():
    """Mistake: numbers of another unit in the equation."""
    own = trace("decoder 1", ["<s>", "▁x"])
    markup = step_markup(own, 1)
    rows = re.findall(r"<tr><th scope='row'>(\d+)</th>(.*?)</tr>", markup)
    assert len(rows) == 8
    for unit, row in rows:
        before, r, c, z, h = map(float, re.findall(r"<td>(.*?)</td>", row))
        assert h == pytest.approx(z * before + (1 - z) * c, abs=0.02)
        assert r == pytest.approx(own.reset_gate[1, int(unit)], abs=0.01)
    assert "Step 2 of 2: decoder 1 reads <b>x</b>" in markup
    picture = units_picture(own, 1)
    assert picture.count("data:image/png;base64,") == 2
    ElementTree.fromstring(picture)
