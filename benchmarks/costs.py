"""Counts: floating-point operations of the matrix products, and parameters.

A multiplication and an addition are two operations. A product of `rows` vectors of
`inputs` numbers with a matrix to `outputs` numbers is `2 * rows * inputs * outputs`.
Its gradient is two more such products, one for the vectors and one for the matrix, so
a training step takes three times the operations of its forward pass.

Sizes are those of `translator.config.ModelConfig`; S and T are the lengths of a pair
in tokens, with EOS, and stand for real tokens alone. V is the size of the vocabulary.
"""

from types import SimpleNamespace

TRAINING_PASSES = 3


def dense(rows, inputs, outputs):
    """Operations of `rows` vectors through one matrix."""
    return 2 * rows * inputs * outputs


def gru(steps, inputs, units):
    """Operations of a GRU: three gates, each of the input and of the state."""
    return dense(steps, inputs, 3 * units) + dense(steps, units, 3 * units)


def encoder(sizes, source_length):
    """Operations of stacked bidirectional GRU layers."""
    widths = [sizes.embedding_dim]
    widths += [2 * sizes.encoder_units] * (sizes.num_encoder_layers - 1)
    return sum(2 * gru(source_length, w, sizes.encoder_units) for w in widths)


def attention(sizes, source_length, target_length):
    """Operations of looking at all source positions from all target positions."""
    units, outputs = sizes.decoder_units, 2 * sizes.encoder_units
    positions = source_length * target_length
    match sizes.attention:
        case "additive":
            keys, query, read = dense(source_length, outputs, units), True, outputs
        case "general":
            keys, query, read = dense(source_length, outputs, units), False, outputs
        case "dot":
            keys, query, read = 0, False, outputs
        case "multi_head":
            keys = dense(source_length, outputs, 2 * units)
            # The query's projection and that of the joined heads.
            keys += dense(target_length, units, units)
            query, read = True, units
    projections = keys + (dense(target_length, units, units) if query else 0)
    return projections + 2 * positions * units + 2 * positions * read


def context_dim(sizes):
    """Width of the context vector."""
    if sizes.attention == "multi_head":
        return sizes.decoder_units
    return 2 * sizes.encoder_units


def seq2seq(sizes, vocabulary_size, source_length, target_length):
    """Operations of our network's forward pass over one pair, either wiring."""
    units, context = sizes.decoder_units, context_dim(sizes)
    inputs = [sizes.embedding_dim] + [units] * (sizes.num_decoder_layers - 1)
    # One layer reads the context vector too: which one, the sum does not say.
    inputs[0] += context
    return (
        encoder(sizes, source_length)
        + dense(1, 2 * sizes.encoder_units, units * sizes.num_decoder_layers)
        + sum(gru(target_length, width, units) for width in inputs)
        + attention(sizes, source_length, target_length)
        + dense(target_length, units + context, sizes.embedding_dim)
        + dense(target_length, sizes.embedding_dim, vocabulary_size)
    )


def joeynmt(sizes, vocabulary_size, source_length, target_length):
    """Operations of JoeyNMT's network; its readout is fed to the next step."""
    units, outputs = sizes.decoder_units, 2 * sizes.encoder_units
    inputs = [sizes.embedding_dim + units] + [units] * (sizes.num_decoder_layers - 1)
    additive = SimpleNamespace(**{**vars_of(sizes), "attention": "additive"})
    return (
        encoder(sizes, source_length)
        + dense(1, outputs, units)
        + sum(gru(target_length, width, units) for width in inputs)
        + attention(additive, source_length, target_length)
        + dense(target_length, units + outputs, units)
        + dense(target_length, units, vocabulary_size)
    )


def tutorial(units, vocabulary_size, source_length, target_length):
    """Operations of the network of TensorFlow's tutorial; all widths are `units`.

    The two directions of its encoder are added, not joined, so keys and values are
    `units` wide; its attention has one head of that width.
    """
    return (
        2 * gru(source_length, units, units)
        + gru(target_length, units, units)
        + 2 * dense(source_length, units, units)
        + 2 * dense(target_length, units, units)
        + 4 * source_length * target_length * units
        + dense(target_length, units, vocabulary_size)
    )


def transformer(units, feed_forward, num_layers, vocabulary_size, source, target):
    """Operations of a Transformer's forward pass over `source` and `target` tokens."""

    def network(rows):
        return dense(rows, units, feed_forward) + dense(rows, feed_forward, units)

    encoder_layer = 4 * dense(source, units, units) + network(source)
    encoder_layer += 4 * source * source * units
    # A position looks at itself and those before it, and at the whole source.
    decoder_layer = 6 * dense(target, units, units) + network(target)
    decoder_layer += 2 * target * (target + 1) * units + 4 * source * target * units
    decoder_layer += 2 * dense(source, units, units)
    output = dense(target, units, vocabulary_size)
    return num_layers * (encoder_layer + decoder_layer) + output


def beam_search(forward, source_length, target_length, beam_size):
    """Operations of a search: the source once, each hypothesis at each position.

    Args:
        forward: Function of source and target length: a forward pass' operations.
        source_length: Tokens, with EOS.
        target_length: Positions, with that of EOS.
        beam_size: Hypotheses.
    """
    source = forward(source_length, 0)
    return source + beam_size * (forward(source_length, target_length) - source)


def seq2seq_parameters(sizes, vocabulary_size):
    """Parameters of our network (`reset_after`, no layer normalisation)."""
    units, context = sizes.decoder_units, context_dim(sizes)
    outputs, embedding = 2 * sizes.encoder_units, sizes.embedding_dim
    inputs = [embedding] + [units] * (sizes.num_decoder_layers - 1)
    inputs[0] += context
    num_tables = 1 if sizes.tie_embeddings else 3
    return (
        num_tables * vocabulary_size * embedding
        + vocabulary_size
        + encoder_parameters(sizes)
        + matrix(outputs, units * sizes.num_decoder_layers)
        + sum(gru_parameters(width, units) for width in inputs)
        + attention_parameters(sizes)
        + matrix(units + context, embedding)
    )


def encoder_parameters(sizes):
    """Parameters of stacked bidirectional GRU layers."""
    widths = [sizes.embedding_dim]
    widths += [2 * sizes.encoder_units] * (sizes.num_encoder_layers - 1)
    return sum(2 * gru_parameters(width, sizes.encoder_units) for width in widths)


def attention_parameters(sizes):
    units, outputs = sizes.decoder_units, 2 * sizes.encoder_units
    match sizes.attention:
        case "additive":
            return matrix(units, units) + outputs * units + units
        case "general":
            return outputs * units
        case "dot":
            return 0
        case "multi_head":
            return 2 * matrix(units, units) + matrix(outputs, 2 * units)


def gru_parameters(inputs, units):
    """Parameters of a GRU with a bias for the input and one for the state."""
    return 3 * units * (inputs + units + 2)


def matrix(inputs, outputs):
    """Parameters of a matrix with a bias."""
    return inputs * outputs + outputs


def joeynmt_parameters(sizes, vocabulary_size):
    """Parameters of JoeyNMT's recurrent network; its output layer has no bias."""
    units, outputs = sizes.decoder_units, 2 * sizes.encoder_units
    inputs = [sizes.embedding_dim + units] + [units] * (sizes.num_decoder_layers - 1)
    tables = vocabulary_size * sizes.embedding_dim
    if not sizes.tie_embeddings:
        tables = 2 * tables + vocabulary_size * units
    return (
        tables
        + encoder_parameters(sizes)
        + matrix(outputs, units)
        + sum(gru_parameters(width, units) for width in inputs)
        + (outputs + units + 1) * units
        + matrix(units + outputs, units)
    )


def transformer_parameters(units, feed_forward, num_layers, vocabulary_size):
    """Parameters of a Transformer of as many encoder as decoder layers, tables shared.

    Each layer has attention (four matrices), in the decoder twice, a feed-forward
    network, and a normalisation before each; one more follows either stack. Positions
    are sinusoids.
    """
    norm = 2 * units
    attention_block = 4 * matrix(units, units) + norm
    network = matrix(units, feed_forward) + matrix(feed_forward, units) + norm
    encoder_layer, decoder_layer = attention_block + network, 2 * attention_block
    layers = num_layers * (encoder_layer + decoder_layer + network)
    return layers + 2 * norm + vocabulary_size * units + vocabulary_size


def matching_feed_forward(parameters, units, num_layers, vocabulary_size, multiple=32):
    """Width of a Transformer's feed-forward layers for a number of parameters."""
    widths = range(multiple, 64 * units, multiple)
    return min(
        widths,
        key=lambda width: abs(
            transformer_parameters(units, width, num_layers, vocabulary_size)
            - parameters
        ),
    )


def matching_decoder_units(parameters, sizes, vocabulary_size, multiple=16):
    """Decoder units that bring our network nearest to a number of parameters."""

    def distance(units):
        resized = SimpleNamespace(**{**vars_of(sizes), "decoder_units": units})
        return abs(seq2seq_parameters(resized, vocabulary_size) - parameters)

    return min(range(multiple, 2_048, multiple), key=distance)


def vars_of(sizes):
    """The sizes as a dictionary, of a `ModelConfig` or of anything like it."""
    return dict(sizes) if hasattr(sizes, "model_fields_set") else vars(sizes)
