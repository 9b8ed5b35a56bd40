"""Mixed precision: products in 16 bits, weights in 32, and gradients that survive it.

float16 has few exponents: small gradients become zero. So the loss is multiplied by a
large scale before the gradients are taken, and they are divided by it after. Where the
scale was too large the gradients are infinite: the update is left out and the scale
halved; after many finite updates it is doubled. bfloat16 has the exponents of float32
and needs none of this.

Source: Micikevicius et al. 2018, "Mixed Precision Training", sections 3.1 and 3.2.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

# The option `mixed_precision` -> Keras' name for it.
_POLICIES = {
    "none": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
# Keras begins with 2 ** 15 for losses that are means. Ours is a sum over the batch's
# tokens, whose gradients are larger by about their number; sums in float16 end at
# 65,504.
_INITIAL_SCALE = 2.0**10
# A processor that multiplies bfloat16 has one of these; others are slower with it.
_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}


def choose_precision(
    mixed_precision: str, cpu_info: Path = Path("/proc/cpuinfo")
) -> str:
    """Returns what to train in: for "auto", "bfloat16" on a CPU that multiplies it,
    else "none", as on a GPU.

    Args:
        mixed_precision: "auto", "none", "bfloat16" or "float16".
        cpu_info: Where the system tells what the CPU can do. Linux alone has it.
    """
    if mixed_precision != "auto":
        return mixed_precision
    if tf.config.list_physical_devices("GPU") or not cpu_info.exists():
        return "none"
    return "bfloat16" if _CPU_FLAGS & set(cpu_info.read_text().split()) else "none"


def set_precision(mixed_precision: str) -> None:
    """Sets the type that layers made from now on compute in.

    Args:
        mixed_precision: "none", "bfloat16" or "float16".
    """
    keras.config.set_dtype_policy(_POLICIES[mixed_precision])


@contextmanager
def computing_in(mixed_precision: str) -> Iterator[None]:
    """Sets the type for a while, and then again the one before."""
    before = keras.config.dtype_policy()
    set_precision(mixed_precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def with_loss_scale(
    optimizer: keras.optimizers.Optimizer, mixed_precision: str
) -> keras.optimizers.Optimizer:
    """Gives an optimizer that is not built yet a loss scale, where it needs one."""
    if mixed_precision != "float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(
        optimizer, initial_scale=_INITIAL_SCALE, name=optimizer.name
    )


def loss_scale(optimizer: keras.optimizers.Optimizer):
    """Returns what to multiply a loss with before its gradients are taken.

    The gradients are given to `optimizer.apply` as they then are: it divides by the
    scale, and finds out whether they are finite. Only what is compared with a bound,
    such as their norm, must be divided by the scale before.

    Args:
        optimizer: From `with_loss_scale`, built.

    Returns:
        float32 scalar, or 1.0 where nothing is scaled.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return tf.convert_to_tensor(optimizer.dynamic_scale)
    return 1.0
