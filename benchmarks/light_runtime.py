"""Speed, start and memory of the light runtime against TensorFlow, with one model.

    uv run python -m benchmarks.light_runtime data/models/en-es

The run folder in TensorFlow, its ONNX folder and the one of 8-bit integers take turns
in one process, on one thread. A sentence's time is its median over the rounds; the 99th
percentile is that of all times. Batches are timed by the processor time of the process.
Starts and memory are those of processes of their own.

The share of the limit is the speed in floating-point operations of the matrix products
(those that the network needs for the rows that were stepped) over that of one large
product in onnxruntime.
"""

import argparse
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import onnxruntime
import tensorflow as tf

from translator.config import SearchConfig
from translator.inference import Translator
from translator.light.export import export_onnx
from translator.light.graph import Graph
from translator.light.runtime import OnnxTranslator

SUBJECTS = (
    *("The old man", "My sister", "A young doctor", "The teacher of my son"),
    *("Our neighbour", "The girl with the red coat", "Nobody", "His grandmother"),
)
VERBS = (
    *("bought", "saw", "wanted to sell", "was looking for", "left", "had forgotten"),
    *("could not open", "gave me", "painted"),
)
OBJECTS = (
    *("a small house", "the blue umbrella", "three letters", "the key to the garden"),
    *("an expensive watch", "a book about birds", "some old photographs", "a bicycle"),
)
ENDS = (
    *("", " near the station", " in the morning", " because it was raining"),
    *(" after the long meeting", " before the train arrived", " for his brother"),
    " while we were waiting outside without saying a word",
)
# Prints the largest size of a process that translates standard input, in kilobytes, as
# Linux knows it; `getrusage` would count the parent's too.
MEMORY = """
import re, sys
from translator import load_translator
load_translator(sys.argv[1]).translate(sys.stdin.read().splitlines())
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--sentences", type=int, default=1000, help="of a batch run")
    parser.add_argument("--single", type=int, default=100, help="sentences one by one")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    sentences = make_sentences(args.sentences)
    peak = peak_speed(args.rounds)
    print(
        f"onnxruntime {onnxruntime.__version__}, TensorFlow {tf.__version__}, "
        f"NumPy {np.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}, 1 thread, {args.rounds} rounds\n"
        f"peak, one product of 2048 cubed: {peak / 1e9:.0f} GFLOP/s"
    )
    with tempfile.TemporaryDirectory() as folder:
        dirs = {"run folder": args.run}
        for name, is_int8 in (("float32", False), ("int8", True)):
            dirs[name] = Path(folder) / name
            export_onnx(args.run, dirs[name], is_int8=is_int8)
        translators = {
            "TensorFlow": Translator.load(args.run),
            "float32": OnnxTranslator.load(dirs["float32"], num_threads=1),
            "int8": OnnxTranslator.load(dirs["int8"], num_threads=1),
        }
        report_single(translators, sentences[: args.single], args.rounds)
        report_batches(translators, sentences, args.rounds, peak)
        report_processes(dirs, sentences, args.rounds)


def make_sentences(count):
    """Different sentences of 4 to 22 words, in an order that is always the same."""
    rng = random.Random(1)
    parts = list(product(SUBJECTS, VERBS, OBJECTS, ENDS))
    return [f"{a} {b} {c}{d}." for a, b, c, d in rng.sample(parts, count)]


def report_single(translators, sentences, rounds):
    """One sentence at a time: milliseconds, beam of 4."""
    search = SearchConfig(beam_size=4)
    times = {name: [[] for _ in sentences] for name in translators}
    lengths = {}
    for turn in range(rounds + 1):
        for name, translator in translators.items():
            for index, sentence in enumerate(sentences):
                start = time.perf_counter()
                [found] = translator.translate_sentences([sentence], search)
                if turn:  # The first round traces and warms up.
                    times[name][index].append(time.perf_counter() - start)
                lengths[name, index] = len(found.hypotheses[0].tokens)
    print("\none by one, beam 4      median ms   p99 ms   14 to 16 tokens   ratio")
    medians = {
        name: np.array([statistics.median(values) for values in rows]) * 1e3
        for name, rows in times.items()
    }
    slowest = np.median(medians["TensorFlow"])
    for name, values in medians.items():
        usual = [14 <= lengths[name, index] <= 16 for index in range(len(sentences))]
        every = np.concatenate(times[name]) * 1e3
        print(
            f"{name:20} {np.median(values):12.2f} {np.percentile(every, 99):8.2f} "
            f"{np.median(values[usual]):17.2f} {slowest / np.median(values):7.1f}"
        )


def report_batches(translators, sentences, rounds, peak):
    """All sentences at once, beam of 5."""
    search = SearchConfig(beam_size=5)
    operations = count_operations(translators["float32"], sentences, search)
    print("\nbatches, beam 5     sentences/s   ratio   of the limit")
    times = {name: [] for name in translators}
    for turn in range(rounds + 1):
        for name, translator in translators.items():
            start = time.process_time()
            translator.translate_sentences(sentences, search)
            if turn:
                times[name].append(time.process_time() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        ratio = medians["TensorFlow"] / seconds
        share = operations / seconds / peak
        print(f"{name:16} {len(sentences) / seconds:14.0f} {ratio:7.1f} {share:14.0%}")


def count_operations(translator, sentences, search):
    """Returns 2 x weights x rows of all matrix products, without the attention's."""
    config, vocabulary = translator.config.model, translator.tokenizer.vocabulary_size
    units, memory_dim = config.decoder_units, 2 * config.encoder_units
    gru = 3 * units
    step_weights = (
        units
        * (  # of the graph: the embeddings' product is a table
            2 * gru + units + gru + gru + config.embedding_dim * 2
        )
        + config.embedding_dim * vocabulary
    )
    encoder_weights = memory_dim * 2 * units
    for width in (
        config.embedding_dim,
        *[memory_dim] * (config.num_encoder_layers - 1),
    ):
        encoder_weights += 6 * config.encoder_units * (width + config.encoder_units)
    num_rows = 0
    advance = translator._advance

    def count_rows(rows, state, num_best):
        nonlocal num_rows
        num_rows += len(rows.ids)
        return advance(rows, state, num_best)

    translator._advance = count_rows
    translator.translate_sentences(sentences, search)
    translator._advance = advance
    num_tokens = sum(map(len, translator.tokenizer.encode_batch(sentences)))
    return 2 * (num_rows * step_weights + num_tokens * encoder_weights)


def report_processes(dirs, sentences, rounds):
    """Start to first output, and memory, of processes of their own."""
    print("\nprocesses           start s   memory MB")
    translate = [sys.executable, "-m", "translator", "translate"]
    starts = {name: [] for name in dirs}
    for _ in range(rounds):
        for name, path in dirs.items():
            start = time.perf_counter()
            run([*translate, path], "Where is the station?")
            starts[name].append(time.perf_counter() - start)
    for name, path in dirs.items():
        size = int(run([sys.executable, "-c", MEMORY, path], "\n".join(sentences)))
        seconds = statistics.median(starts[name])
        print(f"{name:18} {seconds:8.2f} {size / 1e3:11.0f}")


def run(command, text):
    command = list(map(str, command))
    result = subprocess.run(
        command, input=text, capture_output=True, text=True, check=True
    )
    return result.stdout


def peak_speed(rounds):
    """Floating-point operations a second of one large matrix product."""
    size = 2048
    matrix = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    graph = Graph("peak")
    x = graph.input("x", np.float32, [size, size])
    graph.output("y", x @ matrix, [size, size])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph.model().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    times = []
    for _ in range(rounds + 1):
        start = time.process_time()
        session.run(None, {"x": matrix})
        times.append(time.process_time() - start)
    return 2 * size**3 / statistics.median(times[1:])


if __name__ == "__main__":
    main()
