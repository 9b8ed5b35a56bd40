"""The limit: how fast this machine multiplies matrices.

    uv run python -m benchmarks.products

Prints the speed of one large product, and of products of the sizes that a GRU network
of 256 and 512 units is made of, on one core and on all, in TensorFlow (oneDNN) and,
where installed, in PyTorch. The large product in TensorFlow on as many cores as a
program may use is "the limit" of all other tables.
"""

import argparse
import importlib.util
import sys
import time
from statistics import median

from benchmarks.measuring import (
    format_table,
    missing_peer,
    num_cores,
    print_header,
)
from benchmarks.turns import Channel, Worker, pin_threads, take_turns

LARGE = (2048, 2048, 2048)
# Rows, inner size, columns: inputs of 64 x 20 positions, one step of 64 rows, and the
# output layer of 5,000 subwords.
SIZES = {
    "one large product": LARGE,
    "inputs, 256 units": (64 * 20, 256, 3 * 256),
    "one step, 256 units": (64, 256, 3 * 256),
    "inputs, 512 units": (64 * 20, 512, 3 * 512),
    "one step, 512 units": (64, 512, 3 * 512),
    "output layer": (64 * 20, 256, 5_000),
}
_TURN_SECONDS = 0.3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="at least 5")
    parser.add_argument("--worker", choices=["tensorflow", "torch"], help="internal")
    args = parser.parse_args()
    if args.worker:
        serve_products(args.worker)
        return
    print_header("Matrix products, float32", rounds=args.rounds)
    libraries = ["tensorflow"]
    if importlib.util.find_spec("torch"):
        libraries.append("torch")
    else:
        missing_peer("PyTorch", "Add it with: uv sync --group bench")
    workers = [
        start_products(threads, library)
        for threads in sorted({1, num_cores()})
        for library in libraries
    ]
    try:
        speeds = measure_products(workers, args.rounds)
    finally:
        for worker in workers:
            worker.close()
    print(format_table(rows_of(speeds)))


def rows_of(speeds):
    """Table rows of GFLOP/s: one size a row, one worker a column."""
    return [
        {"product": name, "rows x inner x columns": " x ".join(map(str, size))}
        | {
            f"{worker}, GFLOP/s": f"{by_size[name] / 1e9:.0f}"
            for worker, by_size in speeds.items()
        }
        for name, size in SIZES.items()
    ]


def start_products(threads, library="tensorflow"):
    """Starts the worker that multiplies matrices on some cores."""
    command = [sys.executable, "-m", "benchmarks.products", "--worker", library]
    return Worker(f"{library} on {threads}", command, threads)


def measure_products(workers, rounds):
    """Name of the worker -> name of the size -> median operations a second."""
    answers = take_turns(workers, rounds)
    return {
        worker: {name: median([a["speeds"][name] for a in turns]) for name in SIZES}
        for worker, turns in answers.items()
    }


def serve_products(library):
    """The worker: each turn multiplies matrices of all sizes for a while."""
    threads = pin_threads()
    channel = Channel()
    make = {"tensorflow": tensorflow_product, "torch": torch_product}[library]
    calls = {name: make(size, threads) for name, size in SIZES.items()}
    channel.answer(library=library)
    while True:
        channel.request()
        speeds = {name: speed(calls[name], size) for name, size in SIZES.items()}
        channel.answer(speeds=speeds)


def speed(call, size):
    """Floating-point operations a second of a product, over a fraction of a second."""
    rows, inner, columns = size
    call()
    num_calls, started = 0, time.perf_counter()
    while (seconds := time.perf_counter() - started) < _TURN_SECONDS:
        call()
        num_calls += 1
    return num_calls * 2 * rows * inner * columns / seconds


def tensorflow_product(size, threads):
    """Returns a call that multiplies once, in a graph as the layers do."""
    import tensorflow as tf

    rows, inner, columns = size
    left = tf.random.stateless_normal([rows, inner], [0, 1])
    right = tf.random.stateless_normal([inner, columns], [0, 2])
    multiply = tf.function(lambda: left @ right, jit_compile=False)
    return lambda: multiply().numpy()


def torch_product(size, threads):
    """As `tensorflow_product`, in PyTorch."""
    import torch

    torch.set_num_threads(threads)
    rows, inner, columns = size
    left, right = torch.randn(rows, inner), torch.randn(inner, columns)
    return lambda: left @ right


if __name__ == "__main__":
    main()
