from __future__ import annotations

import pytest

from hub.content.gitcache import GitCache


@pytest.fixture
async def cache(tmp_path):
    """Caches of git repositories, in a folder of their own."""
    made = GitCache(tmp_path / "cache")
    await made.prepare()
    yield made
    made.close()
