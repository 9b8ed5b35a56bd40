"""Seconds until something happens: a help text, a page that answers, a first step.

Each figure is of a command as a user types it, in a process of its own, with compiled
bytecode: every command runs once before it is timed. Seconds of the clock mean little
on a machine that does other work, so processor time stands beside them.

- Help texts take turns with `python -c pass`, which is Python itself.
- `serve.py` is ready when it has printed its address; then it is asked to translate
  the same sentence three times, as the page would.
- `translator train` is timed up to the record of its first step, with a corpus that
  lies in the cache. Then it trains on for a while, to compare the time of the whole
  with the sum of its steps and validations.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.measuring import format_table, print_header

ROOT = Path(__file__).parents[1]
HELP_TARGET = 0.4
SERVE_TARGET = 8.0
STEP_TARGET = 30.0
WHOLE_TARGET = 1.05
PROGRAMS = {
    "python -c pass": ["-c", "pass"],
    **{
        f"translator {name} --help".replace("  ", " "): [
            *("-m", "translator"),
            *name.split(),
            "--help",
        ]
        for name in (
            *("", "train", "translate", "evaluate", "export", "pack", "data"),
            "data check",
        )
    },
    "serve.py --help": ["serve.py", "--help"],
}
PARTS = ("help", "serve", "train")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--rounds", type=int, default=9, help="of each help text")
    parser.add_argument("--starts", type=int, default=3, help="of serve.py, training")
    parser.add_argument("--model", default="data/models/en-es", help="to serve")
    parser.add_argument("--corpus", default="tatoeba-en-es", help="to train on")
    parser.add_argument("--preset", default="small")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of training, after the first step"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        _train_and_count(arguments)
        return
    # What a shell may say against it would make every import of ours a compilation.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print_header(
        "Start-up",
        rounds=arguments.rounds,
        starts=arguments.starts,
        **_corpus_of(arguments),
    )
    if "help" in arguments.parts:
        print(format_table(measure_help(arguments.rounds)), "\n", flush=True)
    if "serve" in arguments.parts:
        rows = [serve_once(arguments.model) for _ in range(arguments.starts + 1)]
        print(format_table(rows[1:]), "\n", flush=True)
    if "train" in arguments.parts:
        rows = [train_once(arguments) for _ in range(arguments.starts)]
        print(format_table(rows), flush=True)


def _corpus_of(arguments: argparse.Namespace) -> dict[str, object]:
    return {"corpus": arguments.corpus, "preset": arguments.preset}


def measure_help(rounds: int) -> list[dict[str, object]]:
    """Times the help texts in turns; returns a row for each."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    for turn in range(rounds + 1):
        for name, arguments in PROGRAMS.items():
            measured = _time_process([sys.executable, *arguments])
            if turn:  # the first one compiles
                times[name].append(measured)
    python = _medians(times["python -c pass"])
    return [
        {
            "command": name,
            "seconds": f"{clock:.3f}",
            "processor": f"{processor:.3f}",
            "times python": f"{processor / python[1]:.1f}",
            "target": None if name == "python -c pass" else f"{HELP_TARGET}",
        }
        for name, (clock, processor) in ((n, _medians(t)) for n, t in times.items())
    ]


def _medians(times: list[tuple[float, float]]) -> tuple[float, ...]:
    return tuple(map(statistics.median, zip(*times, strict=True)))


def _time_process(command: list[str]) -> tuple[float, float]:
    """Returns seconds of the clock and of the processor."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime


def serve_once(model: str) -> dict[str, object]:
    """Starts serve.py, asks it for translations and stops it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "serve.py", model, "--port", str(port)]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        ready = time.perf_counter() - started
        if "http" not in line:
            raise RuntimeError(f"serve.py did not start: {line!r}")
        processor = _processor_seconds(process.pid)
        requests = [_request(port) for _ in range(3)]
        memory = _resident_megabytes(process.pid)
    finally:
        process.terminate()
        process.communicate()
    return {
        "model": Path(model).name,
        "ready, s": f"{ready:.1f}",
        "processor, s": processor and f"{processor:.1f}",
        "target, s": f"{SERVE_TARGET:.0f}",
        "requests, ms": " ".join(f"{1000 * seconds:.0f}" for seconds in requests),
        "resident, MB": memory and f"{memory:.0f}",
    }


def _request(port: int) -> float:
    """Translates a sentence as the page's API does; returns the seconds it took."""
    address = f"http://127.0.0.1:{port}/gradio_api/call/translate"
    body = json.dumps({"data": ["Where is the station?", 5, 3]}).encode()
    headers = {"Content-Type": "application/json"}
    started = time.perf_counter()
    request = urllib.request.Request(address, body, headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        event = json.load(reply)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}", timeout=60) as stream:
        if b"event: complete" not in stream.read():
            raise RuntimeError("the page's API failed")
    return time.perf_counter() - started


def _processor_seconds(pid: int) -> float | None:
    """Processor time of a process so far; None where /proc does not tell."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return None
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_megabytes(pid: int) -> float | None:
    path = Path(f"/proc/{pid}/status")
    if not path.exists():
        return None
    [line] = [row for row in path.read_text().splitlines() if row.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


def train_once(arguments: argparse.Namespace) -> dict[str, object]:
    """Starts a training, stops it some time after its first step, and tells both."""
    directory = tempfile.mkdtemp(prefix="benchmark-")
    command = [sys.executable, "-m", "benchmarks.startup", "--worker", directory]
    command += ["--corpus", arguments.corpus, "--preset", arguments.preset]
    command += ["--seconds", str(arguments.seconds)]
    started = time.time()
    try:
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        facts = json.loads(Path(directory, "facts.json").read_text("utf-8"))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    first, loop = facts["first_step"] - started, facts["end"] - facts["first_step"]
    counted = facts["steps_seconds"] + facts["validation_seconds"]
    return {
        "corpus": arguments.corpus,
        "first step, s": f"{first:.1f}",
        "processor, s": f"{facts['processor']:.1f}",
        "target, s": f"{STEP_TARGET:.0f}",
        "then, s": f"{loop:.1f}",
        "steps": facts["steps"],
        "steps, s": f"{facts['steps_seconds']:.1f}",
        "validations, s": f"{facts['validation_seconds']:.1f}",
        "whole / both": f"{loop / counted:.3f}",
        "target": f"{WHOLE_TARGET}",
    }


def _train_and_count(arguments: argparse.Namespace) -> None:
    """Runs the command's own code with clocks around steps and validations."""
    directory = Path(arguments.worker)
    facts = {"steps": 0, "steps_seconds": 0.0, "validation_seconds": 0.0}
    sys.argv = ["translator", "train", "--corpus", arguments.corpus]
    sys.argv += ["--preset", arguments.preset, "--output", str(directory / "run")]
    sys.argv += ["--validate-every", "60"]

    def put_clocks() -> None:
        """Called when TensorFlow is there: the trainer may be imported then."""
        from translator import training

        trainer = training.Trainer
        step, validate = trainer._run_step, trainer._validate

        def timed_step(self, *args):
            began = time.time()
            step(self, *args)
            if "first_step" not in facts:
                facts.update(first_step=time.time(), processor=time.process_time())
                return
            facts["steps"] += 1
            facts["steps_seconds"] += time.time() - began
            if time.time() - facts["first_step"] > arguments.seconds:
                self.stop.signal = signal.SIGTERM

        def timed_validate(self):
            began = time.time()
            validate(self)
            facts["validation_seconds"] += time.time() - began

        trainer._run_step, trainer._validate = timed_step, timed_validate

    from translator import startup

    import_tensorflow = startup.import_tensorflow
    startup.import_tensorflow = lambda: (import_tensorflow(), put_clocks())
    from translator.cli.main import run

    try:
        run()
    finally:
        facts["end"] = time.time()
        (directory / "facts.json").write_text(json.dumps(facts), "utf-8")


if __name__ == "__main__":
    main()
