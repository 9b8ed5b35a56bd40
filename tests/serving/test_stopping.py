"""SIGTERM: a real process answers what it was asked, and takes nothing more."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from echo_server import start_server


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_under_way_is_answered_and_new_ones_are_refused(stream):
    """Catches: answers that are cut off; a server that takes work while it stops."""
    process, address = start_server()
    body = {"text": "A slow one. Two.", "stream": stream}
    with ThreadPoolExecutor(1) as pool, httpx.Client(timeout=60) as idle:
        assert idle.get(f"{address}health").status_code == 200
        asked = pool.submit(httpx.post, f"{address}v1/translate", json=body, timeout=60)
        time.sleep(0.7)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        for client in (idle, httpx):
            with pytest.raises(httpx.TransportError):
                client.post(f"{address}v1/translate", json={"text": "Late."})
        answer = asked.result(60)
    output, errors = process.communicate(timeout=60)
    assert answer.status_code == 200 and ".eno wols A" in answer.text
    assert ("event: done" in answer.text) == stream
    assert (process.returncode, output, errors) == (0, "", "")


def test_an_open_page_does_not_hold_it_up():
    """Catches: seconds of waiting, and a traceback, at each Ctrl-C with a page open."""
    process, address = start_server()
    heartbeat = f"{address}gradio_api/heartbeat/somebody"
    with httpx.stream("GET", heartbeat, timeout=60) as page:
        assert next(page.iter_lines()) == "data: ALIVE"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=4)
    assert (process.returncode, output, errors) == (0, "", "")
