"""Batches: the exact ids, every pair once, and an order that can be gone back to."""

from collections import deque

import numpy as np
import pytest

from translator.batching import (
    BatchPlan,
    Place,
    group_by_length,
    make_dataset,
    pad_batch,
)
from translator.corpus.pairs import Pair, PairFile, write_pairs
from translator.tokenizer import BOS_ID, EOS_ID, PAD_ID


class LetterTokenizer:
    """One id a letter: a is 4, b is 5, and so on; then EOS."""

    def encode_batch(self, texts):
        return [[ord(letter) - ord("a") + 4 for letter in t] + [EOS_ID] for t in texts]

    def sample_batch(self, texts, share, rng):
        """Doubles the letters of a share of the texts."""
        draws = rng.random(len(texts)) < share
        doubled = [
            "".join(2 * letter for letter in text) if drawn else text
            for text, drawn in zip(texts, draws, strict=True)
        ]
        return self.encode_batch(doubled)


class CountingPairs:
    """Pairs in a list; remembers what it was asked for."""

    def __init__(self, pairs):
        self.pairs = pairs
        self.asked = []

    def __len__(self):
        return len(self.pairs)

    def take(self, indices):
        self.asked.append(list(indices))
        return [self.pairs[index] for index in indices]


def random_pairs(num_pairs, seed=1, longest=12):
    """Distinct pairs: the source's letters spell its number."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghij"))
    return [
        Pair(
            "".join(letters[int(digit)] for digit in f"{number:04}"),
            "".join(rng.choice(letters, rng.integers(1, longest))),
        )
        for number in range(num_pairs)
    ]


def make_plan(pairs, **options):
    options = {"batch_tokens": 60, "seed": 7} | options
    return BatchPlan(CountingPairs(pairs), LetterTokenizer(), **options)


def rows_of(ids):
    """Rows without padding, as tuples."""
    return [tuple(row[row != PAD_ID].tolist()) for row in ids]


def listed(batches):
    """Batches as plain lists, to compare."""
    return [(place, *(ids.tolist() for ids in batch)) for place, batch in batches]


def test_exact_ids_of_four_lines():
    """Catches: a shift by one, an EOS in the decoder's input, BOS in the source."""
    pairs = [Pair("ab", "c"), Pair("a", "bcd"), Pair("abc", "dc"), Pair("b", "b")]
    tokenizer = LetterTokenizer()
    sides = [tokenizer.encode_batch(side) for side in zip(*pairs, strict=True)]
    batch = pad_batch(*sides)
    assert batch.source_ids.tolist() == [
        [4, 5, 3, 0],  # a b </s>
        [4, 3, 0, 0],  # a </s>
        [4, 5, 6, 3],  # a b c </s>
        [5, 3, 0, 0],  # b </s>
    ]
    assert batch.target_input_ids.tolist() == [
        [2, 6, 0, 0],  # <s> c
        [2, 5, 6, 7],  # <s> b c d
        [2, 7, 6, 0],  # <s> d c
        [2, 5, 0, 0],  # <s> b
    ]
    assert batch.target_output_ids.tolist() == [
        [6, 3, 0, 0],  # c </s>
        [5, 6, 7, 3],  # b c d </s>
        [7, 6, 3, 0],  # d c </s>
        [5, 3, 0, 0],  # b </s>
    ]
    assert all(ids.dtype == np.int32 for ids in batch)


@pytest.mark.parametrize("pool_size", [7, 64, 1_000])
def test_every_pair_once_an_epoch(pool_size):
    """Catches: a lost last batch or pool, a pair drawn twice, sides that part."""
    pairs = random_pairs(200)
    plan = make_plan(pairs, pool_size=pool_size)
    tokenizer = LetterTokenizer()
    found = []
    for _, batch in plan.batches(epoch=0):
        found += zip(
            rows_of(batch.source_ids), rows_of(batch.target_output_ids), strict=True
        )
    expected = [tuple(map(tuple, tokenizer.encode_batch(pair))) for pair in pairs]
    assert sorted(found) == sorted(expected)


def test_inputs_are_the_outputs_moved_by_one():
    """Catches: rows of input and output that belong to different pairs."""
    for _, batch in make_plan(random_pairs(100)).batches(epoch=0):
        for inputs, outputs in zip(
            rows_of(batch.target_input_ids),
            rows_of(batch.target_output_ids),
            strict=True,
        ):
            assert inputs == (BOS_ID, *outputs[:-1])
            assert outputs[-1] == EOS_ID


def test_the_order_is_a_function_of_seed_and_epoch():
    """Catches: state kept between epochs; a seed or an epoch that is ignored."""
    pairs = random_pairs(150)
    options = {"pool_size": 50, "subword_sampling": 0.5}
    first = listed(make_plan(pairs, **options).batches(epoch=3))
    plan = make_plan(pairs, **options)
    other_epoch = listed(plan.batches(epoch=0))
    assert listed(plan.batches(epoch=3)) == first
    assert other_epoch != first
    assert listed(make_plan(pairs, seed=8, **options).batches(epoch=3)) != first


def test_pairs_meet_other_company_in_another_epoch():
    """Catches: batches that are the same ones in another order."""
    plan = make_plan(random_pairs(200))
    groups = [
        {frozenset(rows_of(batch.source_ids)) for _, batch in plan.batches(epoch)}
        for epoch in (0, 1)
    ]
    assert len(groups[0] & groups[1]) < len(groups[0]) / 2


def test_neither_lengths_nor_pairs_come_in_order():
    """Catches: an epoch that goes from short to long, or through the file."""
    plan = make_plan(random_pairs(400), batch_tokens=80)
    batches = [batch for _, batch in plan.batches(epoch=0)]
    lengths = [batch.target_output_ids.shape[1] for batch in batches]
    first_half, second_half = np.split(np.array(lengths[: len(lengths) // 2 * 2]), 2)
    assert lengths != sorted(lengths)
    assert abs(first_half.mean() - second_half.mean()) < 3
    assert rows_of(batches[0].source_ids) != sorted(rows_of(batches[0].source_ids))


@pytest.mark.parametrize("pool_size", [40, 1_000])
def test_start_goes_on_exactly(pool_size):
    """Catches: random draws that depend on where a run was taken up."""
    options = {"pool_size": pool_size, "subword_sampling": 0.5}
    plan = make_plan(random_pairs(120), **options)
    batches = listed(plan.batches(epoch=2))
    for number in (0, 1, len(batches) // 2, len(batches) - 1, len(batches)):
        start = batches[number - 1][0] if number else Place()
        assert listed(plan.batches(epoch=2, start=start)) == batches[number:]


def test_pools_that_are_done_are_not_made_again():
    """Catches: minutes of cutting into subwords before a large run goes on."""
    plan = make_plan(random_pairs(100), pool_size=10)
    assert listed(plan.batches(epoch=0, start=Place(pool=8, batch=1)))
    # Those of pools 8 and 9, and of the next epoch's first, made meanwhile.
    assert len(plan.pairs.asked) <= 3


def test_the_next_pool_is_made_meanwhile():
    """Catches: training that stands still while a pool or an epoch begins; a pool that
    is made twice."""
    plan = make_plan(random_pairs(30), pool_size=10)
    asked = plan.pairs.asked
    for epoch in (0, 1):
        for place, _ in plan.batches(epoch):
            # The worker has one task, and gives the next one's result when it is done.
            plan._worker.submit(int).result()
            assert len(asked) == 3 * epoch + place.pool + 2


def test_an_error_while_a_pool_is_made_reaches_the_run():
    """Catches: a run that waits for ever for pairs that cannot be read."""
    plan = make_plan(random_pairs(30), pool_size=10)
    batches = plan.batches(epoch=0)
    next(batches)
    plan._worker.submit(int).result()

    def take(indices):
        raise OSError("the disk is gone")

    plan.pairs.take = take
    with pytest.raises(OSError, match="the disk is gone"):
        deque(batches, maxlen=0)


def test_done_rises_to_one():
    """Catches: progress that starts again with each pool."""
    plan = make_plan(random_pairs(150), pool_size=50)
    done = [place.done for place, _ in plan.batches(epoch=0)]
    assert done == sorted(set(done)) and done[0] > 0 and done[-1] == 1


@pytest.mark.parametrize("long_side", [0, 1], ids=["source", "target"])
def test_batch_tokens_bound_both_sides(long_side):
    """Catches: a budget of real tokens, of one side, or of the length before."""
    pairs = [Pair(*pair[:: 1 if long_side else -1]) for pair in random_pairs(300)]
    for _, batch in make_plan(pairs, batch_tokens=50).batches(epoch=0):
        assert batch.source_ids.size <= 50
        assert batch.target_output_ids.size <= 50


def test_batches_are_filled():
    """Catches: a batch for each pair; half of the padding that sorting saves."""
    sizes = [
        (batch.target_output_ids.size, np.count_nonzero(batch.target_output_ids))
        for _, batch in make_plan(random_pairs(500), batch_tokens=100).batches(epoch=0)
    ]
    padded, real = np.sum(sizes, axis=0)
    assert real / padded > 0.9
    assert np.mean([size for size, _ in sizes]) > 75


def test_a_long_pair_is_a_batch_of_its_own():
    """Catches: a pair that is cut off or dropped, or that takes others with it."""
    pairs = [*random_pairs(20), Pair("b" * 70, "c" * 90)]
    batches = [batch for _, batch in make_plan(pairs).batches(epoch=0)]
    [long_batch] = [b for b in batches if b.target_output_ids.shape[1] > 60]
    assert long_batch.source_ids.shape == (1, 71)
    assert long_batch.target_output_ids[0].tolist() == [6] * 90 + [EOS_ID]


@pytest.mark.parametrize("num_pairs", [1, 99, 100, 101, 149, 151, 1_000])
def test_pools_bound_the_memory(num_pairs):
    """Catches: a corpus that is read whole; pools of twice the size; empty pools."""
    plan = make_plan(random_pairs(num_pairs), pool_size=100)
    rows = [row for _, batch in plan.batches(epoch=0) for row in batch.source_ids]
    assert len(rows) == num_pairs
    # One more may have been asked for: the next epoch's first pool.
    sizes = [len(indices) for indices in plan.pairs.asked[: plan.num_pools]]
    assert sum(sizes) == num_pairs
    assert 0 < min(sizes) and max(sizes) <= 100


def test_pools_are_drawn_from_the_whole_corpus():
    """Catches: pools that are slices of a file that may be sorted."""
    plan = make_plan(random_pairs(1_000), pool_size=100)
    deque(plan.batches(epoch=0), maxlen=0)
    for indices in plan.pairs.asked:
        assert min(indices) < 150 and max(indices) > 850
        assert 400 < np.mean(indices) < 600


def test_subword_sampling_changes_with_the_epoch():
    """Catches: one sampled segmentation that is kept for the whole run."""
    pairs = random_pairs(100)
    plan = make_plan(pairs, subword_sampling=0.5)
    epochs = [
        {row for _, batch in plan.batches(epoch) for row in rows_of(batch.source_ids)}
        for epoch in (0, 1)
    ]
    best = set(map(tuple, LetterTokenizer().encode_batch([p.source for p in pairs])))
    for rows in epochs:
        assert 0.3 < len(rows & best) / len(best) < 0.7
    assert epochs[0] != epochs[1]


def test_groups_of_equal_lengths_mix_only_with_a_generator():
    """Catches: ties that always break alike, or that break at random unasked."""
    ids = [[letter, EOS_ID] for letter in range(4, 40)]
    order = [source for batch, _ in group_by_length(ids, ids, 8) for source in batch]
    assert order == ids
    mixed = group_by_length(ids, ids, 8, np.random.default_rng(1))
    assert [source for batch, _ in mixed for source in batch] != ids


def test_dataset_gives_the_batches_of_the_plan(tmp_path):
    """Catches: a dataset that drops the last batch or starts anew; other types."""
    write_pairs(tmp_path / "train.tsv", random_pairs(60))
    pairs = PairFile(tmp_path / "train.tsv")
    plan = BatchPlan(pairs, LetterTokenizer(), batch_tokens=60, seed=7)
    start = Place(pool=0, batch=2)
    expected = listed(plan.batches(epoch=1, start=start))
    found = listed(make_dataset(plan, epoch=1, start=start).as_numpy_iterator())
    assert [batch[1:] for batch in found] == [batch[1:] for batch in expected]
    np.testing.assert_allclose([b[0] for b in found], [b[0] for b in expected])


def test_the_dataset_has_no_thread_that_tunes_it():
    """Catches: an epoch's end that waits some seconds for that thread to wake up."""
    dataset = make_dataset(make_plan(random_pairs(10)), epoch=0)
    assert dataset.options().autotune.enabled is False


def test_the_largest_seed():
    """Catches: a seed that the options allow and a 32-bit integer does not hold."""
    pairs = random_pairs(30)
    plans = [make_plan(pairs, seed=seed) for seed in (2**32 - 1, 2**32 - 2)]
    first, second = (listed(plan.batches(epoch=0)) for plan in plans)
    assert first != second


@pytest.mark.parametrize("option", ["augmentation", "placeholders"])
def test_alterations_change_with_the_epoch_and_come_again(option):
    """Catches: an option without effect, the same alterations in every epoch, or other
    ones in a run that goes on.
    """
    pairs = random_pairs(200)
    plan = make_plan(pairs, **{option: 0.5})
    sources = {tuple(p.source for p in pairs)}
    for epoch in (0, 1, 0):
        rows = [row for _, b in plan.batches(epoch) for row in b.source_ids.tolist()]
        sources.add(tuple(sorted(map(tuple, rows))))
    assert len(sources) == 3
