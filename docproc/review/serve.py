"""Running the web application."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from docproc.errors import DependencyError, OutputError
from docproc.store import FormulaStore


def serve(
    database: Path, host: str, port: int, reviewer: str, tell: Callable[[str], None], *, is_read_only: bool = False
) -> None:
    """Serve until interrupted.

    Args:
        database: Brought up to date if its schema is older.
        host: Address to bind to; beyond loopback everybody must have the token of the printed address.
        port: 0 takes a free one.
        reviewer: Name that corrections are kept under.
        tell: Takes the address.
        is_read_only: People look and search, and change nothing.

    Raises:
        DependencyError: Starlette, Uvicorn or Jinja is not installed.
        OutputError: The address cannot be bound, or the database not be written.
    """
    try:
        import uvicorn

        from docproc.review.app import create_app
        from docproc.review.security import Guard
    except ImportError as error:
        raise DependencyError(
            f"docproc review needs {error.name}, which is not installed. pip install 'docproc[review]'"
        ) from error
    FormulaStore.open(database).close()
    guard = Guard(host, is_read_only)
    with contextlib.closing(_bound(host, port)) as bound:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{bound.getsockname()[1]}/"
        tell(f"{address}?token={guard.token}" if guard.is_open else address)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = uvicorn.Config(
            create_app(database, reviewer, guard), log_level="warning", access_log=False, server_header=False
        )
        uvicorn.Server(config).run(sockets=[bound])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen()  # whoever opens the printed address at once waits, and is not refused
    except OSError as error:
        bound.close()
        raise OutputError(
            f"{host}:{port} cannot be bound: {error.strerror}. Choose another --port; 0 takes a free one."
        ) from error
    return bound
