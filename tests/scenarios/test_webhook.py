"""The program ``hub`` with its server of webhooks: a push is on the member although nothing looks before an hour."""

from __future__ import annotations

import hmac
import json

import aiohttp
import pytest
from scenario_match import Present
from scenario_scene import Scene

pytestmark = pytest.mark.cluster
TOKEN = "a-token-nobody-knows"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": TOKEN}}
RECEIVER = {
    "apiVersion": "notification.toolkit.fluxcd.io/v1beta2",
    "kind": "Receiver",
    "metadata": {"name": "hook"},
    "spec": {
        "type": "github",
        "events": ["ping", "push"],
        "secretRef": {"name": "token"},
        "resources": [{"apiVersion": "source.toolkit.fluxcd.io/v1beta2", "kind": "GitRepository", "name": "charts"}],
    },
}


async def test_a_push_is_on_the_member_at_once(world):
    async with Scene(world, "webhook") as scene:
        await scene.given("kind: HelmRelease\nspec: {values: {replicas: 1}}\n")
        await scene.apply("hub", SECRET, RECEIVER)
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True InstallSucceeded"}}})
        await scene.expect({"Receiver/hook": {"conditions": {"Ready": "True Succeeded"}}})
        path = (await scene.get("Receiver/hook"))["status"]["webhookPath"]
        await scene.push({"web/values.yaml": {"message": "pushed"}}, poke=False)
        body = b'{"ref": "refs/heads/master"}'
        signature = hmac.new(TOKEN.encode(), body, "sha256").hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Event": "push"}
        url = f"http://{where(world.hub)}{path}"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": "True UpgradeSucceeded"}}})
        await scene.expect({"GitRepository/charts": {"status": {"lastHandledReconcileAt": Present()}}})
        log = world.hub.log_file.read_text()
        assert path not in log
        assert TOKEN not in log


def where(hub):
    """The address of webhooks, as the hub tells it at its start."""
    started = [line for line in hub.log_file.read_text().splitlines() if '"Started"' in line]
    return json.loads(started[-1])["webhooks"]
