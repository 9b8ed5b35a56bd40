"""How the cost of training and of decoding grows with each size, as curves.

    uv run python -m benchmarks.scaling --output docs/images/scaling.png

One size at a time is changed, the others stay at `BASE`; the weights are random, and
every sentence has the length that is asked for (a search cannot end before it: EOS gets
no probability). The clock counts this process' processor time on one core, so other
programs disturb little.

Beside each measured curve stands what the matrix products alone would cost at the
speed of the largest one (`benchmarks.costs`): where the two part, something else than
products takes the time.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from translator.startup import import_tensorflow

import_tensorflow()

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from benchmarks import costs  # noqa: E402
from benchmarks.measuring import format_table, percent, print_header  # noqa: E402
from benchmarks.products import LARGE, tensorflow_product  # noqa: E402
from translator.batching import Batch  # noqa: E402
from translator.config import ModelConfig, TrainingConfig  # noqa: E402
from translator.model import build_model  # noqa: E402
from translator.search import beam_search  # noqa: E402
from translator.tokenizer import EOS_ID  # noqa: E402
from translator.train_step import TrainStep  # noqa: E402


@dataclass(frozen=True)
class Sizes:
    """Where a curve stands.

    Attributes:
        length: Tokens of each source and target, with EOS.
        batch: Sentences at a time.
        beam: Hypotheses of each; decoding alone has them.
        vocabulary: Subwords.
        units: Width of the embeddings and of all layers.
    """

    length: int = 20
    batch: int = 32
    beam: int = 4
    vocabulary: int = 8_000
    units: int = 256


BASE = Sizes()
CURVES = {
    "length": [10, 20, 50, 100, 200, 400],
    "batch": [1, 4, 16, 64, 256],
    "beam": [1, 2, 4, 8, 16],
    "vocabulary": [1_000, 2_000, 4_000, 8_000, 16_000, 32_000],
    "units": [128, 256, 512, 1_024],
}
LABELS = {
    "length": "sentence length, tokens",
    "batch": "sentences at a time",
    "beam": "beam size",
    "vocabulary": "vocabulary, subwords",
    "units": "units",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=list(CURVES))
    parser.add_argument("--output", type=Path, help="picture to write")
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print_header("Growth of the cost, float32, one core", rounds=args.rounds, base=BASE)
    limit = measure_limit(args.rounds)
    rows = [
        measure(curve, value, kind, args.rounds, limit)
        for curve in args.curves
        for kind in ("training", "decoding")
        if (curve, kind) != ("beam", "training")
        for value in CURVES[curve]
    ]
    print(format_table(rows))
    if args.output:
        draw(rows).savefig(args.output, dpi=110)


def measure_limit(rounds):
    """Operations a second of one large product."""
    seconds = seconds_of(tensorflow_product(LARGE, None), rounds)
    return 2 * np.prod(LARGE, dtype=float) / seconds


def measure(curve, value, kind, rounds, limit):
    """Returns a table row: milliseconds, and what the products alone would take."""
    sizes = replace(BASE, **{curve: value})
    network = network_sizes(sizes)
    call = {"training": training_step, "decoding": search}[kind](sizes, network)
    seconds = seconds_of(call, rounds)

    def forward(source_length, target_length):
        return costs.seq2seq(network, sizes.vocabulary, source_length, target_length)

    if kind == "training":
        operations = costs.TRAINING_PASSES * forward(sizes.length, sizes.length)
    else:
        operations = costs.beam_search(forward, sizes.length, sizes.length, sizes.beam)
    limit_seconds = sizes.batch * operations / limit
    return {
        "cost of": kind,
        "changed": curve,
        "to": value,
        "ms": f"{seconds * 1e3:.1f}",
        "products alone, ms": f"{limit_seconds * 1e3:.1f}",
        "us a target token": f"{seconds * 1e6 / (sizes.batch * sizes.length):.0f}",
        "share of the limit": percent(limit_seconds / seconds),
    }


def seconds_of(call, rounds):
    """Median processor time of a call; the first two are not counted."""
    call(), call()
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return median(seconds)


def network_sizes(sizes):
    """The network of some units: the default wiring and number of layers."""
    return ModelConfig(
        embedding_dim=sizes.units,
        encoder_units=sizes.units // 2,
        decoder_units=sizes.units,
    )


def training_step(sizes, network):
    """Returns a call that updates the weights once."""
    model = build_model(network, sizes.vocabulary)
    spec = Batch(*[tf.TensorSpec([None, None], tf.int32)] * 3)
    step = TrainStep(
        model, TrainingConfig(optimizer="adam"), tf.distribute.get_strategy()
    )
    function = step.compile(spec)
    ids = tf.constant(random_ids(sizes))
    return lambda: float(function(Batch(ids, ids, ids))[0])


def search(sizes, network):
    """Returns a call that translates one batch; nothing ends before its length."""
    model = build_model(network, sizes.vocabulary)
    bias = model.output_embedding.output_bias
    bias.assign(np.where(np.arange(sizes.vocabulary) == EOS_ID, -1e9, 0.0))
    max_lengths = tf.fill([sizes.batch], sizes.length)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def translate(source_ids):
        memory, state = model.encode(source_ids, source_ids != 0)
        return beam_search(model.step, state, memory, max_lengths, sizes.beam).scores

    ids = tf.constant(random_ids(sizes))
    return lambda: translate(ids).numpy()


def random_ids(sizes):
    """Sentences of one length: int32 `(batch, length)`."""
    rng = np.random.default_rng(0)
    shape = (sizes.batch, sizes.length)
    return rng.integers(EOS_ID + 1, sizes.vocabulary, shape).astype(np.int32)


def draw(rows):
    """A panel for each size: measured, and the products alone."""
    curves = list(dict.fromkeys(row["changed"] for row in rows))
    figure, panels = plt.subplots(
        1, len(curves), figsize=(3.2 * len(curves), 3.4), layout="constrained"
    )
    colors = {"training": "tab:blue", "decoding": "tab:orange"}
    for panel, curve in zip(np.atleast_1d(panels), curves, strict=True):
        for kind, color in colors.items():
            points = [r for r in rows if (r["changed"], r["cost of"]) == (curve, kind)]
            values = [row["to"] for row in points]
            for column, style in (("ms", "o-"), ("products alone, ms", ":")):
                label = kind if column == "ms" else f"{kind}: products alone"
                times = [float(row[column]) for row in points]
                panel.plot(values, times, style, color=color, label=label, ms=4)
        panel.set(xscale="log", yscale="log", xlabel=LABELS[curve])
        ticks = CURVES[curve]
        panel.set_xticks(ticks, [f"{t // 1000}k" if t > 999 else t for t in ticks])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    np.atleast_1d(panels)[0].set_ylabel("milliseconds a batch")
    handles, labels = np.atleast_1d(panels)[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


if __name__ == "__main__":
    main()
