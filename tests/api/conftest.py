"""``kubectl`` against the hub cluster of the test session."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl; output is text."""

    binary: Path
    kubeconfig: Path

    def __call__(self, *arguments, stdin=None, check=True):
        done = subprocess.run(
            [self.binary, "--kubeconfig", self.kubeconfig, *arguments],
            input=None if stdin is None else json.dumps(stdin),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def json(self, *arguments):
        raw = () if "--raw" in arguments else ("-o", "json")
        return json.loads(self(*arguments, *raw).stdout)

    def apply(self, body, *arguments):
        """Apply an object on the server's side and return it as the server has it."""
        return json.loads(self("apply", "--server-side", "-o", "json", *arguments, "-f", "-", stdin=body).stdout)


@pytest.fixture(scope="session")
def kubectl(clusters):
    return Kubectl(clusters.kubectl, clusters.hub.kubeconfig)
