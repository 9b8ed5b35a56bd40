"""Files of a run: exact, whole or not there at all, and clear when they are bad."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from translator import checkpoints
from translator.checkpoints import (
    BEST_NAME,
    CONFIG_NAME,
    LAST_NAME,
    TOKENIZER_NAME,
    load_arrays,
    load_run_config,
    load_state,
    load_weights,
    pack_run,
    save_arrays,
    save_state,
    save_weights,
    variable_arrays,
)
from translator.config import make_config, save_config
from translator.disk import new_folder, replacing
from translator.errors import UserError

TYPES = {
    "float32": np.float32,
    "uint32": np.uint32,  # dropout seeds
    "int64": np.int64,  # an optimizer's count of steps
}


def random_arrays(seed):
    """Arrays of every type and shape that a training state holds."""
    rng = np.random.default_rng(seed)
    return {
        f"layer/{dtype}_{len(shape)}": rng.integers(0, 2**31, shape).astype(dtype)
        for dtype in TYPES.values()
        for shape in [(), (3,), (2, 5)]
    }


def make_model(units=4, seed=1):
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(units, name="first"), keras.layers.Dense(2, name="b")]
    model = keras.Sequential(layers, name="model")
    model.build((None, 3))
    return model


def error_of(call, *arguments):
    """The one line that the user gets to see."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_arrays_come_back_bit_by_bit(tmp_path, is_compressed):
    """Catches: a type that changes on disk, a name that a zip archive mangles."""
    arrays = random_arrays(1)
    save_arrays(tmp_path / "new" / "a.npz", arrays, is_compressed=is_compressed)
    found = load_arrays(tmp_path / "new" / "a.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_weights_round_trip(tmp_path):
    """Catches: weights matched by position, one that is not assigned."""
    model, other = make_model(seed=1), make_model(seed=2)
    save_weights(model, tmp_path / "w.npz")
    load_weights(other, tmp_path / "w.npz")
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_half_precision_weights_load_as_float32(tmp_path):
    """Catches: a float16 value assigned without a cast; too coarse a rounding."""
    model, other = make_model(seed=1), make_model(seed=2)
    halves = {
        name: array.astype(np.float16)
        for name, array in variable_arrays(model.weights).items()
    }
    save_arrays(tmp_path / "w.npz", halves)
    load_weights(other, tmp_path / "w.npz")
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        assert theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)


def test_state_round_trip(tmp_path):
    """Catches: moments or dropout seeds left out; a float of the progress rounded."""

    def make_state(seed):
        model = make_model(seed=seed)
        optimizer = keras.optimizers.Adam(0.1, name="optimizer")
        optimizer.build(model.trainable_variables)
        random = np.random.default_rng(seed)
        optimizer.apply([random.normal(size=w.shape) for w in model.weights])
        dropout = keras.random.SeedGenerator(seed, name="dropout")
        dropout.next()
        return [*model.variables, *optimizer.variables, dropout.state]

    saved, loaded = make_state(1), make_state(2)
    progress = {"step": 3, "minutes": 0.1 + 0.2, "best": None, "is_over": False}
    save_state(tmp_path / LAST_NAME, saved, progress)
    assert load_state(tmp_path / LAST_NAME, loaded) == progress
    for ours, theirs in zip(saved, loaded, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_two_variables_of_one_path_are_refused():
    """Catches: a checkpoint in which one of two variables is silently lost."""
    twins = [keras.Variable(np.zeros(2), name="twin") for _ in range(2)]
    with pytest.raises(ValueError, match="same path"):
        variable_arrays(twins)


def test_missing_file(tmp_path):
    message = error_of(load_arrays, tmp_path / "best.npz")
    assert "best.npz is missing. Train the model first" in message


def damage(data, kind):
    match kind:
        case "empty":
            return b""
        case "truncated":
            return data[: len(data) // 2]
        case "text":
            return b"version https://git-lfs.github.com/spec/v1\n"


@pytest.mark.parametrize("kind", ["empty", "truncated", "text"])
def test_damaged_file(tmp_path, kind):
    """Catches: zip and NumPy errors that reach the user; a file left open."""
    path = tmp_path / "w.npz"
    save_arrays(path, random_arrays(1))
    path.write_bytes(damage(path.read_bytes(), kind))
    assert str(path) in error_of(load_arrays, path)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_no_flipped_byte_passes(tmp_path, is_compressed):
    """Catches: wrong values that load in silence, an error of zlib or zipfile."""
    path = tmp_path / "w.npz"
    arrays = {"a": np.arange(9.0), "b": np.random.default_rng(1).normal(size=9)}
    save_arrays(path, arrays, is_compressed=is_compressed)
    data = path.read_bytes()
    for position in range(0, len(data), 5):
        flipped = data[position] ^ 0xFF
        path.write_bytes(data[:position] + bytes([flipped]) + data[position + 1 :])
        try:
            found = load_arrays(path)
        except UserError:
            continue
        for name in found.keys() & arrays.keys():  # a damaged name is a missing one
            np.testing.assert_array_equal(found[name], arrays[name])


def test_pickles_are_not_loaded(tmp_path):
    """Catches: a checkpoint that runs code when it is opened."""
    path = tmp_path / "w.npz"
    np.savez(path, evil=np.array([{"a": 1}], dtype=object))
    assert str(path) in error_of(load_arrays, path)


def test_foreign_array_file(tmp_path):
    """Catches: a single .npy array, which opens without being an archive."""
    path = tmp_path / "w.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert str(path) in error_of(load_arrays, path)


def test_weights_of_another_network(tmp_path):
    """Catches: shapes that broadcast, half of the weights assigned before the error."""
    save_weights(make_model(units=5), tmp_path / "w.npz")
    model = make_model(units=4)
    before = model.get_weights()
    message = error_of(load_weights, model, tmp_path / "w.npz")
    assert "should have shape (3, 4). Received: (3, 5)" in message
    save_arrays(tmp_path / "w.npz", {"first/kernel": np.zeros((3, 4))})
    assert "Received: nothing" in error_of(load_weights, model, tmp_path / "w.npz")
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_are_no_state(tmp_path):
    model = make_model()
    save_weights(model, tmp_path / "w.npz")
    message = error_of(load_state, tmp_path / "w.npz", model.variables)
    assert message.endswith("holds weights, not a training state.")


def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    """Catches: writing in place; a temporary file that is left behind."""
    path = tmp_path / "w.npz"
    save_arrays(path, {"old": np.arange(3)})

    def fail(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        save_arrays(path, {"new": np.arange(4)})
    assert [file.name for file in tmp_path.iterdir()] == ["w.npz"]
    np.testing.assert_array_equal(load_arrays(path)["old"], np.arange(3))


def test_the_new_file_appears_at_once(tmp_path):
    """Catches: a place that is empty, or holds half, while the file is written."""
    path = tmp_path / "card.md"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent  # a rename within one file system
    assert path.read_text() == "new"


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    """Catches: a traceback; a folder left half."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="cannot make the folder .*file: File exists"),
        new_folder(tmp_path / "file" / "export"),
    ):
        pass
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is not an empty folder"), new_folder(Path()):
        pass
    (tmp_path / "file").unlink()
    with new_folder(Path()) as temporary:
        (temporary / "a").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def write_run(run_dir, **facts):
    """A run folder that is complete for sharing."""
    run_dir.mkdir()
    config = make_config("tiny", options={"corpus": ("numbers-en-es",)})
    save_config(config, run_dir / CONFIG_NAME, **facts)
    save_weights(make_model(units=100), run_dir / BEST_NAME)
    save_arrays(run_dir / LAST_NAME, {"state": np.zeros(3)})
    (run_dir / TOKENIZER_NAME).write_bytes(b"pieces")
    (run_dir / "README.md").write_text("# Card")
    (run_dir / "evaluation" / "test").mkdir(parents=True)
    for name in ("report", "robustness"):
        (run_dir / "evaluation" / "test" / f"{name}.json").write_text("{}")
    return config


def test_run_config_and_its_facts(tmp_path):
    config = write_run(tmp_path / "run", version="1.2", corpus_info={"name": "x"})
    found, facts = load_run_config(tmp_path / "run")
    assert found == config
    assert facts == {"version": "1.2", "corpus_info": {"name": "x"}}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "is not a run folder: it has no config.json"),
        ("{", "is not JSON"),
        ("[1]", "should hold a JSON object. Received: [1]."),
        ('{"model": {"units": 3}}', "there is no option 'units'"),
        ('{"model": {"encoder_units": 0}}', "encoder_units: "),
        ('{"model": 3}', "model: "),
        (b'{"version": "\xff"}', "is not JSON"),
    ],
    ids=["missing", "syntax", "list", "unknown", "bound", "no_table", "not_utf8"],
)
def test_bad_run_config(tmp_path, content, expected):
    """Catches: a traceback for a folder that is no run, or of another version."""
    if isinstance(content, str):
        content = content.encode()
    if content is not None:
        (tmp_path / CONFIG_NAME).write_bytes(content)
    message = error_of(load_run_config, tmp_path)
    assert str(tmp_path) in message and expected in message


def test_packed_run_is_small_and_complete(tmp_path):
    """Catches: the training state shipped; weights that stay in single precision."""
    run_dir, out_dir = tmp_path / "run", tmp_path / "out"
    write_run(run_dir, version="1.2")
    pack_run(run_dir, out_dir)
    files = {str(p.relative_to(out_dir)) for p in out_dir.rglob("*") if p.is_file()}
    assert files == {
        CONFIG_NAME,
        TOKENIZER_NAME,
        BEST_NAME,
        "README.md",
        "evaluation/test/report.json",
        "evaluation/test/robustness.json",
    }
    single, half = (load_arrays(folder / BEST_NAME) for folder in (run_dir, out_dir))
    for name, array in single.items():
        assert half[name].dtype == np.float16
        np.testing.assert_allclose(half[name], array, rtol=1e-3, atol=1e-6)
    assert json.loads((out_dir / CONFIG_NAME).read_text())["version"] == "1.2"


def test_packing_overwrites_nothing(tmp_path):
    write_run(tmp_path / "run")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    message = error_of(pack_run, tmp_path / "run", tmp_path / "out")
    assert "is not an empty folder. Choose another one." in message
    assert "not a run folder" in error_of(pack_run, tmp_path / "out", tmp_path / "new")


def test_a_packed_run_quotes_no_sentence(tmp_path):
    """Catches: sentences of the corpus, with its own licence, shared with the model."""
    run_dir, out_dir = tmp_path / "run", tmp_path / "out"
    write_run(run_dir)
    records = [{"step": 1, "loss": 2.5}, {"step": 2, "samples": ["Quoted one."]}]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (run_dir / "metrics.jsonl").write_text(lines)
    (run_dir / "metrics_before.jsonl").write_text(lines)
    report = {"name": "test", "worst": ["Quoted two."], "best": ["Quoted three."]}
    (run_dir / "evaluation/test/report.json").write_text(json.dumps(report))
    (run_dir / "evaluation/test/hypotheses.txt").write_text("Quoted four.\n")
    pack_run(run_dir, out_dir)
    texts = [path.read_bytes() for path in out_dir.rglob("*") if path.is_file()]
    assert not any(b"Quoted" in text for text in texts)
    for name in ("metrics.jsonl", "metrics_before.jsonl"):
        packed = (out_dir / name).read_text().splitlines()
        assert [json.loads(line) for line in packed] == [records[0], {"step": 2}]


@pytest.mark.parametrize("is_relative", [False, True])
def test_a_packed_run_tells_no_folders(tmp_path, is_relative):
    """Catches: the name of a client, whose folder the corpus lay in."""
    run_dir, out_dir = tmp_path / "run", tmp_path / "out"
    write_run(run_dir)
    path = (Path("..") if is_relative else tmp_path) / "ClientX" / "contract.en-pt.tsv"
    config = make_config(options={"corpus": (str(path),)})
    files = {"ClientX/contract.en-pt.tsv": "0123"}
    save_config(config, run_dir / CONFIG_NAME, corpus_info={"files": files})
    (run_dir / "README.md").write_text(f"translator train --corpus {path}\n", "utf-8")
    pack_run(run_dir, out_dir)
    texts = [path.read_bytes() for path in out_dir.rglob("*") if path.is_file()]
    assert not any(b"ClientX" in text for text in texts)
    assert load_run_config(out_dir)[0].data.corpus == ("contract.en-pt.tsv",)
