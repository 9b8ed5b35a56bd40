"""The learning rate over a run."""

import math

import pytest

from translator.config import TrainingConfig
from translator.schedules import learning_rate

DECAYS = ("cosine", "inverse_sqrt", "constant")


def config(decay, warmup_steps=100):
    return TrainingConfig(learning_rate=0.5, warmup_steps=warmup_steps, decay=decay)


@pytest.mark.parametrize("decay", DECAYS)
def test_warmup_rises_linearly_from_the_first_step(decay):
    """Catches: a first step without effect, a rise that ends beside the peak."""
    rates = [learning_rate(config(decay), step, progress=0) for step in (1, 50, 100)]
    assert rates == pytest.approx([0.005, 0.25, 0.5])


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("cosine", [0.5, 0.25, 0.0]),  # (1 + cos(pi * progress)) / 2
        ("inverse_sqrt", [0.5, 0.25, 0.125]),  # sqrt(100 / step)
        ("constant", [0.5, 0.5, 0.5]),
    ],
)
def test_decay_after_the_warmup(decay, expected):
    """Catches: progress in steps, a warm-up that is applied twice."""
    points = [(100, 0.0), (400, 0.5), (1_600, 1.0)]
    rates = [learning_rate(config(decay), *point) for point in points]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("decay", DECAYS)
def test_the_warmup_of_a_short_run_ends_in_time(decay):
    """Catches: a small corpus, trained in fewer steps than the warm-up takes."""
    short = config(decay, warmup_steps=1_000)
    rates = [learning_rate(short, step, step / 400) for step in range(1, 401)]
    assert rates[19] == pytest.approx(0.25, rel=0.01)  # half of a tenth
    assert max(rates) > 0.48 and rates.index(max(rates)) < 45


@pytest.mark.parametrize("decay", DECAYS)
def test_a_slow_first_step_ends_no_warmup(decay):
    """Catches: a second step at full rate, as tracing took a tenth of the time."""
    assert learning_rate(config(decay), 2, progress=0.15) <= 0.05


@pytest.mark.parametrize("decay", DECAYS)
def test_no_warmup(decay):
    """Catches: a division by zero; a rate above the peak."""
    assert learning_rate(config(decay, warmup_steps=0), 1, 0.0) == 0.5


def test_cosine_ends_at_zero_and_stays_there():
    """Catches: a cosine that rises again when a run takes longer than planned."""
    assert learning_rate(config("cosine"), 500, 1.3) == pytest.approx(0)


@pytest.mark.parametrize("decay", DECAYS)
def test_never_above_the_peak_nor_below_zero(decay):
    """Catches: a decay that multiplies before the warm-up is over."""
    for step in range(1, 1_000):
        rate = learning_rate(config(decay), step, step / 999)
        assert 0 <= rate <= 0.5 and math.isfinite(rate)
