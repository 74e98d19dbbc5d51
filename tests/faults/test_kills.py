"""
``kill -9`` of the hub at random moments of an upgrade of many releases over two members.

Nothing is lost. A short run is part of ``make test``; ``make faults`` kills it fifty times (``HUB_FAULT_KILLS``). The
seed of the moments is printed, so that a failure can be run again (``HUB_FAULT_SEED``).
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from faults_kit import CHART, ask, check, objects, settled
from scenario_hub import HubProcess

from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

pytestmark = pytest.mark.cluster

KILLS = int(os.environ.get("HUB_FAULT_KILLS", "4"))
RELEASES = int(os.environ.get("HUB_FAULT_RELEASES", "20" if KILLS > 10 else "6"))
LONGEST = 2.5  # seconds between start and kill; an upgrade of all takes longer


async def test_killed_at_any_moment(clusters, git_server, tmp_path):
    seed = int(os.environ.get("HUB_FAULT_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    print(f"HUB_FAULT_SEED={seed}, {KILLS} kills, {RELEASES} releases")
    ns = f"kills-{seed:x}"
    client = Client(load_kubeconfig(clusters.hub.kubeconfig))
    sites = [Client(load_kubeconfig(member.kubeconfig)) for member in clusters.members]
    commit = await git_server.create(ns)
    commit = await git_server.commit(ns, CHART)
    clusters.hub.create_namespace(ns)
    for member in clusters.members:
        member.create_namespace(ns)
    hub = HubProcess(tmp_path, clusters.hub.kubeconfig, clusters.helm.parent, f"--watch-namespace={ns}")
    try:
        clusters.hub.apply(ns, *objects(clusters, ns, git_server.url(ns), RELEASES))
        await hub.start()
        await settled(client, ns, commit)
        for number in range(KILLS):
            commit = await git_server.commit(ns, {"chart/values.yaml": f"stamp: s{number}\n"})
            await ask(client, ns)
            await asyncio.sleep(chance.uniform(0, LONGEST))
            await hub.kill()
            await hub.start()
        await ask(client, ns)
        await settled(client, ns, commit)
        for site in sites:
            await check(site, ns, f"s{KILLS - 1}")
    except BaseException:
        print(hub.log(lines=60))
        raise
    finally:
        await hub.stop()
        for one in (client, *sites):
            await one.aclose()
