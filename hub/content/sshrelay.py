"""
What git runs instead of ``ssh``: hands the conversation to the hub, which holds the key and the connection.

A program of its own, of the standard library alone, so that it starts in milliseconds: ``sshrelay.py [-p PORT]
[-o OPTION] [-4|-6] [USER@]HOST COMMAND``. The socket to the hub is named by ``HUB_GIT_SSH``.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading

_CHUNK = 1 << 16
_FAILED = 255  # as ssh ends when there is no connection


def main(arguments: list[str]) -> int:
    """Ask the hub for the connection, then copy both ways until it closes."""
    port = 22
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option in {"-p", "-o"}:
            value = arguments.pop(0)
            port = int(value) if option == "-p" else port
    host, command = arguments
    link = socket.socket(socket.AF_UNIX)
    link.connect(os.environ["HUB_GIT_SSH"])
    ask = {"host": host, "port": port, "command": command, "protocol": os.environ.get("GIT_PROTOCOL", "")}
    link.sendall(json.dumps(ask).encode() + b"\n")
    if link.recv(1) != b"+":
        return _FAILED
    threading.Thread(target=_send, args=(link,), daemon=True).start()
    while data := link.recv(_CHUNK):
        _write(data)
    return 0


def _send(link: socket.socket) -> None:
    try:
        while data := os.read(0, _CHUNK):
            link.sendall(data)
        link.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the hub has closed: the other direction tells git


def _write(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
