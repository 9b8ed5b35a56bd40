"""The weights of a run, by their paths."""

import numpy as np

from translator.config import ModelConfig
from translator.errors import UserError


class Weights:
    """The weights of a run, checked and in float32.

    Args:
        arrays: Path to array, as in `checkpoints/best.npz`.
        origin: Where they come from, for the error.
    """

    def __init__(self, arrays: dict[str, np.ndarray], origin: str):
        self.arrays = arrays
        self.origin = origin

    def get(self, path: str, *shape: int) -> np.ndarray:
        """Returns one of them, as float32.

        Raises:
            UserError: It is missing, or of another shape.
        """
        array = self.arrays.get(f"seq2seq/{path}")
        if array is None or array.shape != shape:
            raise UserError(
                f"{self.origin} does not fit the network that config.json describes: "
                f"{path} should have shape {shape}. Received: "
                f"{'nothing' if array is None else array.shape}. Use the config.json "
                "that was written with it."
            )
        return array.astype(np.float32)

    def dense(self, path: str, width: int, units: int):
        """Returns kernel and bias of a dense layer."""
        return (
            self.get(f"{path}/kernel", width, units),
            self.get(f"{path}/bias", units),
        )

    def embeddings(self, side: str, config: ModelConfig, vocabulary_size: int):
        """Returns the scaled embeddings of `source` or `target`, `(V, E)`."""
        owner = "target" if config.tie_embeddings else side
        sizes = vocabulary_size, config.embedding_dim
        embeddings = self.get(f"{owner}_embedding/embeddings", *sizes)
        return embeddings * np.float32(config.embedding_dim**0.5)
