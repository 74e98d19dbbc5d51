"""What the tests of members share: a member, a gateway, helm and a small chart."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from hub.kube.client import Client
from hub.kube.config import load_kubeconfig
from hub.members.gateway import Gateway, RunPolicy, Session
from hub.members.member import Health, Member
from hub.members.records import Records
from hub.members.slots import Limits, Slots
from hub.release.helm import Helm, InstallOptions, Run, UpgradeOptions, Wait

if TYPE_CHECKING:
    from pathlib import Path

QUICK_INSTALL = InstallOptions(wait=Wait.HOOKS)
QUICK_UPGRADE = UpgradeOptions(wait=Wait.HOOKS)

CHART = {
    "Chart.yaml": "{apiVersion: v2, name: hello, version: 1.0.0}",
    "values.yaml": "{message: hi, app: hello, replicas: 0, minReadySeconds: 0}",
    "templates/config.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {message: {{ .Values.message | quote }}}
""",
    "templates/deployment.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}", labels: {tier: web}}
spec:
  replicas: {{ .Values.replicas }}
  minReadySeconds: {{ .Values.minReadySeconds }}
  selector: {matchLabels: {app: "{{ .Values.app }}"}}
  template:
    metadata: {labels: {app: "{{ .Values.app }}"}}
    spec: {containers: [{name: main, image: hello}]}
""",
}


def write_chart(folder, files=CHART):
    """Write the files of a chart."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


async def never_renew(_member):
    return False


def new_member(config, *, name="ns/member", slots=None, renew=never_renew):
    slots = slots or Slots(Limits(writing=4, writing_per_member=4))
    client = Client(config, name=name)
    records = Records(lambda: client, renew, lambda _namespace, _release: None)
    return Member(name, client, config.digest, health=Health(name, 1000), slots=slots, records=records, renew=renew)


@pytest.fixture(scope="session")
def member_config(clusters):
    return load_kubeconfig(clusters.members[0].kubeconfig)


@pytest.fixture
async def make_member(member_config):
    """Make members; without a configuration, of the first member cluster."""
    made = []

    def make(config=member_config, **options):
        made.append(new_member(config, **options))
        return made[-1]

    yield make
    for member in made:
        await member._health.aclose()  # first, or it would probe a client that is closed
        await member.client.aclose()


@pytest.fixture
async def gateway(tmp_path):
    gateway = Gateway(tmp_path / "gateway")
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
def namespaces(clusters, namespace):
    """Two namespaces on the first member: for objects and for records."""
    name = f"{namespace}-store"
    clusters.members[0].create_namespace(name)
    return namespace, name


@dataclass
class Bench:
    """A gateway, a member of it, helm and a chart: runs helm and keeps the session of the last run."""

    gateway: Gateway
    member: Member
    helm: Helm
    chart: Path
    policy: RunPolicy
    session: Session | None = None

    @property
    def app(self):
        return self.policy.release_namespace

    @property
    def store(self):
        return self.policy.storage_namespace

    @asynccontextmanager
    async def run(self, turn=None, **policy):
        """Open a session; ``policy`` differs from the usual one."""
        async with self.gateway.session(self.member, replace(self.policy, **policy), turn=turn) as self.session:
            yield Run(self.session.kubeconfig, "web", self.app, self.session.redact)

    async def install(self, values=None, *, options=QUICK_INSTALL, **policy):
        async with self.run(**policy) as run:
            return await self.helm.install(run, self.chart, values or {}, options)

    async def upgrade(self, values, *, options=QUICK_UPGRADE, **policy):
        async with self.run(**policy) as run:
            return await self.helm.upgrade(run, self.chart, values, options)


@pytest.fixture
def bench(clusters, gateway, make_member, tmp_path, namespaces):
    return Bench(
        gateway,
        make_member(),
        Helm(clusters.helm, tmp_path / "helm"),
        write_chart(tmp_path / "chart"),
        RunPolicy(*namespaces, labels={"helm.toolkit.fluxcd.io/name": "web"}),
    )


@pytest.fixture
def add_to_chart(bench):
    """Write files into the chart of the bench."""
    return lambda files: write_chart(bench.chart, files)
