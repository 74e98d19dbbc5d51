from __future__ import annotations

import pytest
from sources_harness import Sources

from hub.dev.registry import LocalRegistry


@pytest.fixture
async def repo(git_server):
    """A git server with the repository ``app``; ``repo.first`` is its first commit."""
    await git_server.create("app")
    git_server.first = await git_server.commit("app", {"a.txt": "1"}, message="Begin\n\nMore")
    return git_server


@pytest.fixture
async def sources(clusters, namespace, tmp_path):
    async with Sources(clusters.hub, namespace, tmp_path / "storage") as running:
        yield running


@pytest.fixture(scope="session")
async def registry_server(tmp_path_factory):
    async with LocalRegistry(tmp_path_factory.mktemp("registry")) as running:
        yield running
