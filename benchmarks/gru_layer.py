"""Speed of the GRU layer against `keras.layers.GRU`, forward and with gradients.

    uv run python -m benchmarks.gru_layer --threads 1 --units 256 --steps 20 50

Both layers take turns in one process, and each figure is the median over the rounds.
With one thread the clock counts this process' own processor time, so that other
programs disturb less; with more it is the wall clock, and the machine must be idle.

The share of the limit is the speed in floating-point operations of the matrix products
(those that the equations need: nothing else is counted) over that of one large product.
"""

import argparse
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from translator.layers.gru import GRU

CALLS = 10  # a round's, timed together


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--units", type=int, nargs="+", default=[256])
    parser.add_argument("--steps", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    clock = time.process_time if args.threads == 1 else time.perf_counter

    print(
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, "
        f"Python {platform.python_version()}, {platform.machine()}, "
        f"threads {args.threads}, batch size {args.batch_size}, float32, "
        f"median of {args.rounds} rounds, {clock.__name__}"
    )
    peak = peak_speed(args.rounds, clock)
    print(f"peak, one product of 2048 cubed: {peak / 1e9:.0f} GFLOP/s\n")
    print("units steps reset  mask pass        Keras ms  ours ms  ratio  of the limit")
    for units in args.units:
        for steps in args.steps:
            for reset_after in (True, False):
                for masked in (False, True):
                    sizes = args.batch_size, steps, units
                    calls = make_calls(sizes, reset_after, masked)
                    report(calls, sizes, reset_after, masked, args.rounds, clock, peak)


def report(calls, sizes, reset_after, masked, rounds, clock, peak):
    batch_size, steps, units = sizes
    # Input and recurrent product, each 2 B T U 3U; twice as many for the gradients.
    products = 2 * 2 * batch_size * steps * units * 3 * units
    for name, (theirs, ours) in calls.items():
        times = take_turns((theirs, ours), rounds, clock)
        operations = products * (3 if name == "gradients" else 1)
        print(
            f"{units:5} {steps:5} {'after' if reset_after else 'before':6} "
            f"{'yes' if masked else 'no':4} {name:10} {times[0] * 1e3:9.2f} "
            f"{times[1] * 1e3:8.2f} {times[0] / times[1]:6.2f} "
            f"{operations / times[1] / peak:10.0%}",
            flush=True,
        )


def make_calls(sizes, reset_after, masked):
    """Compiled forward and gradient calls of Keras' layer and ours, same weights."""
    batch_size, steps, units = sizes
    inputs = tf.random.stateless_normal([batch_size, steps, units], [0, 1])
    lengths = np.random.default_rng(0).integers(steps // 2, steps + 1, batch_size)
    mask = tf.sequence_mask(lengths, steps) if masked else None
    layers = [
        kind(units, reset_after=reset_after, return_sequences=True)
        for kind in (keras.layers.GRU, GRU)
    ]
    for layer in layers:
        layer.build(inputs.shape)
        layer.set_weights(layers[0].get_weights())

    def forward(layer):
        return tf.function(lambda: layer(inputs, mask=mask), jit_compile=False)

    def gradients(layer):
        weights = [weight.value for weight in layer.trainable_weights]

        @tf.function(jit_compile=False)
        def run():
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = layer(inputs, mask=mask)
                loss = tf.reduce_sum(outputs * outputs)
            return tape.gradient(loss, [inputs, *weights])

        return run

    return {
        "forward": [forward(layer) for layer in layers],
        "gradients": [gradients(layer) for layer in layers],
    }


def take_turns(calls, rounds, clock):
    """Returns the median seconds of each call."""
    times = [[] for _ in calls]
    for call in calls:
        call()  # traces
    for _ in range(rounds):
        for index, call in enumerate(calls):
            start = clock()
            for _ in range(CALLS):
                result = call()
            tf.nest.map_structure(lambda tensor: tensor.numpy(), result)
            times[index].append((clock() - start) / CALLS)
    return [statistics.median(values) for values in times]


def peak_speed(rounds, clock):
    """Floating-point operations a second of one large matrix product."""
    size = 2048
    matrix = tf.random.stateless_normal([size, size], [0, 1])
    [seconds] = take_turns([tf.function(lambda: matrix @ matrix)], rounds, clock)
    return 2 * size**3 / seconds


if __name__ == "__main__":
    main()
