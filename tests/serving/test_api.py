"""The doors of the server: what comes out, and what bad input gets."""

import io
import json
from dataclasses import replace

import pytest
from echo import Echo
from fastapi.testclient import TestClient
from pydantic import ValidationError

from translator.serving.access import RateLimit
from translator.serving.app import create_app
from translator.serving.gathering import Gatherer
from translator.serving.native import TranslationRequest
from translator.serving.service import Limits, Service

LIMITS = Limits(
    characters=100, texts=4, request_characters=350, body_bytes=2_000, hypotheses=5
)


@pytest.fixture
def service():
    service = Service([Echo(), Echo("es", "en"), Echo("en", "fr", True)], LIMITS)
    service.warm_up()
    yield service
    service.close()


@pytest.fixture
def client(service):
    return TestClient(create_app(service), raise_server_exceptions=False)


def error_of(answer, status=400):
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert "\n" not in answer.json()["error"]
    return answer.json()["error"]


# --- LibreTranslate ------------------------------------------------------------------


def ask(client, **body):
    return client.post("/translate", json={"source": "en", "target": "es"} | body)


def test_a_text_and_a_list_have_answers_of_their_own_shape(client):
    assert ask(client, q="abc").json() == {"translatedText": "cba"}
    assert ask(client, q=["ab", "cd. "]).json() == {"translatedText": ["ba", ".dc "]}
    assert ask(client, q="😀").json() == {"translatedText": "😀"}


def test_a_form_is_as_good_as_json(client):
    body = {"q": "ab\r\ncd", "source": "EN", "target": "es", "format": "text"}
    answer = client.post("/translate", data=body)
    assert answer.json() == {"translatedText": "ba\ndc"}


def test_fields_may_stand_in_the_address(client, service):
    """Catches: clients that send a request without a body."""
    fields = {"q": "ab", "source": "en", "target": "es"}
    answer = client.post("/translate", params=fields)
    assert answer.json() == {"translatedText": "ba"}
    answer = client.post("/translate", params=fields, data={"q": "cd"})
    assert answer.json() == {"translatedText": "dc"}
    guarded = TestClient(create_app(service, api_keys=["k"]))
    fields |= {"api_key": "k"}
    assert guarded.post("/translate", params=fields).status_code == 200


def test_codes_may_have_regions():
    """Catches: a model that is listed, and cannot be asked for."""
    service = Service([Echo("en", "pt-BR")])
    service.warm_up()
    client = TestClient(create_app(service))
    for code in ("pt-BR", "pt-br"):
        assert ask(client, q="ab", source="EN", target=code).json() == {
            "translatedText": "ba"
        }
    names = {own["code"]: own["name"] for own in client.get("/languages").json()}
    assert names["en"] == "English"
    service.close()


def test_alternatives_are_others_and_only_on_request(client):
    answer = ask(client, q="ab", alternatives=2).json()
    assert answer == {"translatedText": "ba", "alternatives": ["AB", "ab 0"]}
    assert ask(client, q="ab", alternatives=-1).json() == {"translatedText": "ba"}
    answer = ask(client, q=["ab", "c"], alternatives="1").json()
    assert answer["alternatives"] == [["AB"], ["C"]]
    answer = ask(client, q=" Ab.\n\n*** Cd!\tE. ", alternatives=1).json()
    assert answer["alternatives"] == [" AB.\n\n*** CD!\tE. "]
    # Beyond the beam of a search that is fixed there are no more.
    answer = ask(client, q="ab", alternatives=4, target="fr").json()
    assert len(answer["alternatives"]) == 3


def test_the_language_is_detected_on_request(client):
    answer = ask(client, q="¿Dónde está la biblioteca?", source="auto", target="en")
    assert answer.json()["detectedLanguage"]["language"] == "es"
    assert answer.json()["detectedLanguage"]["confidence"] > 50
    answer = ask(client, q=["Where is the library?", "No."], source="auto").json()
    assert [d["language"] for d in answer["detectedLanguage"]] == ["en", "en"]
    [detected] = client.post("/detect", json={"q": "Where is the house?"}).json()
    assert detected["language"] == "en"
    assert client.post("/detect", json={"q": "12 😀"}).json() == [
        {"confidence": 0.0, "language": "en"}
    ]


@pytest.mark.parametrize("text", ["Hello!", "Menu", "Taxi", "12", "hi"])
def test_a_word_is_of_a_language_that_can_be_translated(client, text):
    """Catches: "Spanish is not available from Spanish", for a word that may be of any
    language; capitals of AUTO."""
    answer = ask(client, q=text, source="AUTO", target="es").json()
    assert answer["detectedLanguage"]["language"] == "en"
    assert answer["translatedText"] == text[::-1]
    answer = ask(client, q=text, source="auto", target="en").json()
    assert answer["detectedLanguage"]["language"] == "es"


def test_the_language_is_that_of_the_text_and_not_of_its_tags(client):
    """Catches: Spanish that is left as it is, for its English comments and styles."""
    q = "<!-- What we show to the user --><p title='Hello'>Buenos días.</p>"
    answer = ask(client, q=q, source="auto", target="en", format="html").json()
    assert answer["detectedLanguage"]["language"] == "es"
    assert answer["translatedText"].endswith("<p title='Hello'>.saíd soneuB</p>")


def test_what_is_in_the_target_language_stays(client):
    texts = ["¿Dónde está la biblioteca?", "La casa es muy bonita."]
    answer = ask(client, q=texts, source="auto", target="es", alternatives=1).json()
    assert answer["translatedText"] == texts
    assert answer["detectedLanguage"][0]["language"] == "es"
    assert answer["alternatives"] == [[], []]
    told = error_of(ask(client, q=texts, source="auto", target="xx"))
    assert told == "xx is not supported"


def test_a_language_is_its_own_translation(client):
    """Catches: "English is not available from English"."""
    answer = ask(client, q=["Hello.", " b"], source="es").json()
    assert answer == {"translatedText": ["Hello.", " b"]}
    assert error_of(ask(client, q="a", source="xx", target="xx")).startswith("xx is")


def test_a_language_that_cannot_be_translated_is_named(service):
    """Catches: French taken for English, as there are English models alone, and
    translated to nonsense."""
    client = TestClient(create_app(service))
    q = "Je voudrais bien savoir où se trouve la gare."
    told = error_of(ask(client, q=q, source="auto", target="es"))
    assert told.endswith("target language from French (fr)")
    assert ask(client, q="Chat", source="auto", target="es").status_code == 200


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("", "http://testserver/download_file/"),
        ("/t/", "http://testserver/t/download_file/"),
        ("https://example.org/t", "https://example.org/t/download_file/"),
    ],
)
def test_a_path_of_a_proxy_is_in_all_addresses(service, root, expected):
    """Catches: the address of a file that leads past the proxy; a path that is called
    like a door of ours, whose requests find nothing."""
    client = TestClient(create_app(service, root_path=root))
    fields = {"source": "en", "target": "es"}
    files = {"file": ("a.txt", b"ab", "text/plain")}
    answer = client.post("/translate_file", data=fields, files=files).json()
    assert answer["translatedFileUrl"].startswith(expected)
    schema = client.get("/openapi.json").json()
    servers = [{"url": root.rstrip("/")}] if root else None
    assert schema.get("servers") == servers
    client = TestClient(create_app(service, root_path="/translate"))
    assert ask(client, q="ab").json() == {"translatedText": "ba"}


def test_html_keeps_its_tags(client):
    q = '<p class="x">ab &amp; <b>cd</b></p><code>ef</code><br/>'
    answer = ask(client, q=q, format="html").json()["translatedText"]
    assert answer == '<p class="x">&amp; ba <b>dc</b></p><code>ef</code><br/>'


def test_a_client_that_was_not_written_for_us(client, monkeypatch):
    """Catches: shapes that only our own tests can read. `libretranslatepy` as it is."""
    libretranslatepy = pytest.importorskip("libretranslatepy")

    def open_url(request):
        answer = client.request(
            request.get_method(),
            request.full_url,
            content=request.data,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        return io.BytesIO(answer.content)

    monkeypatch.setattr("urllib.request.urlopen", lambda r, **_: open_url(r))
    api = libretranslatepy.LibreTranslateAPI("http://testserver/")
    assert api.translate("abc", "en", "es") == "cba"
    assert api.detect("Where is the library?")[0]["language"] == "en"
    assert {language["code"] for language in api.languages()} == {"en", "es", "fr"}


def test_languages_are_those_that_can_be_translated(client):
    assert client.get("/languages").json() == [
        {"code": "en", "name": "English", "targets": ["es", "fr"]},
        {"code": "es", "name": "Spanish", "targets": ["en"]},
        {"code": "fr", "name": "French", "targets": []},
    ]
    settings = client.get("/frontend/settings").json()
    assert settings["charLimit"] == 100 and not settings["keyRequired"]
    assert settings["language"]["target"] == {"code": "es", "name": "Spanish"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"q": ""}, "Invalid request: missing q parameter"),
        ({"q": "a", "source": None}, "Invalid request: missing source parameter"),
        ({"q": "a", "target": ""}, "Invalid request: missing target parameter"),
        ({"q": "a", "source": "xx"}, "xx is not supported"),
        ({"q": "a", "format": "pdf"}, "pdf format is not supported"),
        (
            {"q": "a", "source": "fr"},
            "Spanish (es) is not available as a target language from French (fr)",
        ),
        (
            {"q": "a", "alternatives": "x"},
            "Invalid request: alternatives parameter is not a number",
        ),
        (
            {"q": "a", "alternatives": 5},
            "Invalid request: alternatives parameter must be <= 4",
        ),
        ({"q": "a" * 101}, "Invalid request: request (101) exceeds text limit (100)"),
        ({"q": ["a"] * 5}, "Invalid request: request (5) exceeds text limit (4)"),
        ({"q": ["a", 1]}, "a text must be a string. Received: int as text 2."),
        ({"q": {"a": 1}}, "a text must be a string. Received: dict as text 1."),
        ({"q": ["<b>a</b>", 3], "format": "html"}, "a text must be a string."),
    ],
)
def test_mistakes_have_the_messages_that_clients_know(client, body, message):
    assert message in error_of(ask(client, **body))


@pytest.mark.parametrize("content", ["[1]", "{", '"a"', "[" * 1_500, "NaN"])
def test_what_is_no_json_object(client, content):
    headers = {"content-type": "application/json"}
    answer = client.post("/translate", content=content, headers=headers)
    assert error_of(answer) == "Invalid JSON format"


# --- /v1 -----------------------------------------------------------------------------


def test_all_that_is_known_on_request(client):
    body = {"text": "one two. three four", "num_hypotheses": 2, "attention": True}
    answer = client.post("/v1/translate", json=body).json()
    assert (answer["model"], answer["source"], answer["target"]) == (
        "en-es",
        "en",
        "es",
    )
    [text] = answer["translations"]
    [sentence] = text["sentences"]
    assert sentence["tokens"] == ["one", "two.", "three", "four"]
    assert [h["text"] for h in sentence["hypotheses"]] == [
        "ruof eerht .owt eno",
        "ONE TWO. THREE FOUR",
    ]
    assert sentence["hypotheses"][0]["attention"] == [[0.25] * 4] * 4
    plain = client.post("/v1/translate", json={"text": ["a", "b"]}).json()
    assert [t["text"] for t in plain["translations"]] == ["a", "b"]
    assert "tokens" not in plain["translations"][0]["sentences"][0]


def test_models_are_found_by_name_or_language(client):
    def used(**body):
        return client.post("/v1/translate", json={"text": "a"} | body).json()["model"]

    assert [model["name"] for model in client.get("/v1/models").json()] == [
        "en-es",
        "es-en",
        "en-fr",
    ]
    assert used() == "en-es"
    assert used(target="fr") == "en-fr"
    assert used(source="es") == "es-en"
    assert used(model="en-fr", source="en") == "en-fr"


def test_search_options_change_the_search(client, service):
    options = {"beam_size": 2, "length_penalty": 0.5}
    client.post("/v1/translate", json={"text": "a", "search": options})
    search = service.find("en-es").translator.calls[-1][1]
    assert (search.beam_size, search.length_penalty) == (2, 0.5)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "text: field required."),
        (
            {"text": 1},
            400,
            "text: input should be a valid string, or input should be a",
        ),
        ({"text": [["a"]]}, 400, "text.0: input should be a valid string."),
        ({"text": "a", "txt": "b"}, 400, "txt: extra inputs are not permitted."),
        ({"text": "a", "model": "xx"}, 404, "no model 'xx'. There are: en-es, es-en"),
        ({"text": "a", "source": "de"}, 404, "no model from 'de'"),
        ({"text": "a", "model": "en-es", "target": "fr"}, 400, "English to Spanish"),
        ({"text": "a", "search": {"beam_size": 99}}, 400, "beam_size"),
        ({"text": "a", "num_hypotheses": 5}, 400, "from 1 to the beam size"),
        ({"text": "a", "num_hypotheses": 6}, 400, "at most 5"),
        ({"text": "a", "num_hypotheses": 0}, 400, "num_hypotheses"),
        ({"text": "a", "target": "fr", "search": {"beam_size": 2}}, 400, "was fixed"),
    ],
)
def test_mistakes_at_our_own_door(client, body, status, message):
    answer = client.post("/v1/translate", json=body)
    assert message in error_of(answer, status)


# --- TensorFlow Serving --------------------------------------------------------------


@pytest.mark.parametrize(
    "instances", [["ab", "c"], [{"text": "ab"}, {"text": "c"}], [{"b64": "YWI="}, "c"]]
)
def test_rows(client, instances):
    answer = client.post("/v1/models/en-es:predict", json={"instances": instances})
    assert answer.json() == {
        "predictions": [
            {"translation": "ba", "score": -0.5},
            {"translation": "c", "score": -0.5},
        ]
    }
    # As curl sends it, and a client that thinks of nothing.
    for kind in ("application/x-www-form-urlencoded", ""):
        again = client.post(
            "/v1/models/en-es:predict",
            content=json.dumps({"instances": instances}),
            headers={"Content-Type": kind} if kind else None,
        )
        assert again.json() == answer.json()


@pytest.mark.parametrize("inputs", [["ab"], "ab", {"text": ["ab"]}, {"text": "ab"}])
def test_columns(client, inputs):
    body = {"signature_name": "serving_default", "inputs": inputs}
    answer = client.post("/v1/models/en-es/versions/1:predict", json=body)
    assert answer.json() == {"outputs": {"translation": ["ba"], "score": [-0.5]}}


def test_more_rows_than_a_request_of_ours_may_have(client):
    body = {"instances": [f"text {n}" for n in range(30)]}
    rows = client.post("/v1/models/en-es:predict", json=body).json()["predictions"]
    assert [row["translation"] for row in rows] == [
        f"text {n}"[::-1] for n in range(30)
    ]


def test_status_and_metadata(client):
    [version] = client.get("/v1/models/en-es").json()["model_version_status"]
    assert (version["version"], version["state"]) == ("1", "AVAILABLE")
    metadata = client.get("/v1/models/en-es/metadata").json()["metadata"]
    signatures = metadata["signature_def"]["signature_def"]
    assert set(signatures["serving_default"]["outputs"]) == {"translation", "score"}


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("xx", {"instances": ["a"]}, 404, "no model 'xx'"),
        ("en-es/versions/2", {"instances": ["a"]}, 404, "no version 2"),
        ("en-es", {"instances": ["a" * 50] * 13}, 400, "350 characters in all"),
        ("en-es", {}, 400, "Received: nothing."),
        ("en-es", {"instances": ["a"], "inputs": ["a"]}, 400, "either instances or"),
        ("en-es", {"instances": "a"}, 400, "must be a list"),
        ("en-es", {"instances": [1]}, 400, "Received: int."),
        ("en-es", {"instances": [{"b64": "!"}]}, 400, "not Base64"),
        ("en-es", {"instances": [{"b64": 3}]}, 400, "not Base64"),
        ("en-es", {"instances": ["a"], "signature_name": "x"}, 400, "signature 'x'"),
        ("en-es", {"instances": ["a"], "colour": 1}, 400, "Received: colour, inst"),
    ],
)
def test_mistakes_of_serving_clients(client, path, body, status, message):
    answer = client.post(f"/v1/models/{path}:predict", json=body)
    assert message in error_of(answer, status)


# --- The whole -----------------------------------------------------------------------


def test_probes(client, service):
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").status_code == 200
    service.is_ready = False
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200


def test_the_documentation_needs_no_other_machine(client):
    """Catches: a page whose script is elsewhere; a route or a field that it lacks."""
    page = client.get("/docs").text
    assert "://" not in page and "<script" not in page
    schema = client.get("/openapi.json").json()
    assert len(schema["paths"]) >= 11
    for path in schema["paths"]:
        assert f"<code>{path}</code>" in page
    for name, own in schema["components"]["schemas"].items():
        assert f'id="{name}"' in page
        for field in own["properties"]:
            assert f"<code>{field}</code>" in page
    assert "<td>string or list of string<td>required<td>A text, or" in page
    for field in ("text_index", "before"):  # of a stream
        assert f"<code>{field}</code>" in page
    status = schema["paths"]["/v1/models/{name}"]["get"]
    assert [own["name"] for own in status["parameters"]] == ["name"]
    assert "503" in status["responses"]
    assert 'id="ErrorAnswer"' in page and "422" not in json.dumps(schema)
    assert client.get("/redoc").status_code == 404


def test_metrics_count_by_route_and_never_by_what_was_typed(client):
    ask(client, q="abc")
    ask(client, q="")
    client.get("/nothing/here")
    client.get("/v1/models/strange-name")
    client.app.state.metrics.count_reload("en-es", False)
    text = client.get("/metrics").text
    assert 'translator_requests_total{route="/translate",status="200"} 1.0' in text
    assert 'translator_reloads_total{model="en-es",result="failed"} 1.0' in text
    assert 'translator_characters_total{model="en-es"} 4.0' in text
    assert "process_resident_memory_bytes" in text
    assert 'translator_requests_total{route="/translate",status="400"} 1.0' in text
    assert 'translator_waiting_characters{model="en-es"} 0.0' in text
    assert "translator_requests_in_progress 1.0" in text  # that for the metrics
    assert "strange" not in text and "nothing" not in text


def test_a_failure_of_ours_tells_nothing(client):
    message = error_of(ask(client, q="crash"), 500)
    assert message == "something went wrong on the server. Its log has the details."


def test_the_log_names_the_route_and_not_what_was_typed(client, caplog):
    """Catches: a line of the log that a client writes."""
    ask(client, q="crash")
    client.post("/v1/models/en-es:predict", json={"instances": ["crash"]})
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0] == "POST /translate failed"
    assert messages[1] == "POST /v1/models/{name}:predict failed"


def test_blank_texts_are_counted(service, client, monkeypatch):
    """Catches: a hundred thousand blank texts in one piece, as they have no characters;
    any number of them."""
    sizes = []
    submit = Gatherer.submit

    def noted(gatherer, texts, *more, **options):
        sizes.append(len(texts))
        return submit(gatherer, texts, *more, **options)

    monkeypatch.setattr(Gatherer, "submit", noted)
    path, limit = "/v1/models/en-es:predict", Limits().request_texts
    instances = [""] * 400
    rows = client.post(path, json={"instances": instances}).json()["predictions"]
    assert [row["translation"] for row in rows] == instances
    assert sum(sizes) == 400
    limits = replace(service.limits, body_bytes=1_000_000, characters=10**9)
    app = create_app(Service([Echo()], limits))
    body = {"instances": [""] * (limit + 1)}
    with TestClient(app) as other:
        message = error_of(other.post("/v1/models/en-es:predict", json=body))
    assert message.startswith(f"a request may have at most {limit:,} texts in all.")


@pytest.mark.parametrize("has_length", [True, False])
def test_large_bodies_are_refused(client, has_length):
    """Catches: a limit that trusts the header, or only reads it."""
    content = json.dumps({"q": "a" * 5_000, "source": "en", "target": "es"}).encode()
    chunks = (content[i : i + 500] for i in range(0, len(content), 500))
    answer = client.post(
        "/translate",
        content=content if has_length else chunks,
        headers={"content-type": "application/json"},
    )
    assert "at most 2,000 bytes" in error_of(answer, 413)


@pytest.mark.parametrize("extra", [{}, {"format": "html"}])
def test_many_texts_together_are_too_much(client, extra):
    """Catches: a request that keeps the server busy for longer than it may take."""
    texts = ["a" * 99] * 4
    told = error_of(ask(client, q=texts, **extra))
    assert told == "Invalid request: request (396) exceeds text limit (350)"
    told = error_of(client.post("/v1/translate", json={"text": texts}))
    assert "at most 350 characters in all. Received: 396." in told


def test_keys_cannot_be_guessed_faster_than_texts_are_sent(service):
    client = TestClient(create_app(service, api_keys=["k"], rate_limit=2))
    answers = [ask(client, q="a", api_key=str(n)).status_code for n in range(4)]
    assert answers == [403, 403, 429, 429]


def test_a_client_has_a_network_of_addresses(service):
    """Catches: a limit that the addresses of one client's IPv6 network pass by."""
    app = create_app(service, rate_limit=2)
    addresses = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"]
    answers = [
        ask(TestClient(app, client=(own, 1)), q="a").status_code
        for own in (*addresses, "10.0.0.1", "10.0.0.2", "10.0.0.3")
    ]
    assert answers == [200, 200, 429, 200, 200, 200, 200]


def test_many_mistakes_are_told_at_once(client):
    """Catches: half a million complaints about one body, which take seconds."""
    body = {"text": [1] * 500}
    with pytest.raises(ValidationError) as caught:
        TranslationRequest(**body)
    assert caught.value.error_count() <= 2
    told = error_of(client.post("/v1/translate", json=body))
    assert told == "text.0: input should be a valid string."


def test_keys_are_asked_for_at_every_door_that_translates(service):
    client = TestClient(create_app(service, api_keys=["k1", "k2"]))
    doors = [
        ("/translate", {"q": "a", "source": "en", "target": "es"}),
        ("/detect", {"q": "a"}),
        ("/v1/translate", {"text": "a"}),
        ("/v1/models/en-es:predict", {"instances": ["a"]}),
        ("/v1/models/en-es/versions/1:predict", {"instances": ["a"]}),
    ]
    for path, body in doors:
        assert error_of(client.post(path, json=body), 403) == "Invalid API key"
        headers = {"authorization": "Bearer k2"}
        assert client.post(path, json=body, headers=headers).status_code == 200
        headers = {"authorization": "Bearer k3"}
        assert client.post(path, json=body, headers=headers).status_code == 403
        if not path.startswith("/v1"):
            body |= {"api_key": "k1"}
            assert client.post(path, json=body).status_code == 200
            body |= {"api_key": "é"}
            assert client.post(path, json=body).status_code == 403
    assert client.get("/frontend/settings").json()["keyRequired"]
    schema = client.get("/openapi.json").json()
    assert schema["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path in ("/translate", "/detect", "/translate_file", "/v1/translate"):
        assert schema["paths"][path]["post"]["security"] == [{"HTTPBearer": []}]
    assert client.get("/health").status_code == 200


def test_who_asks_too_often_is_told_when_to_come_back(service):
    """Catches: a limit that holds for one door alone, or for the probes as well."""
    client = TestClient(create_app(service, rate_limit=2))
    assert ask(client, q="a").status_code == 200
    assert client.post("/v1/translate", json={"text": "a"}).status_code == 200
    for answer in (
        ask(client, q="a"),
        client.post("/v1/translate", json={"text": "a"}),
    ):
        assert error_of(answer, 429) == "Slowdown: at most 2 requests a minute"
        assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert client.get("/health").status_code == 200


def test_tokens_come_back_evenly_to_each_client():
    """Catches: a window that lets all pass at its turn; one bucket for all; memory that
    grows with the clients.
    """
    limit = RateLimit(60)
    assert [limit.take("a", 100.0) for _ in range(60)] == [0.0] * 60
    assert limit.take("a", 100.0) == pytest.approx(1)
    assert limit.take("a", 100.5) == pytest.approx(0.5)
    assert limit.take("b", 100.5) == 0
    assert limit.take("a", 101.0) == 0 and limit.take("a", 101.0) > 0
    assert [limit.take("a", 9_999.0) for _ in range(61)] == [0.0] * 60 + [
        pytest.approx(1)
    ]
    for n in range(20_000):
        limit.take(str(n), 10_000.0)
    assert len(limit._buckets) == 10_000
    assert not any(RateLimit().take("a") for _ in range(1_000))


def test_other_sites_may_ask_only_if_they_were_let_in(service):
    headers = {"origin": "https://example.org"}
    plain = TestClient(create_app(service)).get("/health", headers=headers)
    assert "access-control-allow-origin" not in plain.headers
    app = create_app(service, origins=["https://example.org"])
    answer = TestClient(app).get("/health", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "https://example.org"


def test_every_door_gives_the_same_answer(client):
    text = "  one. Two three?\n\n4 five "
    expected = ask(client, q=text).json()["translatedText"]
    assert expected.startswith("  ") and expected.endswith(" ") and "\n\n" in expected
    native = client.post("/v1/translate", json={"text": text}).json()
    assert native["translations"][0]["text"] == expected
    rows = client.post("/v1/models/en-es:predict", json={"instances": [text]}).json()
    assert rows["predictions"][0]["translation"] == expected
