"""What the layers refuse when they are made."""

from operator import index


def check_positive(name, value):
    """Raises a ValueError unless a value is an integer of at least 1."""
    try:
        is_positive = not isinstance(value, bool) and index(value) >= 1
    except TypeError:
        is_positive = False
    if not is_positive:
        raise ValueError(
            f"{name} must be an integer of at least 1. Received: {name}={value!r}."
        )


def check_fraction(name, value):
    """Raises a ValueError unless a value is at least 0 and below 1."""
    if not 0 <= value < 1:
        raise ValueError(
            f"{name} is the fraction to drop, at least 0 and below 1. "
            f"Received: {name}={value!r}."
        )
