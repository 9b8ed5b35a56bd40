"""The network as a whole: its size, its output layer, and what it remembers."""

import numpy as np
import pytest
import tensorflow as tf

from translator.checkpoints import load_weights, save_weights, variable_arrays
from translator.config import ModelConfig
from translator.errors import UserError
from translator.model import TokenEmbedding, build_model

B, S, T, V = 2, 5, 4, 30
SOURCE_IDS = np.array([[7, 9, 4, 8, 3], [5, 6, 3, 0, 0]], np.int32)
TARGET_INPUT_IDS = np.array([[2, 8, 5, 9], [2, 4, 7, 6]], np.int32)

SMALL = {
    "embedding_dim": 6,
    "encoder_units": 4,
    "decoder_units": 8,  # 2 x encoder_units, which dot attention needs
    "num_heads": 2,
}
VARIANTS = {
    "default": {},
    "classic": {"wiring": "classic"},
    "classic_one_layer": {"wiring": "classic", "num_decoder_layers": 1},
    "deep": {"num_encoder_layers": 3, "num_decoder_layers": 3},
    "additive": {"attention": "additive"},
    "dot": {"attention": "dot"},
    "general": {"attention": "general"},
    "general_classic": {"attention": "general", "wiring": "classic"},
    "untied": {"tie_embeddings": False},
    "reset_before": {"reset_after": False},
    "normalised": {"layer_normalization": True},
    "no_dropout": {"dropout": 0.0},
    "recurrent_dropout": {"recurrent_dropout": 0.3},
}
all_variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)


def make_config(**options):
    return ModelConfig(**(SMALL | options))


def make_model(seed=1, **options):
    """Returns a network with random weights, biases and gains too."""
    model = build_model(make_config(**options), V)
    rng = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape) * 0.5)
    return model


def logits_of(model, source_ids=SOURCE_IDS, target_input_ids=TARGET_INPUT_IDS):
    output = model(source_ids, source_ids != 0, target_input_ids)
    return model.to_logits(output.features).numpy()


def count_gru(config, inputs_dim, units):
    """W, U and the biases of three gates, and the gains of both products."""
    biases = 2 if config.reset_after else 1
    gains = 2 if config.layer_normalization else 0
    return 3 * units * (inputs_dim + units + biases + gains)


def count_dense(inputs_dim, units, biases=1):
    return units * (inputs_dim + biases)


def count_attention(config, outputs_dim):
    units = config.decoder_units
    match config.attention:
        case "additive":
            return (
                count_dense(units, units) + count_dense(outputs_dim, units, 0) + units
            )
        case "dot":
            return 0
        case "general":
            return count_dense(outputs_dim, units, 0)
        case "multi_head":
            return 2 * count_dense(units, units) + count_dense(outputs_dim, 2 * units)


def count_expected(config):
    """The parameters of the network that the options describe, part by part."""
    embedding_dim, units = config.embedding_dim, config.decoder_units
    outputs_dim = 2 * config.encoder_units
    is_multi_head = config.attention == "multi_head"
    context_dim = units if is_multi_head else outputs_dim
    is_parallel = config.wiring == "parallel"
    count = (1 if config.tie_embeddings else 3) * V * embedding_dim + V
    for index in range(config.num_encoder_layers):
        inputs_dim = outputs_dim if index else embedding_dim
        count += 2 * count_gru(config, inputs_dim, config.encoder_units)
    count += count_dense(outputs_dim, config.num_decoder_layers * units)
    dims = [embedding_dim] + [units] * (config.num_decoder_layers - 1)
    dims[1 if is_parallel else 0] += context_dim
    count += sum(count_gru(config, inputs_dim, units) for inputs_dim in dims)
    count += count_attention(config, outputs_dim)
    return count + count_dense(units + context_dim, embedding_dim)


@all_variants
def test_number_of_parameters(options):
    """Catches: a layer that is missing or made twice, an input of another width."""
    model = make_model(**options)
    num_parameters = sum(np.prod(v.shape) for v in model.trainable_variables)
    assert num_parameters == count_expected(make_config(**options))


@pytest.mark.parametrize("name", ["default", "classic", "deep", "normalised"])
def test_padding_of_the_source_changes_nothing(name):
    """Catches: a mask that is lost between two layers."""
    model = make_model(**VARIANTS[name])
    padded = np.pad(SOURCE_IDS, [(0, 0), (0, 3)])
    np.testing.assert_allclose(logits_of(model, padded), logits_of(model), atol=1e-5)


@all_variants
def test_steps_equal_the_pass_of_training(options):
    """Catches: an embedding or an output layer that only one of the paths has."""
    model = make_model(**options)
    memory, state = model.encode(SOURCE_IDS, SOURCE_IDS != 0)
    logits = []
    for position in range(T):
        result = model.step(TARGET_INPUT_IDS[:, position], state, memory)
        state = result.state
        logits.append(result.logits)
    np.testing.assert_allclose(np.stack(logits, 1), logits_of(model), atol=1e-4)
    assert result.logits.dtype == tf.float32
    assert result.attention_weights.shape == (B, S)


@pytest.mark.parametrize("options", [{}, {"tie_embeddings": False}], ids=str)
def test_weights_come_back(tmp_path, options):
    """Catches: a layer that is not tracked; names that depend on what was built."""
    model, other = make_model(seed=1, **options), make_model(seed=2, **options)
    save_weights(model, tmp_path / "w.npz")
    load_weights(other, tmp_path / "w.npz")
    np.testing.assert_array_equal(logits_of(model), logits_of(other))


def test_weights_of_another_network_do_not_load(tmp_path):
    save_weights(make_model(), tmp_path / "w.npz")
    with pytest.raises(UserError, match="does not fit the network"):
        load_weights(make_model(wiring="classic"), tmp_path / "w.npz")


def test_variable_names_do_not_depend_on_the_process():
    """Catches: names that count up, as Keras' own do: seq2_seq_1."""
    first, second = (variable_arrays(make_model().variables) for _ in range(2))
    assert list(first) == list(second)


def test_tied_embeddings_are_one_matrix():
    """Catches: a copy where one matrix is meant."""
    tied, untied = make_model(), make_model(tie_embeddings=False)
    names = [v.path.split("/")[-1] for v in tied.trainable_variables]
    assert names.count("embeddings") == 1
    matrices = (
        untied.source_embedding.embeddings,
        untied.target_embedding.embeddings,
        untied.output_embedding.embeddings,
    )
    assert len({id(matrix) for matrix in matrices}) == 3


@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_logits_equal_numpy(tie_embeddings):
    """Catches: the matrix of the wrong side, a lost bias."""
    model = make_model(tie_embeddings=tie_embeddings)
    features = np.random.default_rng(3).normal(size=(B, T, 6)).astype("float32")
    embedding = model.output_embedding
    expected = features @ embedding.embeddings.numpy().T + embedding.output_bias.numpy()
    np.testing.assert_allclose(model.to_logits(features), expected, atol=1e-5)


def test_embeddings_are_scaled_by_the_root_of_their_width():
    """Catches: vectors a tenth as large as the layers above expect."""
    embedding = TokenEmbedding(200, 64)
    embedding.build()
    vectors = embedding(np.arange(200)).numpy()
    np.testing.assert_allclose(vectors, embedding.embeddings.numpy() * 8, rtol=1e-6)
    assert 0.9 < vectors.std() < 1.1


def test_dropout_is_for_training():
    """Catches: a `training` argument that the network does not pass on."""
    model = make_model(dropout=0.5)
    call = (SOURCE_IDS, SOURCE_IDS != 0, TARGET_INPUT_IDS)
    still = [model(*call).features.numpy() for _ in range(2)]
    moving = [model(*call, training=True).features.numpy() for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert not np.allclose(*moving)


def test_a_source_without_its_mask_is_refused():
    """Catches: a mask of another batch that broadcasts in silence."""
    with pytest.raises(ValueError):
        make_model().encode(SOURCE_IDS, SOURCE_IDS[:, :1] != 0)
