"""One step of training: loss and gradients of a batch, the update, the average.

Shapes: B batch, S source length, T target length.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from translator.batching import Batch
from translator.config import TrainingConfig
from translator.losses import LossSum, masked_cross_entropy
from translator.model import Seq2Seq
from translator.precision import loss_scale, with_loss_scale
from translator.tokenizer import PAD_ID


class TrainStep:
    """One update of the weights from one batch, on one or many devices.

    The gradient is of the loss a target token, counted over all replicas, and clipped
    by its global norm after it is summed over them.

    A recurrent network is a long chain of small operations, each too small for many
    cores. On a CPU a batch is therefore cut into parts, whose chains run side by side,
    a core for each: faster than all cores on one operation after the other.

    Args:
        model: The network.
        config: Optimizer, clipping, smoothing.
        strategy: Where it runs. Everything with variables is made in its scope.
        num_parts: Parts of a replica's batch that run side by side.
    """

    def __init__(
        self,
        model: Seq2Seq,
        config: TrainingConfig,
        strategy: tf.distribute.Strategy,
        num_parts: int = 1,
    ):
        self.model = model
        self.config = config
        self.strategy = strategy
        self.num_parts = num_parts
        with strategy.scope():
            self.optimizer = with_loss_scale(
                make_optimizer(config), config.mixed_precision
            )
            self.optimizer.build(model.trainable_variables)
            # The identity makes a copy: Keras takes a `tf.Variable` as it is, and an
            # average that is the weight itself averages nothing.
            self.averages = [
                keras.Variable(
                    tf.identity(v.value),
                    dtype=v.dtype,
                    trainable=False,
                    name=f"average_{index}",
                )
                for index, v in enumerate(model.trainable_variables)
            ]

    @property
    def variables(self) -> list[keras.Variable]:
        """All state of training: weights, dropout seeds, moments, averages."""
        return [*self.model.variables, *self.optimizer.variables, *self.averages]

    def compile(self, batch_spec: Any):
        """Traces the step once for batches of any length.

        Args:
            batch_spec: Element spec of the (distributed) dataset's batches.

        Returns:
            Function from a batch to the summed loss, in nats, and the number of
            target tokens.
        """

        @tf.function(input_signature=[batch_spec], jit_compile=False, autograph=False)
        def step(batch):
            total, num_tokens = self.strategy.run(self._replica_step, args=(batch,))
            add_up = tf.distribute.ReduceOp.SUM
            return (
                self.strategy.reduce(add_up, total, axis=None),
                self.strategy.reduce(add_up, num_tokens, axis=None),
            )

        return step

    def _replica_step(self, batch: Batch):
        context = tf.distribute.get_replica_context()
        parts = _cut(Batch(*batch), self.num_parts)
        losses, gradients = zip(*map(self._gradients, parts), strict=True)
        loss = LossSum(*map(tf.add_n, zip(*losses, strict=True)))
        gradients = [tf.add_n(terms) for terms in zip(*gradients, strict=True)]
        gradients = context.all_reduce("SUM", gradients)
        num_tokens = tf.maximum(context.all_reduce("SUM", loss.num_tokens), 1.0)
        # The gradients are scaled until the optimizer applies them, their norm is not.
        norm = tf.linalg.global_norm(gradients)
        norm /= num_tokens * loss_scale(self.optimizer)
        clip_norm = self.config.clip_norm
        # The optimizer sums over replicas again, here over equal copies.
        scale = clip_norm / tf.maximum(norm, clip_norm)
        scale /= num_tokens * context.num_replicas_in_sync
        self.optimizer.apply([scale * gradient for gradient in gradients])
        return loss

    def _gradients(self, batch: Batch):
        """Returns a batch's `LossSum`, and the gradients of its scaled total, dense."""
        with tf.GradientTape() as tape:
            loss = batch_loss(
                self.model,
                batch,
                self.config.label_smoothing,
                self.config.r_drop,
                training=True,
            )
            total = loss.total * loss_scale(self.optimizer)
        variables = [v.value for v in self.model.trainable_variables]
        gradients = tape.gradient(total, variables)
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def update_averages(self, step: int, num_steps: int) -> None:
        """Moves the averages towards the weights.

        The decay grows with the step, so that the first weights are soon forgotten.

        Args:
            step: Updates of the weights so far.
            num_steps: Of them since the last update of the averages.
        """
        decay = min(self.config.averaging, (1 + step) / (10 + step))
        self._update_averages(np.float32(decay**num_steps))

    @tf.function(
        input_signature=[tf.TensorSpec([])], jit_compile=False, autograph=False
    )
    def _update_averages(self, decay):
        for average, weight in zip(
            self.averages, self.model.trainable_variables, strict=True
        ):
            average.assign(decay * average + (1 - decay) * weight)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Puts the averages in the place of the weights for a while."""
        if not self.config.averaging:
            yield
            return
        weights = [tf.identity(v.value) for v in self.model.trainable_variables]
        _assign(self.model.trainable_variables, [v.value for v in self.averages])
        try:
            yield
        finally:
            _assign(self.model.trainable_variables, weights)


def batch_loss(
    model: Seq2Seq,
    batch: Batch,
    label_smoothing: float = 0.0,
    r_drop: float = 0.0,
    training: bool = False,
):
    """Returns the `LossSum` of a batch; with `r_drop`, of two passes over it."""
    source_ids, target_input_ids = batch.source_ids, batch.target_input_ids
    if r_drop:
        with tf.device("CPU:0"):  # where token ids come from
            source_ids = tf.tile(source_ids, [2, 1])
            target_input_ids = tf.tile(target_input_ids, [2, 1])
    output = model(
        source_ids, source_ids != PAD_ID, target_input_ids, training=training
    )
    return masked_cross_entropy(
        output.features,
        *model.output_weights,
        batch.target_output_ids,
        batch.target_output_ids != PAD_ID,
        label_smoothing,
        r_drop,
    )


def _cut(batch: Batch, num_parts: int) -> list[Batch]:
    """Cuts a batch into parts of as many rows each, give or take one."""
    num_rows = tf.shape(batch.source_ids)[0]
    ends = [num_rows * part // num_parts for part in range(num_parts + 1)]
    with tf.device("CPU:0"):  # where token ids come from
        return [
            _fill_empty(Batch(*(ids[start:end] for ids in batch)))
            for start, end in pairwise(ends)
        ]


def _fill_empty(batch: Batch) -> Batch:
    """Makes a batch of no rows, as a replica gets at the end of an epoch, a row of
    padding: it has no loss, but shapes that every operation can take.
    """
    missing = tf.cast(tf.size(batch.source_ids) == 0, tf.int32)
    paddings = [[0, missing], [0, missing]]
    return Batch(*(tf.pad(ids, paddings, constant_values=PAD_ID) for ids in batch))


def make_optimizer(config: TrainingConfig) -> keras.optimizers.Optimizer:
    """Returns the update rule.

    Muon updates matrices other than embeddings; its steps have a root mean square of
    some 0.2 of the rate, as those of Adam mostly have (Liu et al. 2025, "Muon is
    Scalable for LLM Training"). The bias of a GRU cell has two rows but is no matrix.
    """
    rate, weight_decay = config.learning_rate, config.weight_decay
    if config.optimizer == "muon":
        return keras.optimizers.Muon(
            rate,
            weight_decay=weight_decay or None,
            adam_weight_decay=weight_decay or None,
            exclude_layers=["bias$"],
            name="optimizer",
        )
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=weight_decay, name="optimizer")
    return keras.optimizers.Adam(rate, name="optimizer")


def _assign(variables, values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
