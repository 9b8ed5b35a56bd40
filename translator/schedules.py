"""The learning rate over a run."""

import math

from translator.config import TrainingConfig

_LONGEST_WARMUP = 0.1  # of the run
_SHORTEST_WARMUP = 20  # steps: to trace the first one may take a tenth of the run


def learning_rate(config: TrainingConfig, step: int, progress: float) -> float:
    """Returns the rate of one step.

    It is peak * rise * decay. The rise takes `warmup_steps`, of a short run a tenth,
    but then 20 steps at least:

        rise    min(1, max(step / warmup_steps, min(10 * progress, step / 20)))
        decay   cosine: (1 + cos(pi * progress)) / 2
                inverse_sqrt: min(1, sqrt(warmup_steps / step))
                constant: 1

    Source: Loshchilov and Hutter 2017 (cosine); Vaswani et al. 2017, section 5.3
    (inverse square root).

    Args:
        config: Peak, warm-up and kind of decay.
        step: Number of the step, from 1.
        progress: Fraction of the run that is over, in [0, 1].
    """
    warmup = step / max(1, config.warmup_steps)
    in_time = min(progress / _LONGEST_WARMUP, step / _SHORTEST_WARMUP)
    warmup = min(1.0, max(warmup, in_time))
    match config.decay:
        case "cosine":
            factor = (1 + math.cos(math.pi * min(1.0, progress))) / 2
        case "inverse_sqrt":
            factor = math.sqrt(max(1, config.warmup_steps) / max(step, 1))
            factor = min(1.0, factor)
        case "constant":
            factor = 1.0
    return config.learning_rate * warmup * factor
