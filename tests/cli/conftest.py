"""The hub cluster of the test session, seen through ``hubctl`` and through its API."""

import pytest
from cli_kit import Hubctl, Objects

from hub.kube.client import Client
from hub.kube.config import load_kubeconfig


@pytest.fixture
async def objects(clusters, namespace):
    client = Client(load_kubeconfig(clusters.hub.kubeconfig))
    yield Objects(client, namespace)
    await client.aclose()


@pytest.fixture
def hubctl(clusters, namespace):
    return Hubctl(clusters.hub.kubeconfig, namespace)


@pytest.fixture
def hubctl_alone(tmp_path):
    """``hubctl`` without a cluster."""
    return Hubctl(tmp_path / "no-kubeconfig", "default")
