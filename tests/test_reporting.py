"""What a run tells: records that survive an interruption, and lines of progress."""

import io
import json
import logging
import time

import pytest
import tensorflow as tf
from rich.console import Console

from translator.reporting import (
    CURVES_NAME,
    HISTORY_NAME,
    METRICS_NAME,
    ProgressBar,
    RunLog,
    join_records,
    keep_history,
    read_metrics,
)


def write_steps(run_dir, steps, start=0):
    log = RunLog(run_dir, start)
    for step in steps:
        log.write("train", step, loss=1 / step, learning_rate=0.1)
    log.close()
    return log


def steps_of(records):
    return [record["step"] for record in records]


def test_records_are_one_json_object_a_line(tmp_path):
    """Catches: floats that are rounded, letters that are escaped."""
    log = RunLog(tmp_path)
    values = {"loss": 1 / 3, "samples": [{"hypothesis": "¿Dónde?"}]}
    log.write("validation", 7, **values)
    deadline = time.monotonic() + 30
    while not (text := (tmp_path / METRICS_NAME).read_text("utf-8")):
        assert time.monotonic() < deadline  # written at once, not at the end
    log.close()
    assert json.loads(text) == {"kind": "validation", "step": 7, **values}
    assert text.endswith("\n") and "¿Dónde?" in text
    assert read_metrics(tmp_path) == log.records
    log.close()


def test_going_on_drops_the_steps_that_come_again(tmp_path):
    """Catches: records twice after a resume, or a file that starts anew."""
    write_steps(tmp_path, [20, 40, 60])
    log = write_steps(tmp_path, [60, 80], start=40)
    assert steps_of(read_metrics(tmp_path)) == [20, 40, 60, 80]
    assert steps_of(log.records) == [20, 40, 60, 80]
    write_steps(tmp_path, [20], start=0)
    assert steps_of(read_metrics(tmp_path)) == [20]


def test_a_line_that_was_cut_off_is_left_out(tmp_path, caplog):
    """Catches: a run that cannot go on because its machine lost power."""
    write_steps(tmp_path, [20, 40])
    path = tmp_path / METRICS_NAME
    path.write_text(path.read_text("utf-8")[:-9], "utf-8")
    with caplog.at_level(logging.WARNING):
        assert steps_of(read_metrics(tmp_path)) == [20]
    assert str(path) in caplog.text


def test_no_records(tmp_path):
    assert read_metrics(tmp_path) == []


def read_events(run_dir):
    """Returns tag -> [(step, value)] of TensorBoard's files."""
    events = {}
    for path in sorted((run_dir / "tensorboard").iterdir()):
        for data in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(data.numpy())
            for value in event.summary.value:
                point = (event.step, float(tf.make_ndarray(value.tensor)))
                events.setdefault(value.tag, []).append(point)
                assert value.metadata.plugin_data.plugin_name == "scalars"
    return events


def test_tensorboard_gets_every_number(tmp_path):
    """Catches: values of another step, events that TensorBoard does not draw."""
    log = RunLog(tmp_path)
    log.write("train", 20, loss=2.5, epoch=1)
    log.write("validation", 30, bleu=12.5, samples=["a"])
    log.write("train", 40, loss=1.5, epoch=2)
    log.close()
    assert read_events(tmp_path) == {
        "train/loss": [(20, 2.5), (40, 1.5)],
        "train/epoch": [(20, 1.0), (40, 2.0)],
        "validation/bleu": [(30, 12.5)],
    }


def test_curves_are_drawn_at_any_time(tmp_path):
    """Catches: a figure that needs a validation, or a display."""
    log = RunLog(tmp_path)
    log.draw()
    log.write("train", 20, loss=2.5, learning_rate=0.1)
    log.draw()
    log.write("validation", 20, loss=2.0, bleu=3.0, chrf=9.0)
    log.draw()
    log.close()
    assert (tmp_path / CURVES_NAME).read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {
        METRICS_NAME,
        CURVES_NAME,
        "tensorboard",
    }


def test_records_go_on_behind_those_of_the_model_before(tmp_path):
    """Catches: a training that seems to begin anew, or behind the first of two; one
    without records."""
    runs = [tmp_path / name for name in ("first", "second", "third")]
    for run in runs:
        run.mkdir()
    keep_history(tmp_path, runs[0])
    assert not list(runs[0].iterdir())
    for number, run in enumerate(runs):
        log = RunLog(run)
        log.write("train", 20, loss=9.0, minutes=1.5)
        log.write("validation", 30, loss=8.0, bleu=5.0, minutes=2.0)
        log.draw()
        log.close()
        assert len(read_metrics(run)) == 2
        if number < 2:
            keep_history(run, runs[number + 1])
    lines = (runs[2] / HISTORY_NAME).read_text("utf-8").splitlines()
    records = join_records([json.loads(line) for line in lines], read_metrics(runs[2]))
    found = [(r["kind"], r["step"], r["minutes"]) for r in records]
    assert found == [
        ("train", 20, 1.5),
        ("validation", 30, 2.0),
        ("start", 30, 2.0),
        ("train", 50, 3.5),
        ("validation", 60, 4.0),
        ("start", 60, 4.0),
        ("train", 80, 5.5),
        ("validation", 90, 6.0),
    ]
    pictures = {(run / CURVES_NAME).read_bytes() for run in runs}
    assert len(pictures) == 3


def test_progress_without_a_terminal_is_a_line_at_times():
    """Catches: a bar's control characters in a log file; a line for each step."""
    console = Console(file=io.StringIO(), width=100)
    with ProgressBar(console) as bar:
        for seconds in (10, 31, 40, 60, 62):
            bar.update(seconds / 620, seconds, f"step {seconds}")
    assert console.file.getvalue().splitlines() == [
        "step 31  5%, 10 min left",
        "step 62  10%, 9 min left",
    ]


@pytest.mark.parametrize("done", [0.0, 1.0])
def test_progress_on_a_terminal_is_a_bar(done):
    """Catches: a division by nothing done; a bar that is not drawn."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with ProgressBar(console) as bar:
        bar.update(done, 60, "step 3")
    text = console.file.getvalue()
    assert "step 3" in text and f"{done:.0%}" in text
