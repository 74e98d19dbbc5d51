"""The hub cluster of the test session, seen through ``hubctl`` and through its API."""

import pytest
from cli_kit import Forks, Hubctl, Objects

from hub.kube.client import Client
from hub.kube.config import load_kubeconfig


@pytest.fixture
async def objects(clusters, namespace):
    client = Client(load_kubeconfig(clusters.hub.kubeconfig))
    yield Objects(client, namespace)
    await client.aclose()


@pytest.fixture(scope="session")
async def forks(tmp_path_factory):
    """Where commands run that end by themselves."""
    async with Forks(tmp_path_factory.mktemp("hubctl")) as forks:
        yield forks


@pytest.fixture
def hubctl(clusters, namespace, forks):
    return Hubctl(clusters.hub.kubeconfig, namespace, forks)


@pytest.fixture
def hubctl_alone(tmp_path, forks):
    """``hubctl`` without a cluster."""
    return Hubctl(tmp_path / "no-kubeconfig", "default", forks)
