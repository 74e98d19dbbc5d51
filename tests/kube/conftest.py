"""What the tests of this package share."""

from __future__ import annotations

import pytest

from hub.kube.client import Client
from hub.kube.config import load_kubeconfig


@pytest.fixture(scope="session")
def config(clusters):
    return load_kubeconfig(clusters.hub.kubeconfig)


@pytest.fixture
async def client(config):
    client = Client(config)
    yield client
    await client.aclose()
