"""HTTP as uvicorn speaks it, but not for ever with a client that does not."""

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_LOOK_SECONDS = 0.1  # between two looks whether all is answered
_SPARE_SECONDS = 5.0  # for answers that come at the very end of their time


class PatientServer(uvicorn.Server):
    """Answers what it was asked before it stops, and waits for nothing else.

    uvicorn waits for all connections; but that of an open page ends when the page is
    closed.

    Args:
        config: Its options; how long to wait is set here.
        is_idle: Tells whether all requests are answered, but those that never end.
        seconds: That an answer may take.
    """

    def __init__(
        self, config: uvicorn.Config, is_idle: Callable[[], bool], seconds: float
    ):
        config.timeout_graceful_shutdown = seconds + _SPARE_SECONDS
        super().__init__(config)
        self._is_idle = is_idle
        self._seconds = seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no more requests, and returns when those under way are answered."""
        closing = asyncio.create_task(self._close_when_idle())
        try:
            await super().shutdown(sockets)
        finally:
            closing.cancel()

    async def _close_when_idle(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                while not self._is_idle():
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            pass
        for connection in list(self.server_state.connections):
            connection.transport.close()


def patient_protocol(seconds: float) -> type[asyncio.Protocol]:
    """Returns uvicorn's protocol with a time limit for the head of a request, and for a
    client that reads nothing of its answer.

    uvicorn itself waits for both without end. The connection is closed when its first
    head, or one that has begun, is not there in time; bodies are `app`'s to limit.

    Args:
        seconds: Until all of a head has to be there; for which what was sent may stay
            unread while there is more.
    """

    class PatientProtocol(AutoHTTPProtocol):
        """Closes connections on which no head of a request comes to its end, or no
        answer to the client."""

        _late: asyncio.TimerHandle | None = None
        _stuck: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            super().data_received(data)
            if self.cycle is not before:  # there was a head, and it is being answered
                self._expect_nothing()
            elif before is None or before.response_complete:
                self._expect_head()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stuck = self.loop.call_later(seconds, self.transport.abort)

        def resume_writing(self) -> None:
            self._stuck.cancel()
            super().resume_writing()

        def connection_lost(self, error: Exception | None) -> None:
            if self._stuck:
                self._stuck.cancel()
            self._expect_nothing()
            super().connection_lost(error)

        def _expect_head(self) -> None:
            if not self._late:
                self._late = self.loop.call_later(seconds, self._close)

        def _expect_nothing(self) -> None:
            if self._late:
                self._late.cancel()
            self._late = None

        def _close(self) -> None:
            if self.transport.get_protocol() is self:  # else it is a WebSocket now
                self.transport.close()

    return PatientProtocol
