"""
What verbs print that install the hub, and look at that: piped, and on a terminal. See the module ``cli_golden``.

The story is told twice, one telling after the other, as definitions and roles are the whole cluster's.
"""

from __future__ import annotations

import os
import uuid

import pytest
from cli_golden import check, page
from cli_kit import Hubctl

from hub.api.registry import KINDS

pytestmark = pytest.mark.cluster

STORY = {
    "check-pre": ["check", "--pre"],
    "check-nothing": ["check"],
    "install": ["install", "--no-wait"],
    "install-again": ["install", "--set", "replicas=2", "--timeout", "2m"],
    "install-bad-value": ["install", "--set", "replicas=many", "--no-wait"],
    "version-installed": ["version"],
    "migrate-dry-run": ["migrate", "--dry-run"],
    "migrate-asks": ["migrate"],
    "migrate-back-without-flux": ["migrate", "--back"],
    "uninstall-asks": ["uninstall"],
    "uninstall": ["uninstall", "--yes"],
    "uninstall-with-objects-asks": ["uninstall", "--with-objects"],
    "uninstall-with-objects": ["uninstall", "--with-objects", "--yes"],
}


@pytest.fixture(scope="module")
async def pages(clusters, forks):
    cluster, path = clusters.members[1], os.environ["PATH"]
    os.environ["PATH"] = f"{clusters.helm.parent}{os.pathsep}{path}"
    try:
        told = []
        names = [f"crd/{kind.api.plural}.{kind.api.group}" for kind in KINDS]
        await cluster.kubectl_async("delete", "--ignore-not-found", *names)
        for shown in (False, True):
            namespace = f"test-{uuid.uuid4().hex[:8]}"
            hubctl = Hubctl(cluster.kubeconfig, namespace, forks)
            ran = {}
            for name, words in STORY.items():
                ran[name] = await (hubctl.on_a_terminal(*words, typed="n\n") if shown else hubctl(*words))
            told.append((namespace, ran))
            await cluster.kubectl_async("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")
    finally:
        os.environ["PATH"] = path
    (first, piped), (second, terminal) = told
    pages = {}
    for name, words in STORY.items():
        one = terminal[name]
        one = type(one)(one.code, one.out.replace(second, first), one.err)
        pages[name] = page(words, piped[name], one, first)
    return pages


@pytest.mark.parametrize("name", STORY)
def test_page(pages, name):
    check(name, pages[name])
