"""What a training run tells: progress on the terminal, records, curves."""

import json
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from translator.checkpoints import CURVES_NAME
from translator.disk import write_text
from translator.plotting import curves_figure, save_figure

logger = logging.getLogger(__name__)

METRICS_NAME = "metrics.jsonl"
# Records of the models that a run started from, the oldest first.
HISTORY_NAME = "metrics_before.jsonl"
# Seconds between lines of progress where there is no terminal to draw a bar on.
_LINE_INTERVAL = 30.0
# What TensorBoard knows a scalar by. `tf.summary.scalar` writes the same, but only
# where TensorBoard itself is installed, which TensorFlow 2.21 no longer does.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
)


class RunLog:
    """Writes `metrics.jsonl`, TensorBoard's events and `curves.png` of a run.

    Args:
        run_dir: The run folder.
        step: Step to go on from; records of later steps are dropped, as those steps
            will be done again.
    """

    def __init__(self, run_dir: Path, step: int = 0):
        self.run_dir = run_dir
        self.records = [r for r in read_metrics(run_dir) if r["step"] <= step]
        self._before = list(_read_lines(run_dir / HISTORY_NAME))
        path = run_dir / METRICS_NAME
        write_text(path, "".join(map(_line, self.records)))
        self._file = path.open("a", encoding="utf-8")
        self._summary = tf.summary.create_file_writer(str(run_dir / "tensorboard"))
        # Training does not wait for the disk: seconds, where others write much to it.
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._writes: deque[Future] = deque()

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Adds a record; `kind` is `train` or `validation`."""
        record = {"kind": kind, "step": step, **values}
        self.records.append(record)
        self._writes.append(self._writer.submit(self._write, record))
        while self._writes and self._writes[0].done():
            self._writes.popleft().result()  # raises the error of a write that failed

    def draw(self) -> None:
        """Draws the curves of all records so far, behind those of the models that the
        run started from."""
        records = join_records(self._before, self.records)
        save_figure(curves_figure(records), self.run_dir / CURVES_NAME)

    def close(self) -> None:
        self._writer.shutdown()
        self._file.close()
        self._summary.close()
        for write in self._writes:
            write.result()

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(_line(record))
        self._file.flush()
        kind = record["kind"]
        with self._summary.as_default(record["step"]):
            for name, value in record.items():
                if isinstance(value, int | float) and name != "step":
                    value = tf.constant(value, tf.float32)
                    tf.summary.write(f"{kind}/{name}", value, metadata=_SCALAR)
        self._summary.flush()


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """Returns the records of a run; a last line that was cut off is left out."""
    return list(_read_lines(run_dir / METRICS_NAME))


def keep_history(start_dir: Path, run_dir: Path) -> None:
    """Writes the records of a model that a run starts from into the run's folder."""
    before = list(_read_lines(start_dir / HISTORY_NAME))
    records = join_records(before, read_metrics(start_dir))
    if records:
        write_text(run_dir / HISTORY_NAME, "".join(map(_line, records)))


def join_records(
    before: Sequence[dict[str, Any]], records: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Returns the records of one training behind those of another: its steps and
    minutes go on where the other's end, and a record of kind `start` tells where."""
    if not before:
        return list(records)
    fields = ("step", "minutes")
    end = {name: max(record.get(name, 0) for record in before) for name in fields}
    later = (
        record | {name: record[name] + end[name] for name in fields if name in record}
        for record in records
    )
    return [*before, {"kind": "start", **end}, *later]


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    for line in path.read_text("utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            logger.warning("%s has a damaged line; it is left out", path)


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


class ProgressBar:
    """Loss, tokens a second and time left: a bar on a terminal, else a line at times.

    Args:
        console: Where to draw it; training uses standard error.
    """

    def __init__(self, console: Console):
        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f}%"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=1.0)
        self._last_line = 0.0

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *_):
        self._bar.stop()

    def update(self, done: float, seconds: float, text: str) -> None:
        """Shows that a fraction `done` of the training is over after some seconds."""
        self._bar.update(self._task, completed=done, description=text)
        if self._bar.disable and seconds - self._last_line >= _LINE_INTERVAL:
            self._last_line = seconds
            if done > 0:
                left = seconds * (1 - done) / done
                text += f"  {done:.0%}, {left / 60:.0f} min left"
            self.console.print(text)
