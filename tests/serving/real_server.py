"""An app on a real port, for tests of what only happens between two sockets."""

import socket
import threading
import time
from contextlib import contextmanager

import uvicorn

from translator.serving.protocol import patient_protocol


@contextmanager
def real_server(app):
    """Serves an app from a thread; yields its host and port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=patient_protocol(app.state.service.limits.body_seconds),
        log_config=None,
        log_level="warning",
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def wait_until(is_true, seconds=10):
    """Waits for what another thread does; says whether it was done in time."""
    deadline = time.monotonic() + seconds
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_true()
