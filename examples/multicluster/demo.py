"""
``make demo``: one Git repository, two real clusters, and what happens to them commit by commit.

It asks nothing, checks everything that it claims on the members themselves, and its exit code tells. With ``KEEP=1``
everything stays up at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from stage import HERE, IMAGE, MEMBERS, NAMESPACE, DemoFailed, Stage, say

from hub.api.meta import DEPLOYMENTS, READY, RECONCILING, SERVICES
from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hub.api.helm import HelmRelease

URL = "https://github.com/nuclearwu/hello-kubernetes.git"  # of the manifest; the one thing that differs here
APP = "app"
LABEL = "app.kubernetes.io/instance: {{ .Release.Name }}\n"


async def main() -> None:
    """Play all acts."""
    began = time.monotonic()
    keep = os.environ.get("KEEP", "") not in ("", "0")
    title("A hub, two members, a Git server")
    async with Stage(keep=keep) as stage:
        try:
            await apply(stage)
            await common_change(stage)
            await member_change(stage)
            await broken_change(stage)
            await forced_change(stage)
            await new_image(stage)
        except HubError:
            await post_mortem(stage)
            raise
        say(f"\n✔ All of it came true, in {time.monotonic() - began:.0f} s.")
        if keep:
            say(stage.look_around())
    if not keep:
        say("✔ Everything is down again. 'make demo KEEP=1' leaves it up to look around.")


async def apply(stage: Stage) -> None:
    """Apply the manifests of this folder; only the URL of the repository is another."""
    title("One repository, one HelmRelease for each member")
    await stage.run("kubectl apply -f namespace.yaml")
    for member in MEMBERS:
        create = f"kubectl -n {NAMESPACE} create secret generic {member}-kubeconfig --from-file=value.yaml="
        await stage.run(f"{create}{stage.kubeconfig(member)}", show=f"{create}{member}.kubeconfig")
    source = (HERE / "git-repo.yaml").read_text().replace(URL, stage.repository)
    await stage.run("kubectl apply -f -", given=source, show="kubectl apply -f git-repo.yaml")
    await stage.run("kubectl apply -f member1-app.yaml -f member2-app.yaml")
    await settled(stage, *MEMBERS, commit=stage.first_commit)
    await table(stage)
    for member in MEMBERS:
        await stage.run("kubectl get deployments,services,pods -n app", cluster=member)


async def common_change(stage: Stage) -> None:
    """Change what both have in common: it reaches both."""
    title("A change for all members: the Service becomes a NodePort")
    commit = await stage.push(
        "Open a port on every node", {"helm-chart/values.yaml": ("type: ClusterIP", "type: NodePort")}
    )
    await fetch(stage)
    await settled(stage, *MEMBERS, commit=commit)
    await table(stage)
    for member in MEMBERS:
        await stage.run("kubectl get svc -n app", cluster=member)
        service = await stage.client(member).get(SERVICES, workload(member), APP)
        check(service["spec"]["type"] == "NodePort", f"the Service on {member} is a NodePort")


async def member_change(stage: Stage) -> None:
    """Change what one member has by itself: it reaches that one."""
    title("A change for one member: two replicas on member1")
    new = 'deployment:\n  replicaCount: 2\n\nconfig:\n  message: "member1"'
    commit = await stage.push(
        "Two replicas for member1", {"helm-chart/member1-values.yaml": ('config:\n  message: "member1"', new)}
    )
    await fetch(stage)
    await settled(stage, *MEMBERS, commit=commit)
    await table(stage)
    for member, replicas in zip(MEMBERS, (2, 1), strict=True):
        await available(stage, member, replicas)
        await stage.run("kubectl get pods -n app", cluster=member)


async def broken_change(stage: Stage) -> None:
    """Push what member2's API server refuses: its release is rolled back, its Pod does not notice."""
    title("A broken change for member2: it is undone, and the table says why")
    before = await pods(stage, "member2")
    async with witness(stage, "member2") as seen:
        new = 'service:\n  type: NodePrt\n\nconfig:\n  message: "member2"'
        commit = await stage.push(
            "A typo for member2", {"helm-chart/member2-values.yaml": ('config:\n  message: "member2"', new)}
        )
        await fetch(stage)
        await settled(stage, "member1", commit=commit)
        await stage.release("member2-app", undone(commit), "rolled back")
        await asyncio.sleep(1.0)  # a Pod that were to go would go now
    await table(stage)
    await stage.run(f"helm history app-member2-app -n {NAMESPACE}", cluster="member2")
    await stage.run("kubectl get pods -n app", cluster="member2")
    check(await pods(stage, "member2") == before, "member2 runs the same Pod as before")
    check(min(seen) >= 1, f"and it served all the time: available at each of {len(seen)} looks")


async def forced_change(stage: Stage) -> None:
    """Repair it, and change what Kubernetes never lets anybody change in place."""
    title("A repair that only 'upgrade.force' gets through: the selector of a Deployment is immutable")
    before = {member: await uid(stage, member) for member in MEMBERS}
    commit = await stage.push(
        "Repair member2, and select Pods by component too",
        {
            "helm-chart/member2-values.yaml": ("service:\n  type: NodePrt\n\n", ""),
            "helm-chart/templates/_helpers.tpl": (LABEL, f"{LABEL}app.kubernetes.io/component: web\n"),
        },
    )
    await fetch(stage)
    await settled(stage, *MEMBERS, commit=commit)
    await table(stage)
    await stage.run(
        "kubectl get events -n gitops-project --field-selector reason=ObjectReplaced"
        " -o custom-columns=OBJECT:.involvedObject.name,MESSAGE:.message"
    )
    for member, replicas in zip(MEMBERS, (2, 1), strict=True):
        await available(stage, member, replicas)
        check(await uid(stage, member) != before[member], f"the Deployment on {member} was deleted and made anew")
    await stage.run(f"helm history app-member1-app -n {NAMESPACE}", cluster="member1")


async def new_image(stage: Stage) -> None:
    """Push an image: the hub finds its tag, commits it, and both members run it."""
    title("A new image: nobody edits a file, and both members run it")
    await stage.push_image("1.0.0")
    # The manifest names Docker Hub; ours is a registry on this machine, without TLS.
    repository = (HERE / "image-repo.yaml").read_text().replace(IMAGE, f"{stage.image}\n  insecure: true")
    await stage.run("kubectl apply -f -", given=repository, show="kubectl apply -f image-repo.yaml")
    await stage.run("kubectl apply -f image-policy.yaml -f image-update-automation.yaml")
    commit = await stage.pulled(f"{stage.image}:1.0.0")
    await settled(stage, *MEMBERS, commit=commit)
    await stage.push_image("1.0.1")
    say("\n  (the hub scans once a minute; we do not wait)")
    await stage.run(f"hubctl reconcile image repository image-repo -n {NAMESPACE}")
    commit = await stage.pulled(f"{stage.image}:1.0.1")
    await settled(stage, *MEMBERS, commit=commit)
    await stage.run(f"hubctl get images all -n {NAMESPACE}")
    await table(stage)
    for member, replicas in zip(MEMBERS, (2, 1), strict=True):
        await available(stage, member, replicas)
        deployment = await stage.client(member).get(DEPLOYMENTS, workload(member), APP)
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        check(image == f"{stage.image}:1.0.1", f"{member} runs {IMAGE}:1.0.1")


async def fetch(stage: Stage) -> None:
    """Do not wait for the interval."""
    say("\n  (the hub looks once a minute; we do not wait)")
    await stage.run(f"hubctl reconcile source git git-repo -n {NAMESPACE}")


async def table(stage: Stage) -> None:
    """Show what this is all about."""
    await stage.run(f"hubctl get hr -n {NAMESPACE}")


async def settled(stage: Stage, *members: str, commit: str) -> None:
    """Wait until the releases of members are ready at a commit."""
    waits = (stage.release(f"{member}-app", ready(commit), f"ready at {commit[:12]}") for member in members)
    await asyncio.gather(*waits)


def ready(commit: str) -> Callable[[HelmRelease], bool]:
    """Return a check: ready, and what is deployed was made from ``commit``."""

    def check_release(release: HelmRelease) -> bool:
        condition, history = release.status.condition(READY), release.status.history
        is_ready = condition is not None and condition.status == "True"
        return is_ready and bool(history) and commit[:12] in history[0].chart_version

    return check_release


def undone(commit: str) -> Callable[[HelmRelease], bool]:
    """Return a check: ``commit`` was tried, failed, and what was there before is deployed again."""

    def check_release(release: HelmRelease) -> bool:
        status = release.status
        condition, reconciling = status.condition(READY), status.condition(RECONCILING)
        is_over = condition is not None and condition.status == "False" and reconciling is None
        is_back = bool(status.history) and status.history[0].status == "deployed"
        return is_over and is_back and commit[:12] in status.last_attempted_revision

    return check_release


def workload(member: str) -> str:
    """Return the name that the chart gives its objects on a member."""
    return f"hello-kubernetes-app-{member}-app"


async def uid(stage: Stage, member: str) -> str:
    """Return the identity of the Deployment on a member."""
    deployment = await stage.client(member).get(DEPLOYMENTS, workload(member), APP)
    return str(deployment["metadata"]["uid"])


async def pods(stage: Stage, member: str) -> list[str]:
    """Return the names of the Pods on a member."""
    listed = json.loads(await stage.ask(f"kubectl get pods -n {APP} -o json", cluster=member))
    return sorted(pod["metadata"]["name"] for pod in listed["items"])


async def available(stage: Stage, member: str, replicas: int, seconds: float = 30.0) -> None:
    """Wait until as many Pods serve on a member."""
    deadline = time.monotonic() + seconds
    while (found := await serving(stage, member)) != replicas:
        if time.monotonic() > deadline:
            raise DemoFailed(f"{member} has {found} Pods that serve, not {replicas}")
        await asyncio.sleep(0.1)


async def serving(stage: Stage, member: str) -> int:
    """Return how many Pods serve on a member."""
    deployment: dict[str, Any] = await stage.client(member).get(DEPLOYMENTS, workload(member), APP)
    return int(deployment.get("status", {}).get("availableReplicas", 0))


@contextlib.asynccontextmanager
async def witness(stage: Stage, member: str) -> AsyncIterator[list[int]]:
    """Look again and again how many Pods serve on a member."""
    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append(await serving(stage, member))
            await asyncio.sleep(0.05)

    looking = asyncio.create_task(look())
    try:
        yield seen
        if looking.done():
            await looking  # a witness who could not look is none
    finally:
        looking.cancel()


def check(is_so: bool, what: str) -> None:  # noqa: FBT001  # the statement comes first, as in assert
    """Say what is true, or fail."""
    if not is_so:
        raise DemoFailed(f"it is not so that {what}")
    say(f"  ✔ {what}")


def title(text: str) -> None:
    """Begin an act."""
    say(f"\n{'=' * len(text)}\n{text}\n{'=' * len(text)}")


async def post_mortem(stage: Stage) -> None:
    """Show what helps to find out why it failed."""
    with contextlib.suppress(HubError):
        await stage.run("hubctl get all -A")
    say("\nThe end of the hub's log:")
    for line in stage.log("hub").read_text().splitlines()[-20:]:
        say(f"  {line}")


def run() -> int:
    """Return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: everything down
    try:
        asyncio.run(main())
    except (HubError, OSError) as error:
        say(f"\n✗ {error}")
        return 1
    except KeyboardInterrupt:
        say("\n✗ interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(run())
