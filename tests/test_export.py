"""The SavedModel: text in and text out, without this package."""

import json
import pickle
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow_text", reason="no tensorflow-text on this platform")
import keras
import tensorflow as tf
from copy_network import CopyTranslator
from tensorflow.core.protobuf import saved_model_pb2

from translator.checkpoints import saved_versions
from translator.errors import UserError
from translator.export import (
    SavedModelTranslator,
    ServingModule,
    export_saved_model,
)
from translator.inference import Translator
from translator.loading import load_translator
from translator.placeholders import PLACEHOLDERS
from translator.search import Hypotheses
from translator.tokenizer import pad_ids

SENTENCES = ["The red house.", "Where did you leave my keys?", "Nobody"]
HARD_TEXTS = [
    "Ca\u0301rlos\u00a0cantó; el nin\u0303o,\u202ftambién.",
    "👩‍👩‍👧 👋🏽!",
    "He wrote </s> and <s>, <pad>, ▁ and ⁇.",
    "\ttwo\u3000 spaces\u200b \ufeffand\u2028lines\x00 ",
    "Привет, 世界 مرحبا",
    "7" * 60,
    "",
    " \t\u00a0",
    "The red house. Nobody sings!\n\n  I DON'T DRINK COFFEE. \r\n*** ",
    "The Train Leaves At 7:45, " * 20,
]
NO_UTF8 = [b"caf\xe9 \xff", b"a\xe2\x82 b", b"\xed\xa0\x80 c", b" \xff\xc2\xa0 d"]


@pytest.fixture(scope="module")
def saved_model_dir(translator, tmp_path_factory):
    """The first version of the exported `translator`."""
    return export_saved_model(translator, tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def loaded(saved_model_dir):
    return SavedModelTranslator.load(saved_model_dir)


# Reads batches of hexadecimal bytes; writes translations alike, and scores.
PROGRAM = """
import json, sys
sys.modules["translator"] = None  # Whoever imports it gets an ImportError.
import tensorflow as tf
import tensorflow_text
model = tf.saved_model.load(sys.argv[1])
answers = []
for batch in json.load(sys.stdin):
    text = tf.constant([bytes.fromhex(text) for text in batch], tf.string)
    outputs = model.signatures["serving_default"](text=text)
    translations = [text.hex() for text in outputs["translation"].numpy()]
    answers.append([translations, outputs["score"].numpy().tolist()])
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def answers_of_another_process(saved_model_dir, tmp_path_factory):
    """Answers to a batch of one, of three, of none, and of hard bytes."""
    batches = [
        [text.encode() for text in batch]
        for batch in (SENTENCES[:1], SENTENCES, [], HARD_TEXTS)
    ]
    batches.append(NO_UTF8)
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(saved_model_dir)],
        input=json.dumps([[text.hex() for text in batch] for batch in batches]),
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return [
        ([bytes.fromhex(text).decode() for text in translations], scores)
        for translations, scores in json.loads(result.stdout)
    ]


@pytest.mark.parametrize(
    ("number", "sentences"),
    [
        (0, SENTENCES[:1]),
        (1, SENTENCES),
        (2, []),
        (3, HARD_TEXTS),
        (4, [text.decode("utf-8", "replace") for text in NO_UTF8]),
    ],
    ids=["one", "three", "none", "hard", "no_utf8"],
)
def test_another_process_without_our_package(
    translator, answers_of_another_process, number, sentences
):
    """Catches: a fixed batch size, a custom class, a tokenizer left behind; a
    normalisation that differs from Python's; sentences that go missing."""
    translations, scores = answers_of_another_process[number]
    expected = translator.translate(sentences)
    assert translations == [translation.text for translation in expected]
    expected_scores = [translation.score for translation in expected]
    np.testing.assert_allclose(scores, expected_scores, atol=1e-4)


def assert_same(ours, theirs):
    """Two `SentenceTranslation`s are the same, in all their parts."""
    assert ours.source_text == theirs.source_text
    assert ours.source_tokens == theirs.source_tokens
    for our, their in zip(ours.hypotheses, theirs.hypotheses, strict=True):
        assert (our.text, our.tokens) == (their.text, their.tokens)
        assert our.is_finished == their.is_finished
        assert our.score == pytest.approx(their.score, abs=1e-4)
        assert our.log_prob == pytest.approx(their.log_prob, abs=1e-3)
        for name in ("attention_weights", "token_log_probs"):
            np.testing.assert_allclose(
                getattr(our, name), getattr(their, name), atol=1e-4
            )


def test_it_stands_in_for_the_translator(translator, loaded):
    """Catches: padding taken for tokens, ranks or rows mixed up."""
    texts = ["The red house. Nobody sings!\n\n  I don't. ", "", "\ud800 Where?"]
    for ours, theirs in zip(
        loaded.translate(texts, num_hypotheses=3),
        translator.translate(texts, num_hypotheses=3),
        strict=True,
    ):
        assert ours.text == theirs.text
        for our, their in zip(ours.sentences, theirs.sentences, strict=True):
            assert_same(our, their)
    for name in ("name", "source_language", "target_language", "card", "search"):
        assert getattr(loaded, name) == getattr(translator, name)
    assert loaded.is_search_fixed and not translator.is_search_fixed


def test_a_saved_model_is_pickled_as_its_version(saved_model_dir):
    """Catches: the folder of all versions, which is none of them."""
    saved = load_translator(saved_model_dir.parent)
    assert pickle.loads(pickle.dumps(saved)).name == saved.name


def test_the_other_signatures(translator, saved_model_dir):
    """Catches: another rank's tokens or attention, ids without their end."""
    signatures = tf.saved_model.load(str(saved_model_dir)).signatures
    assert set(signatures) == {
        "serving_default",
        "translate_nbest",
        "translate_with_attention",
        "translate_ids",
    }
    seen = signatures["translate_with_attention"](text=tf.constant(SENTENCES))
    rows = translator.tokenizer.encode_batch(SENTENCES)
    ids = signatures["translate_ids"](source_ids=tf.constant(pad_ids(rows)))
    for row, expected in enumerate(translator.translate_sentences(SENTENCES)):
        best = expected.hypotheses[0]
        assert seen["translation"][row].numpy().decode() == best.text
        assert float(seen["score"][row]) == pytest.approx(best.score, abs=1e-4)
        tokens = [t.decode() for t in seen["tokens"][row].numpy() if t]
        source_tokens = [t.decode() for t in seen["source_tokens"][row].numpy() if t]
        assert (tokens, source_tokens) == (best.tokens, expected.source_tokens)
        weights = seen["attention_weights"][row, : len(tokens), : len(source_tokens)]
        np.testing.assert_allclose(weights, best.attention_weights, atol=1e-4)
        own = [token for token in ids["ids"][row].numpy() if token]
        assert translator.tokenizer.tokens(own) == best.tokens
        assert float(ids["score"][row]) == pytest.approx(best.score, abs=1e-4)


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_smaller_weights_are_stored_and_unpacked(
    translator, saved_model_dir, tmp_path, kind
):
    """Catches: weights stored in float32 beside the small ones; a scale of another
    channel; constants in the graph in place of variables.
    """
    path = export_saved_model(translator, tmp_path, weights=kind)
    full, small = (
        sum(file.stat().st_size for file in (folder / "variables").iterdir())
        for folder in (saved_model_dir, path)
    )
    assert full > 1.5 * small
    module = ServingModule(translator, kind)
    for weight, variable in zip(module.weights, translator.model.weights, strict=True):
        numbers, bound = variable.numpy(), 1e-3 * np.abs(variable.numpy()) + 1e-6
        if kind == "int8":
            # Half a step; a step is at most the largest of all over 127.
            bound = np.abs(numbers).max() / 254 + 1e-6
        assert (np.abs(weight.unpack() - numbers) <= bound).all()
    ours = SavedModelTranslator.load(path).translate_sentences(SENTENCES)
    for our, their in zip(ours, translator.translate_sentences(SENTENCES), strict=True):
        assert our.hypotheses[0].score == pytest.approx(
            their.hypotheses[0].score, abs=0.05
        )


def test_warm_up_requests_are_what_a_server_reads(saved_model_dir, translator):
    """Catches: a field of another number or type, a signature that is not there."""
    prediction_log_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2",
        reason="needs tensorflow-serving-api",
    )
    path = saved_model_dir / "assets.extra" / "tf_serving_warmup_requests"
    signatures = tf.saved_model.load(str(saved_model_dir)).signatures
    asked = set()
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == translator.name
        assert set(request.inputs) == {"text"}
        text = tf.make_ndarray(request.inputs["text"])
        name = request.model_spec.signature_name
        assert len(signatures[name](text=tf.constant(text)))
        asked.add(name)
    assert asked == set(signatures) - {"translate_ids"}


def test_the_documented_client_of_a_server(translator, saved_model_dir, capsys):
    """Catches: a name or a type that the messages of TensorFlow Serving do not have."""
    grpc = pytest.importorskip("grpc")
    name = "tensorflow_serving.apis.prediction_service_pb2_grpc"
    services = pytest.importorskip(name, reason="needs tensorflow-serving-api")
    from tensorflow_serving.apis.predict_pb2 import PredictResponse

    signatures = tf.saved_model.load(str(saved_model_dir)).signatures

    class Service(services.PredictionServiceServicer):
        def Predict(self, request, context):
            assert request.model_spec.name == "en-es"
            text = tf.constant(tf.make_ndarray(request.inputs["text"]))
            outputs = signatures[request.model_spec.signature_name](text=text)
            protos = {n: tf.make_tensor_proto(t.numpy()) for n, t in outputs.items()}
            return PredictResponse(outputs=protos)

    server = grpc.server(ThreadPoolExecutor(1))
    services.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    document = Path(__file__).parents[1] / "docs" / "serving.md"
    [code] = re.findall(r"```python\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
    exec(code.replace("localhost:8500", f"127.0.0.1:{port}"), {})
    server.stop(None).wait()
    [expected] = translator.translate(["Where is the station? I am late."])
    assert capsys.readouterr().out == f"{expected.text}\n"


def test_many_sentences_keep_their_order(translator, loaded, monkeypatch):
    """Catches: answers in the order of length; a last batch that is lost."""
    monkeypatch.setattr("translator.export._BATCH_SIZE", 2)
    sentences = ["Nobody sings in the morning.", "", "We", "The train leaves.", "I do"]
    for ours, theirs in zip(
        loaded.translate_sentences(sentences),
        translator.translate_sentences(sentences),
        strict=True,
    ):
        assert_same(ours, theirs)
    assert loaded.translate_sentences([]) == loaded.translate([]) == []


PROTECTED_TEXTS = [
    "See www.example.com.  Is Oyelaran on Thursday at\u00a0me@example.net?\nNo.",
    "👩‍👩‍👧",
    "GO TO www.Example.com! Where Is It On a_b1?",
    "We ate 345 🍐 of 6789 with Oyelaran.",
    "It cost 24,100.5 at a_b, or 24.100,5. 1,000!",
    "x\u200b1 🍐  1,234",
    "We ate २०२४ of ٣٤٥٦. 我有3本书。今天是2024年。",
    "Oyelaran met Dr. Ọlọ́run and May.",
    "a_1 b_2 c_3 d_4 e_5",
    f"The {PLACEHOLDERS[1]} house on 1234.",
    " http://example.org/a \n",
    "Nobody",
    '(GO TO www.Example.com!) "Is it “on” a_b1? No."',
    f"{'We sang, ' * 28}I.",  # more than 200 characters, and within what it knows
    "",
]


@pytest.fixture(scope="module")
def protecting(make_run):
    """A translator with placeholders; its weights are random."""
    languages = {"source_language": "en", "target_language": "es"}
    return Translator.load(make_run(placeholders=0.5, **languages))


@pytest.fixture(scope="module")
def protecting_dir(protecting, tmp_path_factory):
    return export_saved_model(protecting, tmp_path_factory.mktemp("exports"))


def test_a_network_that_loses_placeholders(protecting, protecting_dir):
    """Catches: names that the graph does not find, or that training translated; a
    second translation that differs, or in another one's place."""
    expected = [found.text for found in protecting.translate(PROTECTED_TEXTS)]
    loaded = SavedModelTranslator.load(protecting_dir)
    assert [found.text for found in loaded.translate(PROTECTED_TEXTS)] == expected
    serve = tf.saved_model.load(str(protecting_dir)).signatures["serving_default"]
    found = serve(text=tf.constant(PROTECTED_TEXTS))["translation"].numpy()
    assert [text.decode() for text in found] == expected


def test_a_long_text_is_searched_in_batches(protecting, monkeypatch):
    """Catches: sentences in the order of their length; a last batch that is lost; an
    answer that depends on who is in a batch."""
    monkeypatch.setattr("translator.export._BATCH_SIZE", 4)
    module = ServingModule(protecting)
    texts = [" ".join(PROTECTED_TEXTS), "", PROTECTED_TEXTS[0], *PROTECTED_TEXTS[::-1]]
    expected = protecting.translate(texts)
    for number in (1, len(texts)):
        found = module.translate(tf.constant(texts[:number]))
        for own, text, score in zip(
            expected, found["translation"].numpy(), found["score"].numpy(), strict=False
        ):
            assert text.decode() == own.text
            assert score == pytest.approx(own.score, abs=1e-4)


@pytest.mark.parametrize("rule", [{}, {"first": True}, {"inner": False}])
def test_a_network_that_copies(protecting, monkeypatch, rule):
    """Catches: the best hypothesis taken though it lost a thing, things in the wrong
    order or in capitals, what is only copied asked of the network."""
    [second, third, space] = protecting.tokenizer.ids([*PLACEHOLDERS[1:3], "▁"])

    def copy(model, source_ids, search):
        """The best hypothesis loses the second placeholder; all lose the third."""
        kept = tf.where(source_ids == third, space, source_ids)
        ids = tf.stack([tf.where(kept == second, space, kept), kept], axis=1)
        scores = tf.zeros_like(ids[..., 0], tf.float32)
        nothing = tf.zeros_like(ids, tf.float32)
        return Hypotheses(
            ids, ids[..., 0], scores, scores, scores == 0, nothing, nothing[..., None]
        )

    monkeypatch.setattr("translator.export.search_translations", copy)
    rule = protecting.capital_rule._replace(**rule)
    monkeypatch.setattr(protecting, "capital_rule", rule)
    module = ServingModule(protecting)
    found = module.translate(tf.constant(PROTECTED_TEXTS))["translation"].numpy()
    theirs = CopyTranslator(PLACEHOLDERS[2], "en", protecting.capital_rule)
    expected = theirs.translate(PROTECTED_TEXTS)
    assert [text.decode() for text in found] == [own.text for own in expected]


def test_a_seed_set_later_does_no_harm(loaded):
    """Catches: a tokenizer of the session, which a new seed destroys."""
    before = loaded.translate(SENTENCES)
    keras.utils.set_random_seed(3)
    after = loaded.translate(SENTENCES)
    assert [t.text for t in after] == [t.text for t in before]


def error_of(call, *arguments, **options):
    """The one line that the user gets to see."""
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_other_search_options_are_refused(loaded):
    """Catches: options that are dropped in silence."""
    other = loaded.search.model_copy(update={"beam_size": 2})
    assert "beam_size=2" in error_of(loaded.translate, ["Hi"], search=other)
    same = loaded.search.model_copy()
    assert loaded.translate(["Hi"], search=same)[0].sentences
    assert "Received: 4" in error_of(loaded.translate, ["Hi"], num_hypotheses=4)


def test_versions_count_up_and_are_never_overwritten(translator, tmp_path, monkeypatch):
    """Catches: somebody's files deleted, a version that changes under a server; other
    folders, or half a version, taken for one.
    """
    monkeypatch.setattr(tf.saved_model, "save", fake_save)
    model_dir = tmp_path / "out" / translator.name
    assert export_saved_model(translator, tmp_path / "out") == model_dir / "1"
    for name in ("7", "x9", ".12.part"):
        (model_dir / name).mkdir()
    assert export_saved_model(translator, tmp_path / "out", 9) == model_dir / "9"
    assert export_saved_model(translator, tmp_path / "out") == model_dir / "10"
    assert saved_versions(model_dir) == [1, 9, 10]
    for version in (7, 9):
        message = error_of(export_saved_model, translator, tmp_path / "out", version)
        assert f"{version} exists, and a version never changes" in message
    (tmp_path / "mine.txt").write_text("mine")
    message = error_of(export_saved_model, translator, tmp_path / "mine.txt")
    assert "is a file" in message and (tmp_path / "mine.txt").read_text() == "mine"


def fake_save(module, path, signatures, options):
    Path(path).mkdir(parents=True)
    (Path(path) / "saved_model.pb").touch()


def test_a_folder_that_cannot_be_written(translator, tmp_path, monkeypatch):
    """Catches: TensorFlow's own error, which is no OSError, as a traceback."""

    def fail(module, path, **options):
        raise tf.errors.PermissionDeniedError(None, None, "variables; Read-only")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    message = error_of(export_saved_model, translator, tmp_path / "new")
    assert message.startswith("cannot write") and "Read-only" in message
    assert list((tmp_path / "new").iterdir()) == []


def test_a_failure_leaves_nothing(translator, tmp_path, monkeypatch):
    """Catches: half of a SavedModel that looks like a whole one."""

    def fail(module, path, **options):
        fake_save(module, path, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        export_saved_model(translator, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_tensorflow_text(translator, saved_model_dir, tmp_path, monkeypatch):
    """Catches: a traceback where there is no wheel."""
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    message = error_of(export_saved_model, translator, tmp_path / "new")
    assert "needs tensorflow-text, which is not installed" in message
    assert error_of(SavedModelTranslator.load, saved_model_dir) == message


def cut_graph(path):
    graph = path / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:1000])


def remove_variables(path):
    shutil.rmtree(path / "variables")


def remove_facts(path):
    shutil.rmtree(path / "assets.extra")


def list_for_facts(path):
    (path / "assets.extra" / "translator.json").write_text("[]")


@pytest.mark.parametrize(
    "damage", [cut_graph, remove_variables, remove_facts, list_for_facts]
)
def test_damaged_saved_model(saved_model_dir, tmp_path, damage):
    """Catches: TensorFlow's traceback, or its many lines, for a half copied folder."""
    path = tmp_path / "copy"
    shutil.copytree(saved_model_dir, path)
    damage(path)
    message = error_of(SavedModelTranslator.load, path)
    assert message.startswith(f"{path} cannot be loaded as a SavedModel of `translator")


def operations_of(saved_model_dir):
    data = (saved_model_dir / "saved_model.pb").read_bytes()
    [graph] = saved_model_pb2.SavedModel.FromString(data).meta_graphs
    functions = graph.graph_def.library.function
    nodes = chain(graph.graph_def.node, *(function.node_def for function in functions))
    names = {function.signature.name for function in functions}
    return {node.op for node in nodes} - names


def test_an_older_server_has_all_operations(saved_model_dir, protecting_dir):
    """Catches: an operation that is newer than TensorFlow Serving, which follows a
    minor version behind. The list is of TensorFlow 2.20 and TensorFlow Text 2.20.
    """
    path = Path(__file__).with_name("operations_of_tensorflow_2_20.txt")
    allowed = {*path.read_text("utf-8").split()}
    assert operations_of(saved_model_dir) <= allowed
    assert operations_of(protecting_dir) <= allowed


def test_the_graph_needs_no_python_and_no_gpu(saved_model_dir):
    """Catches: an operation that other programs and machines do not have."""
    operations = operations_of(saved_model_dir)
    assert "SentencepieceTokenizeOp" in operations
    assert not [op for op in operations if "PyFunc" in op or "Cudnn" in op]
