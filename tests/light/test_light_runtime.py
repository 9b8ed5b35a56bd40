"""The ONNX folder: the same translations as the run folder's, without TensorFlow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from translator.array_search import Rows
from translator.checkpoints import BEST_NAME, load_arrays, save_arrays
from translator.config import SearchConfig
from translator.errors import UserError
from translator.inference import Translator
from translator.light.export import export_onnx
from translator.light.graph import Int8TableGraph
from translator.light.runtime import OnnxTranslator, _drop_finished, _places, _State
from translator.loading import load_translator
from translator.placeholders import PLACEHOLDERS

SENTENCES = [
    "The red house is near the river.",
    "Nobody sings.",
    "We ate 12 oranges and 3 pears in the garden at night!",
    "",
    "Where?",
    "7" * 30,
    "Nobody sings.",
]
# Each value of each option, and what is likely to go wrong together.
NETWORKS = {
    "parallel": {},
    "reset_before": {"reset_after": False, "num_encoder_layers": 2},
    "deep": {"num_decoder_layers": 3, "num_encoder_layers": 3, "attention": "general"},
    "dot": {"attention": "dot", "tie_embeddings": False},
    "additive": {"attention": "additive", "reset_after": False},
    "classic": {"wiring": "classic", "num_heads": 2},
    "classic_single": {
        **{"wiring": "classic", "attention": "additive", "num_decoder_layers": 1},
        **{"tie_embeddings": False, "reset_after": False},
    },
    "classic_dot": {"wiring": "classic", "attention": "dot", "num_decoder_layers": 3},
    "classic_general": {"wiring": "classic", "attention": "general"},
    "normalized": {"layer_normalization": True, "num_encoder_layers": 2},
    "normalized_classic": {
        **{"layer_normalization": True, "wiring": "classic"},
        **{"reset_after": False, "attention": "additive"},
    },
}


def assert_same(ours, theirs, tolerance=1e-4):
    """Whether two translations of a sentence are the same, hypothesis by hypothesis."""
    assert ours.source_text == theirs.source_text
    assert ours.source_tokens == theirs.source_tokens
    for one, other in zip(ours.hypotheses, theirs.hypotheses, strict=True):
        assert (one.text, one.tokens) == (other.text, other.tokens)
        assert one.is_finished == other.is_finished
        assert one.score == pytest.approx(other.score, abs=tolerance)
        assert one.log_prob == pytest.approx(other.log_prob, rel=tolerance)
        np.testing.assert_allclose(
            one.attention_weights, other.attention_weights, atol=tolerance
        )


@pytest.fixture(scope="module")
def light(onnx_dir):
    return OnnxTranslator.load(onnx_dir)


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
def test_every_network_translates_as_in_tensorflow(make_run, tmp_path, options):
    """Catches: gates in another order, a bias lost or counted twice, a residual left
    out, padding that is looked at or read backwards, heads or layers mixed up, a state
    of another row, the context vector of another step."""
    run = make_run(**options)
    export_onnx(run, tmp_path / "out")
    light, heavy = OnnxTranslator.load(tmp_path / "out"), Translator.load(run)
    for ours, theirs in zip(
        light.translate_sentences(SENTENCES, num_hypotheses=3),
        heavy.translate_sentences(SENTENCES, num_hypotheses=3),
        strict=True,
    ):
        assert_same(ours, theirs)
    scores = {s.hypotheses[0].score for s in light.translate_sentences(SENTENCES)}
    assert len(scores) > 4


def test_things_to_copy_go_past_every_network(make_run, tmp_path):
    """Catches: what is known of names and lengths, left behind at the export; a
    search that cannot write a placeholder."""
    run = make_run(placeholders=0.5)
    export_onnx(run, tmp_path / "out")
    light, heavy = OnnxTranslator.load(tmp_path / "out"), Translator.load(run)
    assert light.capital_rule == heavy.capital_rule
    assert light.capital_rule.known_words == {"May", "Thursday"}
    assert light.max_sentence_characters == heavy.max_sentence_characters == 260
    texts = ["The river on Thursday, by Oyelaran: www.example.com.", "A1", "Red 🍐?"]
    for ours, theirs in zip(
        light.translate(texts), heavy.translate(texts), strict=True
    ):
        assert ours.text == theirs.text
    [first] = light.search_sentences([light.prepare(texts[0]).text])
    assert PLACEHOLDERS[1] in first.source_tokens


def test_it_stands_in_for_the_translator(translator, light):
    """Catches: search options or facts of the run that are lost on the way."""
    search = SearchConfig(beam_size=5, length_penalty=0.3, max_length_factor=0.5)
    texts = ["The red house. Nobody sings!\n\n  I don't. ", "", "\ud800 Where?"]
    for ours, theirs in zip(
        light.translate(texts, search, num_hypotheses=5),
        translator.translate(texts, search, num_hypotheses=5),
        strict=True,
    ):
        assert ours.text == theirs.text
        for our, their in zip(ours.sentences, theirs.sentences, strict=True):
            assert_same(our, their)
    for name in ("name", "source_language", "target_language", "card", "search"):
        assert getattr(light, name) == getattr(translator, name)
    assert light.is_search_fixed is False
    assert light.translate([]) == light.translate_sentences([]) == []


@pytest.mark.parametrize("folder", ["onnx_dir", "int8_dir"])
def test_a_sentence_does_not_depend_on_the_others(folder, request):
    """Catches: padding in the sums; a scale of 8-bit numbers taken from all rows; the
    memory of another sentence when finished ones are dropped."""
    light = OnnxTranslator.load(request.getfixturevalue(folder))
    together = light.translate_sentences(SENTENCES * 3, num_hypotheses=3)
    for sentence, ours in zip(SENTENCES * 3, together, strict=True):
        [alone] = light.translate_sentences([sentence], num_hypotheses=3)
        assert_same(ours, alone, tolerance=1e-5)


def test_threads_keep_the_order(onnx_dir, monkeypatch):
    """Catches: answers in the order in which batches are done."""
    light = OnnxTranslator.load(onnx_dir, num_threads=3)
    monkeypatch.setattr(light, "max_rows", 3)  # a batch for each sentence
    expected = [light.translate_sentences([sentence])[0] for sentence in SENTENCES]
    for ours, theirs in zip(
        light.translate_sentences(SENTENCES), expected, strict=True
    ):
        assert_same(ours, theirs)


def test_a_beam_wider_than_the_blocks_of_the_vocabulary(translator, light):
    """Catches: more blocks asked for than there are."""
    search = SearchConfig(beam_size=64, max_length_extra=2)
    [ours], [theirs] = (
        t.translate_sentences(SENTENCES[:1], search, 64) for t in (light, translator)
    )
    assert_same(ours, theirs)


def test_8_bits_are_nearly_as_good(light, int8_dir):
    """Catches: a scale or a zero point that is wrong; 8 bits in name only."""
    int8 = OnnxTranslator.load(int8_dir)
    ours, theirs = (
        [s.hypotheses[0] for s in t.translate_sentences(SENTENCES)]
        for t in (int8, light)
    )
    scores = np.array([[h.score for h in both] for both in (ours, theirs)])
    np.testing.assert_allclose(scores[0], scores[1], atol=0.3)
    assert (scores[0] != scores[1]).any()


def test_places_put_the_rows_of_a_sentence_beside_each_other():
    """Catches: a row in the place of another, where sentences have fewer rows."""
    grid, places = _places(np.array([0, 0, 2, 2, 2]), 4)
    assert places.tolist() == [0, 1, 6, 7, 8]
    assert grid.shape == (4, 3)
    assert grid.ravel()[places].tolist() == [0, 1, 2, 3, 4]


def test_finished_sentences_leave_the_memory():
    """Catches: a memory that is kept to the end, or the wrong part of it."""
    memory = [np.arange(8)[:, None] * 10]
    state = _State(memory, np.arange(8), [])
    state = _drop_finished(Rows(None, None, np.array([1, 1, 4, 6])), state)
    assert state.memory[0].ravel().tolist() == [10, 40, 60]
    assert state.memory_rows[[1, 4, 6]].tolist() == [0, 1, 2]
    state = _drop_finished(Rows(None, None, np.array([4])), state)
    assert state.memory[0].ravel().tolist() == [40]


# Runs a command where TensorFlow cannot be imported.
PROGRAM = """
import sys
for name in sys.argv.pop().split(","):
    sys.modules[name] = None  # Whoever imports it gets an ImportError.
from translator.cli.main import run
run()
"""


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("onnx_dir", "tensorflow,keras,onnx"), ("run_dir", "tensorflow,keras")],
)
def test_another_process_without_tensorflow(request, translator, kind, missing):
    """Catches: an import of TensorFlow, or of what only the export needs."""
    folder = str(request.getfixturevalue(kind))
    lines = ["The red house. Nobody sings!", "", "I don't drink coffee at night."]
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, "translate", folder, missing],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    expected = [translation.text for translation in translator.translate(lines)]
    assert result.stdout.split("\n") == [*expected, ""]


def test_a_run_folder_where_packages_are_missing(run_dir, monkeypatch):
    """Catches: a traceback in a container that was made for exports."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "needs the package onnx" in error_of(load_translator, run_dir)


def test_each_kind_of_folder_loads(run_dir, onnx_dir, tmp_path):
    """Catches: one kind of folder taken for another."""
    assert isinstance(load_translator(str(onnx_dir)), OnnxTranslator)
    assert isinstance(load_translator(run_dir), OnnxTranslator)
    assert isinstance(load_translator(run_dir, [run_dir]), Translator)
    assert "there is no folder" in error_of(load_translator, tmp_path / "nothing")


def test_a_saved_model_loads(translator, tmp_path):
    pytest.importorskip("tensorflow_text", reason="no tensorflow-text here")
    from translator.export import SavedModelTranslator, export_saved_model

    path = export_saved_model(translator, tmp_path)
    (path.parent / "11").mkdir()  # one that is not whole
    for folder in (path, path.parent):
        assert isinstance(load_translator(folder), SavedModelTranslator)


def error_of(call, *arguments, **options):
    """The one line that the user gets to see."""
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def copy(onnx_dir, tmp_path):
    shutil.copytree(onnx_dir, tmp_path / "copy")
    return tmp_path / "copy"


def cut_off(path):
    path.write_bytes(path.read_bytes()[:1000])


def write_noise(path):
    path.write_bytes(b"\x00damaged")


@pytest.mark.parametrize("damage", [Path.unlink, cut_off, write_noise])
@pytest.mark.parametrize("name", ["step.onnx", "tokenizer.model", "config.json"])
def test_damaged_files(copy, name, damage):
    """Catches: a traceback of onnxruntime for a half copied folder."""
    damage(copy / name)
    message = error_of(load_translator, copy)
    assert name in message


def test_a_damaged_encoder(copy):
    cut_off(copy / "encoder.onnx")
    assert "encoder.onnx cannot be loaded" in error_of(load_translator, copy)


def test_another_format_is_refused(copy):
    """Catches: a folder of a later version that is misread."""
    path = copy / "config.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(content | {"onnx_format": 99}), "utf-8")
    assert "Received: format 99" in error_of(load_translator, copy)


def test_weights_of_another_network(run_dir, tmp_path):
    """Catches: an export that fails on the way, with a traceback of NumPy's."""
    shutil.copytree(run_dir, tmp_path / "run")
    path = tmp_path / "run" / BEST_NAME
    arrays = load_arrays(path)
    save_arrays(path, arrays | {"seq2seq/decoder/readout/bias": np.zeros(3)})
    message = error_of(export_onnx, tmp_path / "run", tmp_path / "out")
    assert "decoder/readout/bias should have shape (12,). Received: (3,)" in message
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_nothing_is_overwritten(run_dir, tmp_path):
    """Catches: somebody's files deleted; a file in the folder's place."""
    (tmp_path / "mine.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "mine.txt"):
        assert "not an empty folder" in error_of(export_onnx, run_dir, path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_empty_folder_is_filled(run_dir, tmp_path):
    """Catches: half of a folder left under another name."""
    (tmp_path / "out").mkdir()
    export_onnx(run_dir, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        *("encoder.onnx", "step.onnx", "tokenizer.model", "config.json", "README.md")
    }


def test_the_graphs_keep_to_the_standard(onnx_dir, int8_dir):
    """Catches: a node that ONNX does not know, a type or a name that is wrong."""
    for path in (onnx_dir / "encoder.onnx", onnx_dir / "step.onnx"):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert {node.domain for node in model.graph.node} == {""}
    for name, num_arrays in {"encoder": 1, "step": 1 + 6}.items():  # tables, kernels
        model = onnx.load(int8_dir / f"{name}.onnx")
        onnx.checker.check_model(model)
        arrays = [i for i in model.graph.initializer if i.data_type == 3]  # int8
        assert len(arrays) == num_arrays


def test_a_table_of_8_bits_is_off_by_half_a_unit_at_most():
    """Catches: one scale for all rows, which loses the small ones; rows cut off, not
    rounded; a row of zeros that divides by zero."""
    sizes = np.array([[1e-3], [1.0], [50.0], [0.0]], np.float32)
    table = sizes * np.random.default_rng(3).uniform(-1, 1, (4, 40)).astype(np.float32)
    graph = Int8TableGraph("table")
    ids = graph.input("ids", np.int64, ["S", "B"])
    graph.output("rows", graph.rows(table, ids), ["S", "B", 40])
    session = onnxruntime.InferenceSession(graph.model().SerializeToString())
    wanted = np.array([[0, 1, 2], [3, 3, 0]])
    [rows] = session.run(None, {"ids": wanted})
    bounds = np.abs(table).max(axis=1, keepdims=True) / 127 / 2
    assert rows.shape == (2, 3, 40)
    assert (np.abs(rows - table[wanted]) <= 1.001 * bounds[wanted]).all()


def test_nobody_is_told_of_it(onnx_dir, tmp_path):
    """Catches: an id of the machine in the home, for the makers of the library."""
    code = (
        "import sys; from translator.light.runtime import OnnxTranslator as T;"
        "T.load(sys.argv[1]).translate(['Where is it?'])"
    )
    environment = os.environ | {"HOME": str(tmp_path)}
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    command = [sys.executable, "-c", code, str(onnx_dir)]
    subprocess.run(command, check=True, env=environment)
    assert not [*tmp_path.rglob("*onnxruntime*")]
