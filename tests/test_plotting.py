import io

import numpy as np
import pytest
from PIL import Image

from translator import plotting


def random_weights(num_rows, num_columns, seed=1):
    """Rows of distinct weights that sum to 1, shape `(T, S)`."""
    return np.random.default_rng(seed).dirichlet(np.ones(num_columns), num_rows)


def render(figure):
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return np.asarray(Image.open(picture).convert("RGB"))


def label_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_attention_source_across_target_down_scale_0_to_1():
    """Mistake: the weights transposed, or scaled to their own maximum."""
    weights = random_weights(3, 2)
    figure = plotting.attention_figure(["▁a", "▁b"], ["▁x", "▁y", "▁z"], weights)
    axes, bar = figure.axes
    image = axes.images[0]
    np.testing.assert_array_equal(image.get_array(), weights)
    assert image.get_clim() == (0, 1)
    assert label_texts(axes.xaxis) == ["a", "b"]
    assert label_texts(axes.yaxis) == ["x", "y", "z"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("source tokens", "target tokens")
    assert bar.get_ylabel() == "attention weight"


def test_attention_reads_from_the_top():
    """Mistake: the first target token at the bottom (origin="lower")."""
    weights = np.array([[1.0, 0.0], [0.0, 0.0]])
    figure = plotting.attention_figure(["▁a", "▁b"], ["▁x", "▁y"], weights)
    pixels = render(figure)
    cells = figure.axes[0].get_window_extent()
    top = pixels.shape[0] - cells.y0 - cells.height * 3 / 4
    bottom = pixels.shape[0] - cells.y0 - cells.height * 1 / 4
    left = cells.x0 + cells.width / 4
    assert pixels[int(top), int(left)].sum() < 200  # dark
    assert pixels[int(bottom), int(left)].sum() > 700  # light


def test_attention_names_both_shapes_when_they_differ():
    """Mistake: no check, and a picture with labels that belong to other cells."""
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(2, 1\)"):
        plotting.attention_figure(["▁a", "▁b"], ["▁x"], random_weights(2, 1))


def test_a_page_of_tokens_still_fits_a_picture():
    """Mistake: cells of one size, and gigabytes of pixels for one long sentence."""
    tokens = [f"▁{number}" for number in range(1500)]
    figure = plotting.attention_figure(tokens, tokens, np.eye(1500))
    assert max(figure.get_size_inches() * figure.dpi) < 4000  # pixels
    assert render(figure).size
    assert label_texts(figure.axes[0].xaxis) == [str(n) for n in range(0, 1500, 15)]


@pytest.mark.parametrize("num_source", [1, 7, 60, 150])
@pytest.mark.parametrize("num_target", [1, 9, 60])
def test_tokens_do_not_overlap(num_source, num_target):
    """Mistake: one figure size for every number of tokens."""
    figure = plotting.attention_figure(
        ["▁word"] * num_source,
        ["▁palabra"] * num_target,
        random_weights(num_target, num_source),
    )
    render(figure)
    axes = figure.axes[0]
    for axis, low, high in ((axes.xaxis, "x0", "x1"), (axes.yaxis, "y0", "y1")):
        boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
        boxes.sort(key=lambda box: getattr(box, low))
        for left, right in zip(boxes, boxes[1:], strict=False):
            assert getattr(left, high) <= getattr(right, low)


@pytest.mark.parametrize(
    ("tokens", "labels"),
    [
        pytest.param(["▁trans", "lator"], ["trans", "-lator"], id="continuation"),
        pytest.param(["▁Hi", "!", "</s>"], ["Hi", "!", "(end)"], id="punctuation"),
        pytest.param(["no", "mark"], ["no", "-mark"], id="first-has-no-mark"),
        pytest.param(["▁¿", "Qué", "?"], ["¿", "Qué", "?"], id="after-a-mark"),
        pytest.param(["▁", "7"], ["(space)", "7"], id="lone-mark"),
        pytest.param(["▁" + "a" * 99], ["a" * 23 + "…"], id="cut"),
    ],
)
def test_subwords_are_shown_as_parts_of_words(tokens, labels):
    """Mistake: sentencepiece's mark left on the axis, or a hyphen after "¿"."""
    figure = plotting.attention_figure(tokens, ["▁x"], random_weights(1, len(tokens)))
    assert label_texts(figure.axes[0].xaxis) == labels


@pytest.mark.parametrize(
    "token",
    [
        "▁你好",
        "▁שלום",
        "▁مرحبا",
        "▁😀",
        "\x07",
        "▁\U0001f1ea\U0001f1f8",
        "▁$a_{$",
        "\n",
    ],
)
def test_any_text_is_drawn_without_a_warning(token):
    """Mistake: text with glyphs that no font has, or `$` read as a formula."""
    figure = plotting.attention_figure([token], [token], np.ones((1, 1)))
    assert render(figure).size


def test_a_character_without_a_glyph_becomes_a_box():
    """Mistake: such characters dropped, so that the label is empty."""
    figure = plotting.attention_figure(["▁\ue123\x07"], ["▁x"], np.ones((1, 1)))
    assert label_texts(figure.axes[0].xaxis) == ["□□"]


def test_gates_units_down_tokens_across():
    """Mistake: the two gates exchanged, or not transposed."""
    rng = np.random.default_rng(2)
    update_gate, reset_gate = rng.random((3, 5)), rng.random((3, 5))
    figure = plotting.gates_figure(update_gate, reset_gate, ["▁a", "▁b", "c"])
    first, second = figure.axes[:2]
    np.testing.assert_array_equal(first.images[0].get_array(), update_gate.T)
    np.testing.assert_array_equal(second.images[0].get_array(), reset_gate.T)
    bars = [axes.get_ylabel() for axes in figure.axes[2:]]
    assert bars == ["update gate", "reset gate"]
    assert label_texts(second.xaxis) == ["a", "b", "-c"]


def test_gates_refuse_a_token_too_many():
    """Mistake: no check of the shapes."""
    gate = np.random.default_rng(3).random((3, 5))
    with pytest.raises(ValueError, match=r"4 tokens.*\(3, 5\)"):
        plotting.gates_figure(gate, gate, ["▁a"] * 4)


RECORDS = [
    {"kind": "train", "step": 10, "loss": 5.5, "minutes": 0.5},
    {"kind": "train", "step": 20, "loss": 4.25, "minutes": 1.0},
    {"kind": "validation", "step": 20, "loss": 4.5, "bleu": 7.0, "chrf": 21.0}
    | {"minutes": 1.25, "training_loss": 4.0},
]


@pytest.mark.parametrize(
    ("over", "train_x", "dev_x", "label"),
    [
        ("minutes", [0.5, 1.0], [1.25], "training time (minutes)"),
        ("step", [10, 20], [20], "optimiser steps"),
    ],
)
def test_curves_have_five_lines_and_units(over, train_x, dev_x, label):
    """Mistake: development scores drawn as training's, or BLEU as chrF."""
    losses, scores = plotting.curves_figure(RECORDS, over).axes
    lines = {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in (*losses.lines, *scores.lines)
    }
    assert lines == {
        "what is optimised": (train_x, [5.5, 4.25]),
        "training loss": (dev_x, [4.0]),
        "development loss": (dev_x, [4.5]),
        "BLEU": (dev_x, [7.0]),
        "chrF": (dev_x, [21.0]),
    }
    assert losses.get_ylabel() == "loss (nats per target token)"
    assert scores.get_ylabel() == "score (0 to 100)"
    assert scores.get_xlabel() == label


def test_a_new_training_begins_at_a_dotted_line():
    """Mistake: a curve that leads from the end of one training into the next."""
    start = {"kind": "start", "minutes": 2.0, "step": 30}
    last = {"kind": "train", "minutes": 3.0, "step": 40, "loss": 2.0}
    losses, scores = plotting.curves_figure([*RECORDS, start, last]).axes
    [optimised] = [x for x in losses.lines if x.get_label() == "what is optimised"]
    np.testing.assert_array_equal(optimised.get_ydata(), [5.5, 4.25, np.nan, 2.0])
    for axes in (losses, scores):
        [line] = [line for line in axes.lines if line.get_linestyle() == ":"]
        assert list(line.get_xdata()) == [2.0, 2.0]


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([], id="none"),
        pytest.param(RECORDS[:1], id="no-validation-yet"),
        pytest.param([{"kind": "train", "step": 1, "loss": float("nan")}], id="nan"),
        pytest.param([{"kind": "validation", "minutes": 1, "bleu": None}], id="null"),
    ],
)
def test_curves_of_an_unfinished_run(records):
    """Mistake: a legend without lines, which is a warning; a missing field."""
    assert render(plotting.curves_figure(records)).size


def test_save_replaces_the_file_and_leaves_no_other(tmp_path):
    """Mistake: the temporary file copied, not renamed, and left behind."""
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")
    plotting.save_figure(plotting.curves_figure(RECORDS), path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_save_keeps_the_old_file(tmp_path):
    """Mistake: drawing straight into the final path."""
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")

    class Broken:
        def savefig(self, target):
            with open(target, "wb") as file:
                file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        plotting.save_figure(Broken(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
