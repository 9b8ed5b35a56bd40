"""Who may translate, and how often: everybody, or whoever has a key."""

import math
import secrets
import threading
import time
from collections import OrderedDict
from ipaddress import ip_address, ip_network

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer

# Clients that a `RateLimit` remembers; of those it forgot, none has waited long.
_MAX_CLIENTS = 10_000


class RateLimit:
    """Lets each client ask so many times a minute, and that many at once.

    A bucket of tokens for each: a request takes one, and they come back evenly.

    Args:
        per_minute: Tokens of a bucket, and what comes back in a minute; 0: no limit.
    """

    def __init__(self, per_minute: int = 0):
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, client: str, now: float | None = None) -> float:
        """Takes a token; returns 0, or the seconds until there will be one.

        Args:
            client: Its address.
            now: In seconds; default, a clock that never goes back.
        """
        if not self.per_minute:
            return 0.0
        now = time.monotonic() if now is None else now
        with self._lock:
            tokens, then = self._buckets.pop(client, (self.per_minute, now))
            tokens = min(self.per_minute, tokens + (now - then) * self.per_minute / 60)
            wait = 0.0 if tokens >= 1 else (1 - tokens) * 60 / self.per_minute
            self._buckets[client] = (tokens - (not wait), now)
            if len(self._buckets) > _MAX_CLIENTS:
                self._buckets.popitem(last=False)
        return wait


# Only for the documentation: what the header holds is read below.
_bearer = HTTPBearer(auto_error=False, description="A key, where the server needs one.")
TAKES_KEY = Depends(_bearer)


async def require_access(request: Request, _: object = TAKES_KEY) -> None:
    """Lets a request pass that has a key, if one is needed, and comes not too often.

    The key comes in the header `Authorization: Bearer KEY`.

    Raises:
        HTTPException: 403 or 429.
    """
    check_access(request)


def network_of(request: Request) -> str:
    """Returns the address of a client, or of IPv6 the /64 that it has for itself."""
    address = request.client.host if request.client else ""
    try:
        own = ip_address(address)
    except ValueError:
        return address
    return str(own) if own.version == 4 else str(ip_network((own, 64), strict=False))


def check_access(request: Request, key: object = None) -> None:
    """As `require_access`; `key` is one that came another way."""
    state = request.app.state
    # First, so that no key can be guessed.
    if wait := state.rate_limit.take(network_of(request)):
        raise HTTPException(
            429,
            f"Slowdown: at most {state.rate_limit.per_minute} requests a minute",
            {"Retry-After": str(math.ceil(wait))},
        )
    scheme, _, told = request.headers.get("authorization", "").partition(" ")
    given = [told.strip()] if scheme.lower() == "bearer" else []
    given = [str(own).encode(errors="replace") for own in (*given, key or "")]
    known = [key.encode() for key in state.api_keys]
    fits = (secrets.compare_digest(own, key) for own in given for key in known)
    if known and not any(fits):
        raise HTTPException(403, "Invalid API key")
