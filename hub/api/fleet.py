"""
The kinds of ``fleet.hubctl.io``: the hub's own, about many clusters at once. Pure.

A Member is a cluster that the hub reaches with a kubeconfig Secret, and how it is. Releases do not refer to it: they
name the Secret, as Flux has it. The hub makes one for each kubeconfig Secret in use that has none.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from hub.api.kinds import MEMBER
from hub.api.meta import (
    TIME,
    Cel,
    Duration,
    Kind,
    Lenient,
    Model,
    Resource,
    SecretKeyRef,
    Spec,
    Status,
    about,
)

MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label of what the hub made by itself; its value is ``hub``."""

Breaker = Literal["closed", "open", "half-open"]
Scope = Literal["Cluster", "Namespaces", "None"]


class MemberKubeConfig(Model):
    """How to reach a member."""

    secret_ref: SecretKeyRef = about(
        "Secret of the same namespace with a kubeconfig. Without 'key' its keys 'value' and 'value.yaml' are tried.",
        factory=SecretKeyRef,
        required=True,
    )


class MemberSpec(Spec):
    """Which cluster, and how often to look at it."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel("self.kubeConfig.secretRef.name != ''", "spec.kubeConfig.secretRef.name must name a Secret"),
    )

    interval: Duration = about("How often to look, e.g. '1m0s'.", Duration("1m0s"), defaulted=True)
    kube_config: MemberKubeConfig = about(
        "How to reach the member; releases that name the same Secret are its releases.",
        factory=MemberKubeConfig,
        required=True,
    )


class MemberReleases(Model):
    """The HelmReleases that go to a member."""

    total: int = about("All of them.", 0, required=True, minimum=0)
    ready: int = about("Those that are ready.", 0, required=True, minimum=0)


class MemberCredentials(Model):
    """What the kubeconfig says of its own end."""

    what: str = about("Which credential ends first: 'client certificate' or 'token'.", "", required=True)
    expires: str = about("When it ends.", "", required=True, **TIME)


class MemberStatus(Status):
    """How a member is."""

    server: str = about("Host and port of its API server.", "")
    version: str = about("Version of its API server, e.g. 'v1.36.3'.", "")
    reachable_since: str = about("Since when it answers, without a loss in between.", "", **TIME)
    last_seen: str = about("When it last answered a look.", "", **TIME)
    latency: str = about("How long that took.", "")
    breaker: Lenient[Breaker] = about(
        "Whether it is asked: 'closed' yes, 'open' not while it does not answer, 'half-open' one probe is due.",
        "closed",
    )
    watch: Lenient[Scope] = about(
        "Where Helm's records are watched, so that what others change there is noticed at once: in the 'Cluster', in "
        "the storage 'Namespaces' of its releases, or 'None': then they are read at each interval.",
        "None",
    )
    releases: MemberReleases | None = about("Its releases.", None)
    credentials: MemberCredentials | None = about("When its credentials end, where they say so.", None)


class Member(Resource):
    """A cluster that releases go to."""

    KIND: ClassVar[Kind] = MEMBER

    spec: MemberSpec = about("What is wanted.", factory=MemberSpec)
    status: MemberStatus = about("What was found.", factory=MemberStatus)
