"""HTTP as uvicorn speaks it, but not for ever with a client that does not."""

import asyncio

from uvicorn.protocols.http.auto import AutoHTTPProtocol


def patient_protocol(seconds: float) -> type[asyncio.Protocol]:
    """Returns uvicorn's protocol with a time limit for the head of a request.

    uvicorn itself waits for one without end. The connection is closed when its first
    head, or one that has begun, is not there in time; bodies are `app`'s to limit.

    Args:
        seconds: Until all of a head has to be there.
    """

    class PatientProtocol(AutoHTTPProtocol):
        """Closes connections on which no head of a request comes to its end."""

        _late: asyncio.TimerHandle | None = None

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

        def connection_lost(self, error: Exception | None) -> None:
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
