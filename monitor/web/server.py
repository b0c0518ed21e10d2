"""Runs the application under uvicorn until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable
from threading import Event, Thread

import uvicorn
from starlette.types import ASGIApp

from monitor.errors import Permanent

GRACE_S = 10


def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    stopped: Event,
    listening: Callable[[str], None] = lambda _address: None,
    relays: bool = False,
) -> None:
    """Answer requests until ``stopped`` is set; those under way are finished, for at most 10 s.

    uvicorn runs in a thread of its own, where it leaves signals alone: whoever handles SIGTERM sets ``stopped``.

    Args:
        app: what answers.
        host: a name or an address of this machine.
        port: 0 takes a free one.
        stopped: set from anywhere, also by a signal handler.
        listening: told the address once connections are taken.
        relays: the app passes on the answers of another server, with the date of that; it is told of start and end, for
            it holds connections.

    Raises:
        Permanent: the address can't be bound, or the server ended by itself.
    """
    with bound(host, port) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on" if relays else "off",
            date_header=not relays,
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, args=([listener],), name="uvicorn")
        thread.start()
        try:
            listening(address(listener))
            while thread.is_alive() and not stopped.wait(0.2):
                pass
        finally:
            server.should_exit = True
            thread.join()
    if not stopped.is_set():
        raise Permanent(f"the web server on {host}:{port} ended by itself; the log has the reason")


def bound(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on; they wait until the server reads them."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family, backlog=2048)
    except OSError as error:
        raise Permanent(f"web: can't listen on {host}:{port}: {error.strerror or error}") from error


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
