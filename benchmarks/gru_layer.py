"""Speed of the GRU layer against `keras.layers.GRU` and PyTorch's `nn.GRU`.

    uv run python -m benchmarks.gru_layer --threads 1 --units 256 512

All layers get the same weights and inputs, must give the same outputs before they are
timed, and take turns. With one thread the clock counts this process' own processor
time, so that other programs disturb less; with more it is the wall clock, and the
machine must be idle.

TensorFlow's threads can be divided in two ways: many for one operation after the other,
which is best for `keras.layers.GRU`, and one for each of many operations side by side,
which is best for our layer and is what `translator train` does. So with more than one
thread our layer runs in a process of its own (its time holds a message to and fro for
each ten calls).

- `mask`: rows of mixed lengths, from half of the steps to all. PyTorch's way is
  `pack_padded_sequence`, which is part of its time, as unpacking is.
- `reset before`: PyTorch has the other convention only. Beside that (its numbers
  differ, its work is the same) stands a PyTorch GRU of this convention as one writes
  it by hand: `nn.Linear` for all inputs at once, then a loop of `nn.Linear`.
- `both`: both directions, in our `BidirectionalEncoder` of one layer,
  `keras.layers.Bidirectional` and `nn.GRU(bidirectional=True)`.

The share of the limit is the speed in floating-point operations of the matrix products
(those that the equations need, at real tokens: nothing else is counted) over that of
one large product on as many threads.
"""

import argparse
import importlib.util
import itertools
import os
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from benchmarks import costs
from benchmarks.measuring import (
    format_table,
    missing_peer,
    num_cores,
    percent,
    print_header,
    time_calls,
)
from benchmarks.products import LARGE, tensorflow_product
from benchmarks.turns import Channel, Worker, keep_to_cores, pin_threads
from translator.layers.encoder import BidirectionalEncoder
from translator.layers.gru import GRU

HAS_TORCH = importlib.util.find_spec("torch") is not None
if HAS_TORCH:
    from benchmarks import torch_gru

_TOLERANCE = 1e-4
# Calls of a layer that are timed together.
REPETITIONS = 10


@dataclass(frozen=True)
class Case:
    """One row's layer.

    Attributes:
        batch_size: Rows.
        steps: Positions of the longest row.
        units: Width of input and state.
        reset_after: The convention.
        is_masked: Whether the rows differ in length.
        is_bidirectional: Whether there is a layer for either direction.
        threads: Cores. Our layer of one direction runs in as many parts; that of two
            has its directions to run side by side.
    """

    batch_size: int
    steps: int
    units: int
    reset_after: bool
    is_masked: bool
    is_bidirectional: bool = False
    threads: int = 1

    @property
    def lengths(self):
        """Real positions of each row, int32 `(batch_size,)`."""
        if not self.is_masked:
            return np.full(self.batch_size, self.steps, np.int32)
        rng = np.random.default_rng(0)
        return rng.integers(self.steps // 2, self.steps + 1, self.batch_size, np.int32)

    @property
    def operations(self):
        """Of the forward pass' matrix products."""
        num_directions = 2 if self.is_bidirectional else 1
        positions = int(self.lengths.sum())
        return num_directions * costs.gru(positions, self.units, self.units)


def main():
    args = parse_arguments()
    if args.worker:
        answer_requests(Channel())
    clock = time.process_time if args.threads == 1 else time.perf_counter
    print_header(
        "GRU layer, float32",
        threads=args.threads,
        batch_size=args.batch_size,
        rounds=args.rounds,
        clock=clock.__name__,
    )
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    keep_to_cores(args.threads)
    if HAS_TORCH:
        torch_gru.set_threads(args.threads)
    else:
        missing_peer("PyTorch", "Add it with: uv sync --group bench")
    worker = start_worker(args.threads) if args.threads > 1 else None
    rows = []
    for case in cases(args):
        rows += (own := measure(case, args.rounds, clock, worker))
        print(f"{format_table(own)}\n", flush=True)  # a long run may be cut off
    print("\n" + format_table(rows))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=num_cores())
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--units", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--steps", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--rounds", type=int, default=9, help="at least 5")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def cases(args):
    """All rows of the table."""
    for units, steps in itertools.product(args.units, args.steps):
        for reset_after, is_masked in itertools.product((True, False), repeat=2):
            sizes = args.batch_size, steps, units
            yield Case(*sizes, reset_after, is_masked, threads=args.threads)
        yield Case(*sizes, True, True, is_bidirectional=True, threads=args.threads)


def measure(case, rounds, clock, worker):
    """Returns a table row of the forward pass and one with the gradients."""
    layers = make_layers(case)
    check_equal(case, layers)
    product = tensorflow_product(LARGE, None)
    rows = []
    for kind, passes in (("forward", 1), ("gradients", 3)):
        calls = {name: getattr(layer, kind) for name, layer in layers.items()}
        calls = {name: partial(repeat, call) for name, call in calls.items()}
        if worker:
            calls["ours"] = partial(worker.turn, case=asdict(case), kind=kind)
        calls["product"] = partial(repeat, product)
        seconds = time_calls(calls, rounds, clock, repetitions=1)
        seconds = {name: value / REPETITIONS for name, value in seconds.items()}
        limit = 2 * np.prod(LARGE, dtype=float) / seconds.pop("product")
        share = passes * case.operations / seconds["ours"] / limit
        rows.append(table_row(case, kind, seconds, share))
    return rows


def table_row(case, kind, seconds, share):
    """Milliseconds of each layer, how many times faster ours is, the limit."""

    def milliseconds(name):
        return f"{seconds[name] * 1e3:.2f}" if name in seconds else None

    def ratio(name):
        return f"{seconds[name] / seconds['ours']:.2f}" if name in seconds else None

    direction = "both" if case.is_bidirectional else "one"
    return {
        "pass": kind,
        "directions": direction,
        "reset": "after" if case.reset_after else "before",
        "mask": "mixed" if case.is_masked else "none",
        "units x steps": f"{case.units} x {case.steps}",
        "ours, ms": milliseconds("ours"),
        "Keras, ms": milliseconds("keras"),
        "nn.GRU, ms": milliseconds("torch"),
        "nn.Linear loop, ms": milliseconds("loop"),
        "times Keras": ratio("keras"),
        "times nn.GRU": ratio("torch"),
        "times the loop": ratio("loop"),
        "share of the limit": percent(share),
    }


def make_layers(case):
    """Name -> layer with `forward` and `gradients`, all of the same weights."""
    keras.utils.set_random_seed(3)  # the same weights in every process
    shape = case.batch_size, case.steps, case.units
    inputs = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    options = {"reset_after": case.reset_after}
    if case.is_bidirectional:
        ours = BidirectionalEncoder(case.units, **options)
        theirs = keras.layers.Bidirectional(
            keras.layers.GRU(case.units, return_sequences=True, **options)
        )
    else:
        options["return_sequences"] = True
        ours = GRU(case.units, num_parts=case.threads, **options)
        theirs = keras.layers.GRU(case.units, **options)
    for layer in (ours, theirs):
        layer.build(inputs.shape)
    rng = np.random.default_rng(2)
    weights = [  # small random biases: zeros would hide one in the wrong place
        array if is_kernel(array) else rng.normal(size=array.shape, scale=0.1)
        for array in ours.get_weights()
    ]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    layers = {
        "ours": TensorFlowLayer(ours, case, inputs),
        "keras": TensorFlowLayer(theirs, case, inputs),
    }
    if HAS_TORCH:
        layers |= torch_gru.make_layers(case, inputs, weights)
    return layers


def is_kernel(array):
    """Whether it is a matrix, rather than one row of biases or two."""
    return array.ndim == 2 and array.shape[0] > 2


def check_equal(case, layers):
    """Raises an error unless all layers give the same outputs at real positions."""
    is_real = np.arange(case.steps) < case.lengths[:, None]  # (B, T)
    expected = layers["keras"].forward()[is_real]
    for name, layer in layers.items():
        if name == "torch" and not case.reset_after:
            continue  # the other convention
        difference = np.abs(layer.forward()[is_real] - expected).max()
        if not difference < _TOLERANCE:
            raise ArithmeticError(
                f"{name} differs from Keras' by {difference:.1e} in {case}."
            )


class TensorFlowLayer:
    """Compiled calls of a Keras layer.

    Args:
        layer: Built.
        case: Its sizes and mask.
        inputs: float32, shape `(batch_size, steps, units)`.
    """

    def __init__(self, layer, case, inputs):
        self.layer = layer
        self.inputs = tf.constant(inputs)
        self.mask = (
            tf.sequence_mask(case.lengths, case.steps) if case.is_masked else None
        )
        self._forward = tf.function(self._run, jit_compile=False)
        self._gradients = tf.function(self._differentiate, jit_compile=False)

    def forward(self):
        return self._forward().numpy()

    def gradients(self):
        return [gradient.numpy() for gradient in self._gradients()]

    def _run(self):
        if isinstance(self.layer, BidirectionalEncoder):
            return self.layer(self.inputs, self.mask).outputs
        return self.layer(self.inputs, mask=self.mask)

    def _differentiate(self):
        weights = [weight.value for weight in self.layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(self.inputs)
            outputs = self._run()
            loss = tf.reduce_sum(outputs * outputs)
        return tape.gradient(loss, [self.inputs, *weights])


def repeat(call):
    for _ in range(REPETITIONS):
        call()


def start_worker(threads):
    """Starts the process of our layer: as many operations at a time as `threads`."""
    command = [sys.executable, "-m", "benchmarks.gru_layer", "--worker"]
    return Worker("ours", command, threads, {"TF_NUM_INTRAOP_THREADS": "1"})


def answer_requests(channel):
    """Runs our layer when it is asked to, as the worker of `start_worker`."""
    pin_threads()
    channel.answer()
    made_for = layer = None
    while True:
        request = channel.request()
        case = Case(**request["case"])
        if case != made_for:
            made_for, layer = case, make_layers(case)["ours"]
        repeat(getattr(layer, request["kind"]))
        channel.answer()


if __name__ == "__main__":
    main()
