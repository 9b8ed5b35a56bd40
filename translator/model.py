"""The translation network: embedding, encoder, bridge, decoder, output layer.

Shapes: B batch, S source length, T target length, N rows (B sentences times K
hypotheses), V vocabulary size, E embedding dim.
"""

import keras
import tensorflow as tf
from keras import ops

from translator.config import ModelConfig
from translator.layers.attention import (
    AdditiveAttention,
    DotAttention,
    GeneralAttention,
    MultiHeadAttention,
)
from translator.layers.decoder import ClassicDecoder, ParallelDecoder
from translator.layers.encoder import BidirectionalEncoder, Bridge
from translator.search import StepResult


@keras.saving.register_keras_serializable(package="translator")
class TokenEmbedding(keras.layers.Layer):
    """A vector for each token; with `to_logits`, also the output layer over them.

    Vectors are scaled by the square root of their width on the way in, so that a
    matrix of a size that suits the output also suits the input (Vaswani et al. 2017,
    section 3.4; Press and Wolf 2017 for the sharing).

    Args:
        vocabulary_size: V.
        embedding_dim: E.
        is_output: Whether `to_logits` will be used: it adds a bias of V.

    Call arguments:
        ids: int32, any shape `(...)`.

    Returns:
        float, shape `(..., embedding_dim)`.
    """

    def __init__(self, vocabulary_size, embedding_dim, is_output=False, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.is_output = is_output

    def build(self, ids_shape=None):
        self.embeddings = self.add_weight(
            shape=(self.vocabulary_size, self.embedding_dim),
            initializer=keras.initializers.RandomNormal(
                stddev=self.embedding_dim**-0.5
            ),
            name="embeddings",
        )
        if self.is_output:
            self.output_bias = self.add_weight(
                shape=(self.vocabulary_size,), initializer="zeros", name="output_bias"
            )

    def call(self, ids):
        embeddings = tf.convert_to_tensor(self.embeddings)
        return tf.gather(embeddings, ids) * self.embedding_dim**0.5

    def to_logits(self, features):
        """Turns features `(..., E)` into logits `(..., V)`."""
        embeddings = ops.cast(self.embeddings, features.dtype)
        logits = ops.matmul(features, ops.transpose(embeddings))
        return logits + ops.cast(self.output_bias, features.dtype)

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "is_output": self.is_output,
        }


class Seq2Seq(keras.Model):
    """A bidirectional GRU encoder and an attention decoder over one vocabulary.

    Source: Bahdanau et al. 2015 for the whole; the parts name their own.

    Args:
        encoder: Embedded source and mask to `EncoderOutput`.
        bridge: Encoder state to the decoder's first states.
        decoder: A `ParallelDecoder` or `ClassicDecoder`.
        vocabulary_size: V, shared by both languages.
        embedding_dim: E, also the width of the decoder's features.
        tie_embeddings: One matrix for source, target and output, or one for each.

    Call arguments:
        source_ids: int32, shape `(batch_size, source_length)`; with EOS.
        source_mask: bool, same shape, `True` = real token.
        target_input_ids: int32, shape `(batch_size, target_length)`; with BOS.
        training: Whether to drop.

    Returns:
        `DecoderOutput`; `to_logits` turns its features into logits.

    It is kept as the weights and options of a run folder (`checkpoints`), not by
    `model.save`.
    """

    def __init__(
        self,
        encoder,
        bridge,
        decoder,
        vocabulary_size,
        embedding_dim,
        tie_embeddings=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.bridge = bridge
        self.decoder = decoder
        sizes = {"vocabulary_size": vocabulary_size, "embedding_dim": embedding_dim}
        self.target_embedding = TokenEmbedding(
            **sizes, is_output=tie_embeddings, name="target_embedding"
        )
        self.source_embedding = self.target_embedding
        self.output_embedding = self.target_embedding
        if not tie_embeddings:
            self.source_embedding = TokenEmbedding(**sizes, name="source_embedding")
            self.output_embedding = TokenEmbedding(
                **sizes, is_output=True, name="output_embedding"
            )

    def build(self, input_shape=None):
        """Makes all weights; their order, and so a checkpoint's, is fixed here."""
        embedding_dim = self.target_embedding.embedding_dim
        embedded_shape = (None, None, embedding_dim)
        outputs_shape = (None, None, 2 * self.encoder.units)
        for embedding in (
            self.target_embedding,
            self.source_embedding,
            self.output_embedding,
        ):
            if not embedding.built:
                embedding.build((None, None))
        self.encoder.build(embedded_shape)
        self.bridge.build((None, 2 * self.encoder.units))
        self.decoder.build(embedded_shape, outputs_shape)
        self.built = True

    def encode(self, source_ids, source_mask, training=False):
        """Reads the source once.

        Returns:
            The decoder's `AttentionMemory` and its state before the first token.
        """
        tf.debugging.assert_shapes([(source_ids, "BS"), (source_mask, "BS")])
        embedded = self.source_embedding(source_ids)  # (B, S, E)
        encoder_output = self.encoder(embedded, source_mask, training=training)
        memory = self.decoder.memory(encoder_output.outputs, source_mask)
        return memory, self.decoder.initial_state(self.bridge(encoder_output.state))

    def call(self, source_ids, source_mask, target_input_ids, training=False):
        memory, state = self.encode(source_ids, source_mask, training)
        embedded = self.target_embedding(target_input_ids)  # (B, T, E)
        return self.decoder(embedded, state, memory, training=training)

    @property
    def output_weights(self):
        """Kernel `(V, E)` and bias `(V,)` of the layer from features to logits."""
        return self.output_embedding.embeddings, self.output_embedding.output_bias

    @property
    def vocabulary_weights(self):
        """All weights that have a row for each subword: V is their first axis."""
        layers = (layer for layer in self.layers if isinstance(layer, TokenEmbedding))
        return [weight for layer in layers for weight in layer.weights]

    def to_logits(self, features):
        """Turns features `(..., E)` into logits `(..., V)`."""
        return self.output_embedding.to_logits(features)

    def step(self, ids, state, memory):
        """Advances by one token: the step function for `search`.

        Args:
            ids: int32, shape `(num_rows,)`.
            state: Of `encode`, or the step before.
            memory: Of `encode`.

        Returns:
            `StepResult` with float32 logits.
        """
        output = self.decoder.step(self.target_embedding(ids), state, memory)
        logits = tf.cast(self.to_logits(output.features), tf.float32)
        return StepResult(logits, output.state, output.attention_weights)


def build_model(config: ModelConfig, vocabulary_size: int) -> Seq2Seq:
    """Builds the network that a configuration describes, with its weights made."""
    recurrence = {
        "dropout": config.dropout,
        "recurrent_dropout": config.recurrent_dropout,
        "reset_after": config.reset_after,
        "layer_normalization": config.layer_normalization,
    }
    decoder_class = {"parallel": ParallelDecoder, "classic": ClassicDecoder}
    model = Seq2Seq(
        BidirectionalEncoder(
            config.encoder_units,
            config.num_encoder_layers,
            name="encoder",
            **recurrence,
        ),
        Bridge(config.decoder_units, config.num_decoder_layers, name="bridge"),
        decoder_class[config.wiring](
            config.decoder_units,
            config.embedding_dim,
            _build_attention(config),
            config.num_decoder_layers,
            name="decoder",
            **recurrence,
        ),
        vocabulary_size,
        config.embedding_dim,
        config.tie_embeddings,
        name="seq2seq",
    )
    model.build()
    return model


def _build_attention(config: ModelConfig):
    units = config.decoder_units
    match config.attention:
        case "additive":
            return AdditiveAttention(units, name="attention")
        case "dot":
            return DotAttention(name="attention")
        case "general":
            return GeneralAttention(units, name="attention")
        case "multi_head":
            return MultiHeadAttention(units, config.num_heads, name="attention")
    raise ValueError(f"no layer for the attention {config.attention!r}.")
