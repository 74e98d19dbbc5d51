"""
A real OCI registry on this machine, for the demo and the tests: CNCF distribution, built once from ``tools/registry``.

::

    async with LocalRegistry(folder) as registry:
        registry.repository("charts/web")      # 127.0.0.1:31007/charts/web: plain HTTP, nobody logs in
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from hub.dev.server import LocalServer

if TYPE_CHECKING:
    from pathlib import Path

    from hub.dev.binaries import Toolbox
    from hub.dev.certs import Pair


class LocalRegistry(LocalServer):
    """
    A registry that keeps its blobs in a folder.

    Args:
        root: The folder; made when missing.
        username: With ``password``: asked of everybody (needs the package ``bcrypt``).
        password: See ``username``.
        pair: Serve over TLS with this certificate.
        client_ca: With ``pair``: accept only clients that this authority signed.
        toolbox: Finds or builds the program.
    """

    tool = "registry"

    def __init__(
        self,
        root: Path,
        *,
        username: str = "",
        password: str = "",
        pair: Pair | None = None,
        client_ca: Path | None = None,
        toolbox: Toolbox | None = None,
    ) -> None:
        # A server that wants a client certificate is not asked by TLS whether it is up.
        super().__init__(root, tls=pair is not None and client_ca is None, toolbox=toolbox)
        self._pair = pair
        self._client_ca = client_ca
        self._login = (username, password) if username else None

    def repository(self, path: str) -> str:
        """Return the name of a repository; ``oci://`` goes in front of it in URLs."""
        return f"{self.address}/{path}"

    def arguments(self) -> list[str]:
        """Write its configuration and return the arguments."""
        http: dict[str, object] = {"addr": self.address, "secret": "local"}
        if self._pair is not None:
            tls: dict[str, object] = {"certificate": str(self._pair.cert), "key": str(self._pair.key)}
            if self._client_ca is not None:
                tls["clientcas"] = [str(self._client_ca)]
            http["tls"] = tls
        config: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self.root / "data")}, "delete": {"enabled": True}},
            "http": http,
        }
        if self._login is not None:
            file = self.root / "htpasswd"
            file.write_text(_htpasswd(*self._login))
            config["auth"] = {"htpasswd": {"realm": "local", "path": str(file)}}
        path = self.root / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        return ["serve", str(path)]


def _htpasswd(username: str, password: str) -> str:
    import bcrypt  # noqa: PLC0415  # only a registry with a password needs it

    return f"{username}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
