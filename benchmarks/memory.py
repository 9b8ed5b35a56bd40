"""Peak memory of training, of corpora of growing size, and of a loaded translator.

Each case is a process of its own, and its peak is the largest resident memory that the
system saw: all pages that the process holds at one time, those of files that it maps
and of TensorFlow's code included. Training runs the command itself, from the corpus to
the last checkpoint. The corpora are made here of made-up words, written to a temporary
folder and deleted.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import format_table, print_header

# Of a made-up language: enough words for a vocabulary like that of a real corpus.
NUM_WORDS = 20_000
NUM_REQUESTS = 20
_TRAINING_LIMITS = ("--validation-pairs", "100")


def main() -> None:
    arguments = _parse_arguments()
    if arguments.worker:
        _run_worker(arguments)
        return
    print_header(
        "Peak memory",
        preset=arguments.preset,
        minutes_of_training=arguments.minutes,
        corpora=" ".join(f"{count:,}" for count in arguments.pairs),
    )
    rows = []
    for name, answer in _measure(arguments):
        rows.append({"case": name, **answer})
        print(name, answer, flush=True)
    print("\n" + format_table(rows))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--corpus", nargs="*", default=["tatoeba-en-es"], help="corpora to train on"
    )
    parser.add_argument(
        "--pairs",
        type=int,
        nargs="*",
        default=[100_000, 1_000_000],
        help="sizes of the made-up corpora",
    )
    parser.add_argument("--preset", default="small")
    parser.add_argument(
        "--minutes", type=float, default=0.5, help="of training steps, in each case"
    )
    parser.add_argument(
        "--model", nargs="*", default=[], help="folders of models to serve"
    )
    parser.add_argument(
        "--worker", choices=("prepare", "serve"), help=argparse.SUPPRESS
    )
    parser.add_argument("--path", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, object]]]:
    """Yields each case's name and figures, as soon as it is over."""
    for corpus in arguments.corpus:
        yield f"training on {corpus}", _train(corpus, arguments)
    for count in arguments.pairs:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
            path = Path(directory) / "made-up.en-es.tsv"
            write_corpus(path, count)
            prepared = _worker("prepare", path)
            yield f"preparing {count:,} pairs", prepared
            yield f"training on {count:,} pairs", _train(str(path), arguments)
    for model in arguments.model:
        yield f"translating with {Path(model).name}", _worker("serve", Path(model))


def write_corpus(path: Path, count: int, seed: int = 1) -> None:
    """Writes this many distinct pairs of random words, some 5 to 12 words a side."""
    rng = random.Random(seed)
    sides = [_make_words(rng), _make_words(rng)]
    # The third power: few words are frequent, as in a language.
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            length = rng.randint(5, 12)
            places = [int(NUM_WORDS * rng.random() ** 3) for _ in range(length)]
            texts = (" ".join(words[place] for place in places) for words in sides)
            file.write("\t".join(texts) + "\n")


def _make_words(rng: random.Random) -> list[str]:
    syllables = [c + v for c in "bdfglmnprstv" for v in "aeiou"]
    return [
        "".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(NUM_WORDS)
    ]


def _train(corpus: str, arguments: argparse.Namespace) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        command = [sys.executable, "-m", "translator", "train", "--corpus", corpus]
        command += ["--preset", arguments.preset, "--output", f"{directory}/run"]
        command += ["--max-minutes", str(arguments.minutes), *_TRAINING_LIMITS]
        figures = measure_peak(command)
        lines = Path(directory, "run", "metrics.jsonl").read_text("utf-8").splitlines()
        steps = max(json.loads(line).get("step", 0) for line in lines)
    return figures | {"steps": steps}


def _worker(task: str, path: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.memory", "--worker", task]
    return measure_peak([*command, "--path", str(path)]) | {"steps": None}


def measure_peak(command: list[str]) -> dict[str, object]:
    """Runs a command to its end; returns its peak memory and its time.

    The system starts the count at what this process, which makes the child, has then:
    some 20 MB as long as nothing heavy is imported here. Linux counts `ru_maxrss` in
    KiB, macOS in bytes.

    Raises:
        subprocess.CalledProcessError: The command failed; its messages were shown.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "peak MB": round(usage.ru_maxrss * unit / 1e6),
        "seconds": round(time.perf_counter() - started),
    }


def _run_worker(arguments: argparse.Namespace) -> None:
    if arguments.worker == "prepare":
        from translator.config import DataConfig
        from translator.corpus import prepare_corpus

        prepare_corpus(DataConfig(corpus=(arguments.path,)))
        return
    from translator.startup import import_tensorflow

    import_tensorflow()
    from translator.inference import Translator

    translator = Translator.load(arguments.path)
    for number in range(1, NUM_REQUESTS + 1):
        translator.translate([f"This is request number {number}, and it is raining."])


if __name__ == "__main__":
    main()
