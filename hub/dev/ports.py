"""Free TCP ports on the loopback address, remembered, so that a kubeconfig stays true from one start to the next."""

from __future__ import annotations

import json
import random
import socket
from typing import TYPE_CHECKING

from hub.dev.certs import write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_RANGE = range(20000, 30000)  # below what kernels hand to outgoing connections, and below NodePorts


class Ports:
    """
    Named ports of one cluster.

    Args:
        file: Where they are remembered.
        names: What they are for.
    """

    def __init__(self, file: Path, names: Sequence[str]) -> None:
        self._file = file
        self._names = names
        try:
            self._chosen: dict[str, int] = {name: int(port) for name, port in json.loads(file.read_bytes()).items()}
        except (FileNotFoundError, ValueError, AttributeError):
            self._chosen = {}

    def __getitem__(self, name: str) -> int:
        return self._chosen[name]

    def settle(self, ours: frozenset[str] = frozenset()) -> bool:
        """
        Make sure that every port is free, or is one of ``ours`` (held by our own process). Return whether any changed.

        Another process may take a port before ours does: whoever starts the process calls this again when it fails.
        """
        before = dict(self._chosen)
        candidates = _candidates(str(self._file))
        for name in self._names:
            if name in self._chosen and (name in ours or is_free(self._chosen[name])):
                continue
            taken = {port for other, port in self._chosen.items() if other != name}
            self._chosen[name] = next(port for port in candidates if port not in taken and is_free(port))
        if self._chosen != before:
            write_private(self._file, json.dumps(self._chosen, indent=1).encode())
        return self._chosen != before


def is_free(port: int) -> bool:
    """Return whether somebody may listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger do not hold a port
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _candidates(seed: str) -> Iterator[int]:
    """Yield ports in an order of its own for each cluster: clusters that start at once rarely want the same one."""
    return iter(random.Random(seed).sample(_RANGE, len(_RANGE)))  # noqa: S311  # spreads, hides nothing
