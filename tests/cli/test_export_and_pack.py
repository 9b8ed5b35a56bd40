import json

import numpy as np
import pytest

from translator.checkpoints import BEST_NAME, load_arrays


def test_export(command, run_dir, tmp_path, monkeypatch):
    """Catches: another folder's model; words on standard output."""
    pytest.importorskip("tensorflow_text", reason="no tensorflow-text here")
    saved = []
    monkeypatch.setattr(
        "translator.export.export_saved_model", lambda *call: saved.append(call)
    )
    out = tmp_path / "out"
    status, output, errors = command(
        "export", run_dir, out, "--version", 3, "--weights", "float16"
    )
    assert (status, output) == (0, "")
    assert "serving_default" in errors
    [(translator, *others)] = saved
    assert (translator.name, others) == (run_dir.name, [out, 3, "float16"])


@pytest.mark.parametrize("switches", [[], ["--weights", "int8"]])
def test_export_onnx(command, run_dir, tmp_path, switches):
    """Catches: the other format; a switch that is dropped; words on standard output."""
    out = tmp_path / "out"
    status, output, errors = command(
        "export", run_dir, out, "--format", "onnx", *switches
    )
    assert (status, output) == (0, "")
    assert errors.startswith(f"{out}: an ONNX folder, 0.") and errors.endswith(" MB\n")
    facts = json.loads((out / "config.json").read_text("utf-8"))
    assert facts["int8"] == bool(switches)
    status, output, _ = command("translate", out, stdin=b"Nobody sings.\n")
    assert status == 0 and output.count("\n") == 1


def test_export_litert(command, run_dir, tmp_path):
    """Catches: the other format; words on standard output."""
    out = tmp_path / "out"
    status, output, errors = command("export", run_dir, out, "--format", "litert")
    assert (status, output) == (0, "")
    assert errors.startswith(f"{out}: a LiteRT folder, 0.") and errors.endswith(" MB\n")
    assert {path.name for path in out.iterdir()} == {"model.tflite", "tokenizer.model"}


@pytest.mark.parametrize(
    ("format", "option", "value"),
    [
        ("onnx", "--weights", "float16"),
        ("litert", "--weights", "int8"),
        ("onnx", "--version", "2"),
        ("litert", "--version", "2"),
    ],
)
def test_options_of_other_formats(command, run_dir, tmp_path, format, option, value):
    """Catches: a folder of full precision in place of what was asked for."""
    arguments = ["--format", format, option, value]
    status, _, errors = command("export", run_dir, tmp_path / "out", *arguments)
    assert status == 2 and errors.startswith(f"error: {option}")
    assert not (tmp_path / "out").exists()


def test_pack(command, run_dir, tmp_path):
    """Catches: the training state shipped; weights of full size; a model that no
    longer loads."""
    status, output, errors = command("pack", run_dir, tmp_path / "out")
    assert (status, output) == (0, "")
    assert errors.startswith(f"{tmp_path / 'out'}: 0.") and errors.endswith(" MB\n")
    files = {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert files == {"config.json", "tokenizer.model", "best.npz", "README.md"}
    full, half = (load_arrays(p / BEST_NAME) for p in (run_dir, tmp_path / "out"))
    for name, array in full.items():
        assert half[name].dtype == np.float16
        np.testing.assert_allclose(half[name], array, rtol=1e-3, atol=1e-6)


def test_a_packed_run_translates(command, run_dir, translator, tmp_path):
    """Catches: a file that is needed and was left out."""
    command("pack", run_dir, tmp_path / "out")
    from translator.inference import Translator

    packed = Translator.load(tmp_path / "out")
    [ours], [theirs] = (t.translate_sentences(["Nobody"]) for t in (packed, translator))
    assert ours.source_tokens == theirs.source_tokens
    assert ours.hypotheses[0].score == pytest.approx(
        theirs.hypotheses[0].score, abs=0.05
    )


@pytest.mark.parametrize("name", ["pack", "onnx"])
@pytest.mark.parametrize("place", ["folder", "file"])
def test_nothing_is_overwritten(command, run_dir, tmp_path, name, place):
    """Catches: somebody's files mixed with ours, or gone."""
    path = tmp_path / "mine.txt"
    path.write_text("mine")
    target = path if place == "file" else tmp_path
    arguments = {"pack": ["pack"], "onnx": ["export", "--format", "onnx"]}[name]
    status, _, errors = command(*arguments, run_dir, target)
    assert status == 2
    assert errors.startswith(f"error: {target} is not an empty folder.")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["export", "pack"])
def test_a_missing_run(command, tmp_path, name):
    status, _, errors = command(name, tmp_path / "none", tmp_path / "out")
    assert status == 2
    assert errors == f"error: there is no folder {tmp_path / 'none'}.\n"
    assert not (tmp_path / "out").exists()
