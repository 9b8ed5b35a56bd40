"""The encoder: embedded source tokens to one vector a position, read both ways.

Shapes: B batch, S source length, E embedding dim, U units of one direction.
"""

from typing import NamedTuple

import keras
from keras import ops

from translator.layers.checks import check_positive
from translator.layers.dense import Dense
from translator.layers.dropout import Dropout
from translator.layers.gru import GRU


class EncoderOutput(NamedTuple):
    """What the decoder gets to see of the source.

    Fields:
        outputs: float, shape `(batch_size, source_length, 2 * units)`; zero on
            padding.
        state: float, shape `(batch_size, 2 * units)`: the last layer's final forward
            state, beside its final backward state.
    """

    outputs: object
    state: object


@keras.saving.register_keras_serializable(package="translator")
class BidirectionalEncoder(keras.layers.Layer):
    """Reads the source in both directions with stacked GRU layers.

        f_i = GRU_f(x_i, f_(i-1))        from the left
        b_i = GRU_b(x_i, b_(i+1))        from the right
        h_i = [f_i; b_i]                 first layer; x is the embedded source
        h'_i = [f'_i; b'_i] + h_i        each further one, which reads h

    So a position knows what stands before and behind it. In training, dropout is
    applied to what a GRU reads, not to what is added to its output.

    Source: Schuster and Paliwal 1997 (bidirectional networks); Bahdanau et al. 2015,
    section 3.2 (as an encoder); Wu et al. 2016, section 3.1 (residual layers).

    Args:
        units: Units U of each direction.
        num_layers: Number of bidirectional layers.
        dropout: Fraction of each layer's input that is dropped, in training.
        recurrent_dropout: Fraction of the state dropped inside the recurrent product.
        reset_after: The GRU's convention, see `GRUCell`.
        layer_normalization: See `GRUCell`.

    Call arguments:
        inputs: float, shape `(batch_size, source_length, embedding_dim)`.
        source_mask: bool, shape `(batch_size, source_length)`, `True` = real token;
            real tokens come first. Padding changes neither the outputs nor the state.
        training: Whether to drop.

    Returns:
        `EncoderOutput`.

    Raises:
        ValueError: As `GRUCell`, or `num_layers` is no positive integer.
    """

    def __init__(
        self,
        units,
        num_layers=1,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
        layer_normalization=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive("num_layers", num_layers)
        self.supports_masking = True
        self.units = units
        self.num_layers = num_layers
        self.options = {
            "recurrent_dropout": recurrent_dropout,
            "reset_after": reset_after,
            "layer_normalization": layer_normalization,
        }
        self.dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")
        self.gru_layers = [
            keras.layers.Bidirectional(
                GRU(
                    units,
                    return_sequences=True,
                    return_state=True,
                    use_cudnn="auto",  # real tokens come first
                    dtype=self.dtype_policy,
                    name=f"gru_{index}",
                    **self.options,
                ),
                dtype=self.dtype_policy,
                name=f"layer_{index}",
            )
            for index in range(num_layers)
        ]

    def build(self, inputs_shape):
        shape = tuple(inputs_shape)
        for layer in self.gru_layers:
            layer.build(shape)
            shape = (*shape[:-1], 2 * self.units)

    def call(self, inputs, source_mask=None, training=False, mask=None):
        # `mask` is what Keras hands on, as from an Embedding with mask_zero.
        source_mask = mask if source_mask is None else source_mask
        outputs = inputs  # (B, S, E)
        for index in range(self.num_layers):
            outputs, state = self.run_layer(index, outputs, source_mask, training)
        return EncoderOutput(outputs, state)

    def compute_mask(self, inputs, mask=None):
        """Hands no mask on: who attends gets it as an argument."""

    def run_layer(self, index, inputs, source_mask=None, training=False):
        """Runs one layer over the outputs of the one below, or the embedded source.

        Returns:
            `EncoderOutput` of this layer.
        """
        layer_outputs, forward_state, backward_state = self.gru_layers[index](
            self.dropout(inputs, training=training), mask=source_mask, training=training
        )
        outputs = layer_outputs + inputs if index else layer_outputs  # (B, S, 2U)
        state = ops.concatenate([forward_state, backward_state], axis=-1)  # (B, 2U)
        return EncoderOutput(outputs, state)

    def get_config(self):
        return (
            super().get_config()
            | {
                "units": self.units,
                "num_layers": self.num_layers,
                "dropout": self.dropout.rate,
            }
            | self.options
        )


@keras.saving.register_keras_serializable(package="translator")
class Bridge(keras.layers.Layer):
    """Makes the decoder's first states from the encoder's last one.

        state_l = tanh(W_l [forward; backward] + b_l)    for each decoder layer l

    Source: Bahdanau et al. 2015, appendix A.2.2, with both directions instead of the
    backward one alone.

    Args:
        units: Units of a decoder layer.
        num_layers: Number of decoder layers.

    Call arguments:
        encoder_state: float, shape `(batch_size, 2 * encoder_units)`.

    Returns:
        Tuple of `num_layers` states, each of shape `(batch_size, units)`.
    """

    def __init__(self, units, num_layers, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.num_layers = num_layers
        self.projection = Dense(
            units * num_layers,
            activation="tanh",
            dtype=self.dtype_policy,
            name="projection",
        )

    def build(self, encoder_state_shape):
        self.projection.build(encoder_state_shape)

    def call(self, encoder_state):
        states = self.projection(encoder_state)
        return tuple(ops.split(states, self.num_layers, axis=-1))

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "num_layers": self.num_layers,
        }
