"""What keeps strangers out: host names, a token beyond loopback, a secret in every form, and headers."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_CHECK = "/check"
"""Is posted, as LaTeX may be long, and changes nothing."""
COOKIE = "docproc_token"
MOST_BODY_BYTES = 200_000
"""Of a request: the longest LaTeX has 10,000 characters."""
# No inline script or style can run: boxes are SVG, and KaTeX sets its styles through the DOM.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Guard:
    """Secrets of one server process."""

    host: str
    """Address that the server binds to."""
    is_read_only: bool = False
    """Look and search, but change nothing."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """Stands in every form; a page of another origin cannot read it."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def is_open(self) -> bool:
        """Bound to more than loopback: everybody must show the token."""
        return self.host not in LOOPBACK

    def knows(self, csrf: str) -> bool:
        """Whether a form is one of ours."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class GuardMiddleware:
    """Refuses foreign host names and requests without token, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.app, self.guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope), scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                is_static = scope["path"].startswith("/static/")
                headers.setdefault("cache-control", "private, max-age=3600" if is_static else "no-store")
            await send(message)

        taken = 0

        async def receive_limited() -> Message:
            # A body that comes in chunks announces no length.
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BODY_BYTES:
                raise HTTPException(413, "The request is too large.")
            return message

        await (refusal or self.app)(scope, receive_limited, send_with_headers)

    def _refusal(self, headers: Headers, scope: Scope) -> ASGIApp | None:
        name = _host_name(headers.get("host", ""))
        if not self.guard.is_open and name not in LOOPBACK:
            # A page elsewhere may have its name resolve to this machine (DNS rebinding).
            return PlainTextResponse("This address is served on loopback only.", 421)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > MOST_BODY_BYTES:
            return PlainTextResponse("The request is too large.", 413)
        if self.guard.is_read_only and scope["method"] not in ("GET", "HEAD") and scope["path"] != _CHECK:
            return PlainTextResponse("This review is for reading only.", 403)
        if not self.guard.is_open:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if given and self._is_token(given):
            answer = RedirectResponse(scope["path"], 303)
            answer.set_cookie(COOKIE, given, httponly=True, samesite="strict")
            return answer
        if self._is_token(cookie_parser(headers.get("cookie", "")).get(COOKIE, "")):
            return None
        return PlainTextResponse("Open the address that docproc review printed: it holds a token.", 403)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(self.guard.token.encode(), given.encode("utf-8", "replace"))


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
