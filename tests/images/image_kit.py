"""A Git repository with marked files on a real server, and what commits to it, without a cluster."""

from __future__ import annotations

import subprocess

from hub.api.image import Author, CommitSpec, GitSpec, PushSpec
from hub.api.meta import Key
from hub.content.git import GitAuth
from hub.content.gitcache import GitCache, Remote
from hub.content.gitwrite import GitWriter
from hub.content.refs import GitRef
from hub.images.commit import Committer, Order
from hub.images.setters import Image
from hub.images.target import Target

AUTOMATION = Key("ImageUpdateAutomation", "apps", "all")
WEB = "ghcr.io/org/web"


def marked(setter):
    return f'# {{"$imagepolicy": "{setter}"}}'


VALUES = f"# the values\nimage:\n  repository: {WEB} {marked('apps:web:name')}\n  tag: 1.0.0 {marked('apps:web:tag')}\n"


class Desk:
    """Runs automations against a server, and looks at what they left there."""

    def __init__(self, server, folder):
        self.server = server
        self.cache = GitCache(folder)
        self.writer = GitWriter(self.cache)
        self.committer = Committer(self.cache, self.writer)
        self.announced = []

    async def prepare(self, name="app", **files):
        await self.server.create(name)
        await self.server.commit(name, files or {"values.yaml": VALUES, "README.md": "read\n"}, message="Begin")
        await self.cache.prepare()
        return self

    def remote(self, name="app", **auth):
        return Remote.of(self.server.url(name), GitAuth(**auth) if auth else None, 20.0)

    def order(self, tag="1.1.0", *, branch="master", push=None, path="", template="", signer=None, images=None, **more):
        spec = GitSpec(
            commit=CommitSpec(author=Author(name="Bot", email="bot@x.io"), message_template=template),
            push=PushSpec(branch=push or "", options=more.get("options", {})),
        )
        target = Target(GitRef(branch=branch), push or branch, more.get("refspec", ""))
        found = images or {"apps:web": Image(WEB, tag)}
        return Order(AUTOMATION, spec, target, path, found, signer)

    async def run(self, order, remote=None, announce=None):
        remote = remote or self.remote()
        head = await self.cache.resolve(remote, order.target.checkout)
        return await self.committer.run(remote, order, announce or self._announce, head)

    async def _announce(self, commit, branch):
        self.announced.append((commit, branch))

    def git(self, *args, name="app"):
        ran = subprocess.run(
            ["git", "-C", str(self.server.root / f"{name}.git"), *args], capture_output=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.decode()
