"""A real S3 server on this machine, for the tests: versitygw over a folder, built once from ``tools/versitygw``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hub.dev.server import LocalServer

if TYPE_CHECKING:
    from pathlib import Path

    from hub.dev.binaries import Toolbox
    from hub.dev.certs import Pair


class LocalS3(LocalServer):
    """
    An S3 server whose buckets are the folders of ``root/data``.

    Args:
        root: The folder; made when missing.
        access_key: What its one user signs requests with.
        secret_key: See ``access_key``.
        pair: Serve over TLS with this certificate.
        toolbox: Finds or builds the program.
    """

    tool = "versitygw"

    def __init__(
        self,
        root: Path,
        *,
        access_key: str = "access",
        secret_key: str = "secret",  # noqa: S107  # of a server that ends with the test
        pair: Pair | None = None,
        toolbox: Toolbox | None = None,
    ) -> None:
        super().__init__(root, tls=pair is not None, toolbox=toolbox)
        self.access_key = access_key
        self.secret_key = secret_key
        self._pair = pair

    def bucket(self, name: str) -> Path:
        """Return the folder of a bucket, made when missing; files in it are its objects."""
        folder = self.root / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def arguments(self) -> list[str]:
        """Return how it is started."""
        data = self.root / "data"
        data.mkdir(exist_ok=True)
        tls = ["--cert", str(self._pair.cert), "--key", str(self._pair.key)] if self._pair else []
        return ["--port", self.address, "--quiet", *tls, "posix", str(data)]

    def environment(self) -> dict[str, str]:
        """Give its user's keys where no list of processes shows them."""
        return {**os.environ, "ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
