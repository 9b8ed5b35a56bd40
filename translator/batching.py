"""From sentence pairs to padded batches of ids, in a known order.

The order of an epoch is a function of seed and epoch alone: a pool of pairs is drawn
at random from the file, cut into subwords, sorted by length and cut into batches of a
bounded number of tokens, and the batches are shuffled. So a run can go on from
"epoch 3, pool 7, batch 120", and memory is bounded by the pool, not by the corpus.

Shapes: B batch, S source length, T target length. S and T count tokens with EOS,
without BOS.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from translator.augmentation import augment, put_placeholders
from translator.corpus.pairs import Pair
from translator.tokenizer import BOS_ID, PAD_ID, Tokenizer, pad_ids

# Enough short sentences for batches of nearly equal lengths; some 15 MB as ids.
POOL_SIZE = 25_000


class Batch(NamedTuple):
    """Padded ids of some sentence pairs.

    Fields:
        source_ids: int32, shape `(batch_size, source_length)`; each row ends in EOS.
        target_input_ids: int32, shape `(batch_size, target_length)`: BOS, then the
            target.
        target_output_ids: int32, same shape: the target, then EOS.
    """

    source_ids: np.ndarray
    target_input_ids: np.ndarray
    target_output_ids: np.ndarray


class Place(NamedTuple):
    """How far an epoch is: where to go on after a batch.

    Fields:
        pool: Pool of the batch.
        batch: Batches of the pool that are done, this one too.
        done: Fraction of the epoch that is done.
    """

    pool: int = 0
    batch: int = 0
    done: float = 0.0


_START = Place()


class PairSource(Protocol):
    """Random access to pairs: a `PairFile`, or anything like it."""

    def __len__(self) -> int: ...

    def take(self, indices: np.ndarray) -> list[Pair]: ...


class BatchPlan:
    """The batches of a corpus, epoch by epoch.

    Args:
        pairs: Where the pairs are.
        tokenizer: Cuts them into subwords.
        batch_tokens: Most padded tokens on either side of a batch. A single longer
            pair makes a batch of its own; nothing is cut off.
        seed: Of the order and the sampled segmentations.
        subword_sampling: Share of sentences cut into a sampled segmentation.
        augmentation: Share of pairs altered in each epoch, see `augment`.
        placeholders: Share of pairs where they stand, see `put_placeholders`.
        numerals: Numbers in words, as `put_placeholders` takes them.
        pool_size: Most pairs in a pool; two pools are in memory at a time.
    """

    def __init__(
        self,
        pairs: PairSource,
        tokenizer: Tokenizer,
        batch_tokens: int,
        seed: int,
        subword_sampling: float = 0.0,
        augmentation: float = 0.0,
        placeholders: float = 0.0,
        numerals: Mapping[str, str] | None = None,
        pool_size: int = POOL_SIZE,
    ):
        self.pairs = pairs
        self.tokenizer = tokenizer
        self.batch_tokens = batch_tokens
        self.seed = seed
        self.subword_sampling = subword_sampling
        self.augmentation = augmentation
        self.placeholders = placeholders
        self.numerals = numerals
        self.pool_size = pool_size
        self.num_pools = math.ceil(len(pairs) / pool_size)
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._ahead: dict[tuple[int, int], Future] = {}  # epoch and pool -> its batches

    def batches(
        self, epoch: int, start: Place = _START
    ) -> Iterator[tuple[Place, Batch]]:
        """Yields the epoch's batches after `start`, each with its own place."""
        for pool_index in range(start.pool, self.num_pools):
            batches = self._take_pool(epoch, pool_index)
            first = start.batch if pool_index == start.pool else 0
            for index, (sources, targets) in enumerate(batches[first:], first + 1):
                done = (pool_index + index / len(batches)) / self.num_pools
                yield Place(pool_index, index, done), pad_batch(sources, targets)

    def _pool_indices(self, epoch: int, pool_index: int) -> np.ndarray:
        """Draws a pool's pairs: a slice of a permutation that is never written out."""
        count = len(self.pairs)
        start, stop = (count * (pool_index + i) // self.num_pools for i in (0, 1))
        shuffled = tf.random.experimental.index_shuffle(
            tf.range(start, stop, dtype=tf.int64), [self.seed, epoch], count - 1
        )
        return np.sort(shuffled.numpy())

    def _take_pool(self, epoch: int, pool_index: int) -> list[tuple[list, list]]:
        """Returns a pool's batches; the next one's are made while these are used."""
        made = self._ahead.pop((epoch, pool_index), None)
        batches = made.result() if made else self._make_pool(epoch, pool_index)
        is_last = pool_index + 1 == self.num_pools
        following = (epoch + 1, 0) if is_last else (epoch, pool_index + 1)
        self._ahead = {following: self._worker.submit(self._make_pool, *following)}
        return batches

    def _make_pool(self, epoch: int, pool_index: int) -> list[tuple[list, list]]:
        """Reads a pool's pairs and returns them as shuffled batches of id lists."""
        rng = np.random.default_rng([self.seed, epoch, pool_index])
        pairs = self.pairs.take(self._pool_indices(epoch, pool_index))
        for alter, share in (
            (partial(put_placeholders, numerals=self.numerals), self.placeholders),
            (augment, self.augmentation),
        ):
            if share:
                pairs = alter(pairs, share, random.Random(rng.bytes(16)))
        sides = [
            self.tokenizer.sample_batch(texts, self.subword_sampling, rng)
            if self.subword_sampling
            else self.tokenizer.encode_batch(texts)
            for texts in ([p.source for p in pairs], [p.target for p in pairs])
        ]
        batches = group_by_length(*sides, self.batch_tokens, rng)
        rng.shuffle(batches)
        return batches


def group_by_length(
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    batch_tokens: int,
    rng: np.random.Generator | None = None,
) -> list[tuple[list, list]]:
    """Groups pairs of nearly equal lengths into batches of bounded size.

    Args:
        sources: Source ids of each pair, with EOS.
        targets: Target ids of each pair, with EOS.
        batch_tokens: Most padded tokens on either side of a batch.
        rng: Mixes pairs of equal lengths, so that they meet other company each time.

    Returns:
        Each batch as a list of source id lists and one of target id lists, for which
        rows x longest row is at most `batch_tokens` on both sides (but for a single
        pair that is longer alone).
    """
    source_lengths = np.array([len(ids) for ids in sources])
    target_lengths = np.array([len(ids) for ids in targets])
    ties = rng.random(len(sources)) if rng else np.arange(len(sources))
    order = np.lexsort((ties, source_lengths, target_lengths))
    batches, rows, longest = [], [], 0
    for index in order:
        length = max(source_lengths[index], target_lengths[index])
        if rows and max(longest, length) * (len(rows) + 1) > batch_tokens:
            batches.append(rows)
            rows, longest = [], 0
        rows.append(index)
        longest = max(longest, length)
    if rows:
        batches.append(rows)
    return [([sources[i] for i in b], [targets[i] for i in b]) for b in batches]


def pad_batch(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> Batch:
    """Pads id lists (each ends in EOS) to a `Batch`, shifting the target by one."""
    target_output_ids = pad_ids(targets)
    target_input_ids = np.roll(target_output_ids, 1, axis=1)
    target_input_ids[:, 0] = BOS_ID
    for row, ids in enumerate(targets):
        target_input_ids[row, len(ids) :] = PAD_ID  # the shifted EOS of shorter rows
    return Batch(pad_ids(sources), target_input_ids, target_output_ids)


def make_dataset(plan: BatchPlan, epoch: int, start: Place = _START) -> tf.data.Dataset:
    """Wraps `plan.batches(epoch, start)` as a prefetching `tf.data.Dataset`.

    Elements are `(Place, Batch)`, scalars and int32 tensors of unknown lengths.
    """
    count, ids = tf.TensorSpec([], tf.int32), tf.TensorSpec([None, None], tf.int32)
    place = Place(count, count, tf.TensorSpec([], tf.float32))
    dataset = tf.data.Dataset.from_generator(
        lambda: plan.batches(epoch, start),
        output_signature=(place, Batch(ids, ids, ids)),
    )
    options = tf.data.Options()
    # There is nothing to tune, and an iterator's end waits for the thread that tunes.
    options.autotune.enabled = False
    return dataset.prefetch(16).with_options(options)
