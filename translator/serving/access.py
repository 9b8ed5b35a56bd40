"""Who may translate: everybody, or whoever has a key."""

import secrets

from fastapi import HTTPException, Request


async def require_key(request: Request) -> None:
    """Lets a request pass that has one of the server's keys, if there are any.

    The key comes in the header `Authorization: Bearer KEY`.

    Raises:
        HTTPException: 403.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    check_key(request, key.strip() if scheme.lower() == "bearer" else "")


def check_key(request: Request, key: object) -> None:
    """As `require_key`, for a key that came another way."""
    keys = request.app.state.api_keys
    given = str(key or "").encode(errors="replace")
    if keys and not any(secrets.compare_digest(given, k.encode()) for k in keys):
        raise HTTPException(403, "Invalid API key")
