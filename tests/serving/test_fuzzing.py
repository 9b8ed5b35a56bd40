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
OPTIONS = settings(
    max_examples=1_200,  # of each operation, and of each kind: good and bad
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
def test_no_request_breaks_the_server():
    """Catches: an error of ours for a mistake of the client's, whatever its types,
    lengths and characters; an answer that is no JSON.
    """
    service = Service([Echo(), Echo("es", "en")], Limits(characters=200, texts=5))
    service.warm_up()
    app = create_app(service)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 10
    statuses = []

    def send(case):
        answer = case.call()
        statuses.append(answer.status_code)
        assert answer.status_code < 500, case.as_curl_command()

    for operation in operations:
        for mode in schemathesis.GenerationMode:
            cases = operation.as_strategy(generation_mode=mode)
            with suppress(Unsatisfiable):  # nothing to get wrong
                OPTIONS(given(case=cases)(send))()
    service.close()
    assert len(statuses) >= _NUM_CASES and {200, 400} <= {*statuses}
