"""
``kill -9`` of the leader of two replicas in the middle of helm runs.

Never two helm processes on one release, and everything settles. helm is reached through a script that holds a lock for
each release as long as helm lives, so an overlap of any length is seen. A short run is part of ``make test``; ``make
faults`` kills twenty leaders, with the default times (``HUB_FAULT_LEADERS``).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import time

import pytest
from faults_kit import CHART, ask, check, objects, settled
from scenario_hub import HubProcess

from hub.api.meta import LEASES
from hub.errors import NotFound
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

pytestmark = pytest.mark.cluster

KILLS = int(os.environ.get("HUB_FAULT_LEADERS", "1"))
FULL = KILLS > 10
RELEASES = 12 if FULL else 3
DURATION = 10 if FULL else 5  # seconds of a Lease; 10 is the default

HELM = """#!/bin/sh
name=
for word in "$@"; do
  if [ "$name" = next ]; then name=$word; break; fi
  if [ "$word" = -- ]; then name=next; fi
done
if [ -n "$name" ]; then
  exec 9>"FOLDER/$name.lock"
  FLOCK -n 9 || echo "$name $$ $*" >> FOLDER/overlaps
  echo "$name $$" >> FOLDER/runs
fi
exec REAL "$@"
"""


@pytest.fixture
def locked_helm(clusters, tmp_path):
    """A folder with a helm that notes its runs, and those that were not alone on their release."""
    flock = shutil.which("flock")
    if flock is None:
        pytest.skip("flock of util-linux is not there")
    folder = tmp_path / "bin"
    folder.mkdir()
    script = HELM.replace("FOLDER", str(folder)).replace("FLOCK", flock).replace("REAL", str(clusters.helm.resolve()))
    (folder / "helm").write_text(script)
    (folder / "helm").chmod(0o755)
    for name in ("overlaps", "runs"):
        (folder / name).touch()
    return folder


async def holder(client, ns):
    """Return the address of whoever holds the Lease."""
    try:
        lease = await client.get(LEASES, "hub-leader-" + group(ns), ns)
    except NotFound:
        return ""
    return lease["metadata"]["annotations"]["hubctl.io/address"] if lease["spec"]["holderIdentity"] else ""


def group(ns):
    return hashlib.sha256(f"{ns}/".encode()).hexdigest()[:8]


async def leading(client, ns, hubs, eventually):
    """Return the process that leads, once there is one."""

    async def find():
        address = await holder(client, ns)
        return next((hub for hub in hubs if address and hub.address == address), None)

    return await eventually(find, seconds=60.0)


async def test_the_leader_is_killed_in_the_middle_of_an_upgrade(  # noqa: PLR0917  # fixtures
    clusters, git_server, tmp_path, locked_helm, eventually, namespace
):
    seed = int(os.environ.get("HUB_FAULT_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    print(f"HUB_FAULT_SEED={seed}, {KILLS} leaders, {RELEASES} releases")
    ns = namespace
    client = Client(load_kubeconfig(clusters.hub.kubeconfig))
    sites = [Client(load_kubeconfig(member.kubeconfig)) for member in clusters.members]
    await git_server.create(ns)
    commit = await git_server.commit(ns, CHART)
    flags = (
        f"--watch-namespace={ns}", f"--lease-namespace={ns}", "--leader-elect", f"--lease-duration={DURATION}",
    )  # fmt: skip
    hubs = [HubProcess(tmp_path / name, clusters.hub.kubeconfig, locked_helm, *flags) for name in ("one", "two")]
    runs, failovers = locked_helm / "runs", []
    try:
        clusters.hub.apply(ns, *objects(clusters, ns, git_server.url(ns), RELEASES))
        await asyncio.gather(*(hub.start() for hub in hubs))
        await settled(client, ns, commit)
        for number in range(KILLS):
            leader = await leading(client, ns, hubs, eventually)
            before = len(runs.read_text().splitlines())
            commit = await git_server.commit(ns, {"chart/values.yaml": f"stamp: s{number}\n"})
            await ask(client, ns)
            await eventually(lambda before=before: len(runs.read_text().splitlines()) > before, seconds=60.0)
            await asyncio.sleep(chance.uniform(0, 0.3))
            old, killed = leader.address, time.monotonic()
            await leader.kill()
            again = asyncio.create_task(leader.start())  # as a kubelet does

            async def taken_over(old=old):
                return await holder(client, ns) not in {"", old}

            await eventually(taken_over, seconds=60.0)
            failovers.append(time.monotonic() - killed)
            await again
        await ask(client, ns)
        await settled(client, ns, commit)
        for site in sites:
            await check(site, ns, f"s{KILLS - 1}")
        assert (locked_helm / "overlaps").read_text() == ""
        print(
            f"failover: {min(failovers):.1f} to {max(failovers):.1f} s, {len(runs.read_text().splitlines())} helm runs"
        )
        assert not FULL or max(failovers) < 15.0
    except BaseException:
        print(*(hub.log(lines=60) for hub in hubs), sep="\n-----\n")
        raise
    finally:
        for hub in hubs:
            await hub.stop()
        for one in (client, *sites):
            await one.aclose()
