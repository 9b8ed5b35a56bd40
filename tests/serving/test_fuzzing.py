"""Ten thousand requests that nobody would think of: not one may break the server."""

from contextlib import suppress

import pytest
from echo import Echo

from translator.serving.app import create_app
from translator.serving.service import Limits, Service

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402 - comes with it
from hypothesis.errors import Unsatisfiable  # noqa: E402

_NUM_CASES = 10_000


def send_many(service, max_examples, wanted=""):
    """Sends requests to each operation whose path begins so, good ones and bad ones;
    returns the answers, none of them an error of ours."""
    app = create_app(service)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [result.ok() for result in schema.get_all_operations()]
    operations = [own for own in operations if own.path.startswith(wanted)]
    assert operations
    options = settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    answers = []

    def send(case):
        answer = case.call()
        answers.append(answer)
        assert answer.status_code < 500, case.as_curl_command()

    for operation in operations:
        for mode in schemathesis.GenerationMode:
            cases = operation.as_strategy(generation_mode=mode)
            with suppress(Unsatisfiable):  # nothing to get wrong
                options(given(case=cases)(send))()
    service.close()
    return answers


@pytest.mark.slow
def test_no_request_breaks_the_server():
    """Catches: an error of ours for a mistake of the client's, whatever its types,
    lengths and characters; an answer that is no JSON.
    """
    service = Service([Echo(), Echo("es", "en")], Limits(characters=200, texts=5))
    service.warm_up()
    answers = send_many(service, max_examples=1_200)
    assert len(answers) >= _NUM_CASES
    assert {200, 400} <= {answer.status_code for answer in answers}


@pytest.mark.slow
def test_no_look_inside_breaks_the_server(translator):
    """Catches: the same, where there is a network to look into."""
    service = Service([translator], Limits(characters=200, texts=5, beam_size=5))
    answers = send_many(service, max_examples=400, wanted="/v1/translate")
    answers += send_many(
        Service([translator], Limits(characters=200)), 400, "/v1/alternatives"
    )
    texts = [answer.text for answer in answers if answer.status_code == 200]
    for part in ('"tree":', '"gates":', '"attention":', '"log_prob":', "event: done"):
        assert any(part in text for text in texts), part
