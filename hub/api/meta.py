"""
What objects of every kind have in common, and the names of Kubernetes' own kinds that the hub touches. Pure.

Times are RFC 3339 texts as the API server sends them; :func:`hub.api.duration.parse_time` reads them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from hub.api.duration import Duration, parse_time, rfc3339
from hub.api.kind import Api, Key, Kind
from hub.api.model import Cel, Lenient, Model, about, flag

__all__ = ["Api", "Cel", "Duration", "Key", "Kind", "Lenient", "Model", "about", "flag", "parse_time", "rfc3339"]

SECRETS = Api("", "v1", "Secret", "secrets")
CONFIG_MAPS = Api("", "v1", "ConfigMap", "configmaps")
NAMESPACES = Api("", "v1", "Namespace", "namespaces", namespaced=False)
EVENTS = Api("", "v1", "Event", "events")
SERVICE_ACCOUNTS = Api("", "v1", "ServiceAccount", "serviceaccounts")
SERVICES = Api("", "v1", "Service", "services")
PODS = Api("", "v1", "Pod", "pods")
NODES = Api("", "v1", "Node", "nodes", namespaced=False)
DEPLOYMENTS = Api("apps", "v1", "Deployment", "deployments")
JOBS = Api("batch", "v1", "Job", "jobs")
LEASES = Api("coordination.k8s.io", "v1", "Lease", "leases")
CUSTOM_RESOURCE_DEFINITIONS = Api(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)

FINALIZER = "finalizers.fluxcd.io"
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
FORCE_AT = "reconcile.fluxcd.io/forceAt"
RESET_AT = "reconcile.fluxcd.io/resetAt"
WATCH_LABEL = "reconcile.fluxcd.io/watch"

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"

# Lengths of names, as Flux limits them.
NAME: dict[str, Any] = {"minLength": 1, "maxLength": 253}
NAMESPACE: dict[str, Any] = {"minLength": 1, "maxLength": 63}
TIME: dict[str, Any] = {"format": "date-time"}

ConditionStatus = Literal["True", "False", "Unknown"]


class OwnerReference(Model):
    """The object that this one is deleted with."""

    api_version: str = about("API version of the owner.", "", required=True)
    kind: str = about("Kind of the owner.", "", required=True)
    name: str = about("Name of the owner.", "", required=True)
    uid: str = about("UID of the owner.", "", required=True)
    controller: bool = flag("The owner manages this object.")
    block_owner_deletion: bool = flag("The owner stays until this object is gone.")


class ObjectMeta(Model):
    """The part of ``metadata`` that the hub reads."""

    name: str = about("Name, unique in the namespace.", "")
    namespace: str = about("Namespace; empty for cluster-wide kinds.", "")
    uid: str = about("Identity over deletion and re-creation.", "")
    resource_version: str = about("Changes with every write.", "")
    generation: int = about("Grows with every change of the spec.", 0)
    labels: dict[str, str] = about("Labels.", factory=dict)
    annotations: dict[str, str] = about("Annotations.", factory=dict)
    finalizers: list[str] = about("What must be done before the object may go.", factory=list)
    creation_timestamp: str = about("When it was created.", "")
    deletion_timestamp: str = about("When its deletion was asked for.", "")
    owner_references: list[OwnerReference] = about("Its owners.", factory=list)


class Condition(Model):
    """One observed aspect of an object; :class:`hub.api.conditions.Conditions` has the rules."""

    type: str = about(
        "Name of the aspect in CamelCase.",
        "",
        required=True,
        maxLength=316,
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
        r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
    )
    status: Lenient[ConditionStatus] = about("Whether it holds.", "Unknown", required=True)
    reason: str = about(
        "Why, as a word in CamelCase for programs.",
        "",
        required=True,
        minLength=1,
        maxLength=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
    )
    message: str = about("Why, as a sentence for people.", "", required=True, maxLength=32768)
    last_transition_time: str = about("When status, reason or message last changed.", "", required=True, **TIME)
    observed_generation: int = about("Generation of the spec that the condition speaks of.", 0, minimum=0)


class Artifact(Model):
    """Bytes that a source produced and serves over HTTP."""

    digest: str = about(
        "Digest of the file, as '<algorithm>:<checksum>'.",
        "",
        required=True,
        pattern="^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$",
    )
    last_update_time: str = about("When the artifact was last written.", "", required=True, **TIME)
    metadata: dict[str, str] = about("What the origin says about it, e.g. OCI annotations.", factory=dict)
    path: str = about("Path below the root of the store: '<kind>/<namespace>/<name>/<file>'.", "", required=True)
    revision: str = about(
        "What was taken from the origin, e.g. 'master@sha1:<commit>' or a chart version.", "", required=True
    )
    size: int | None = about("Bytes of the file.", None)
    url: str = about("Where the file can be fetched.", "", required=True)


class LocalRef(Model):
    """An object of the same namespace."""

    name: str = about("Name of the object.", "", required=True)


class SecretKeyRef(Model):
    """One key of a Secret of the same namespace."""

    name: str = about("Name of the Secret.", "", required=True)
    key: str = about("Key in the Secret. When empty, the reader's usual keys are tried.", "")


class KubeConfig(Model):
    """How to reach another cluster; exactly one of the two is set."""

    RULES: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "has(self.configMapRef) || has(self.secretRef)",
            "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified",
        ),
        Cel(
            "!has(self.configMapRef) || !has(self.secretRef)",
            "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified",
        ),
    )

    config_map_ref: LocalRef | None = about(
        "ConfigMap that names a provider (aws, azure, gcp, generic) and a cluster, for the workload's own identity.",
        None,
    )
    secret_ref: SecretKeyRef | None = about(
        "Secret that holds a kubeconfig. Without 'key' its keys 'value' and 'value.yaml' are tried. Inline credentials "
        "only: file paths, exec plugins and insecure TLS are refused unless the hub was told to allow them.",
        None,
    )

    @property
    def member(self) -> str:
        """What its cluster is called within the namespace: the Secret's name, or the ConfigMap's and that it is one."""
        if self.secret_ref is not None:
            return self.secret_ref.name
        return f"{self.config_map_ref.name} (ConfigMap)" if self.config_map_ref is not None else ""


class Spec(Model):
    """What every spec of the hub's kinds has."""

    interval: Duration = about(
        "How often to look again, e.g. '1m0s' (a little jitter is added).", Duration("1m0s"), required=True
    )
    suspend: bool = flag("Leave the object alone until this is false again. What runs already is not stopped.")


class Status(Model):
    """What every status of the hub's kinds has."""

    conditions: list[Condition] = about("What is true about the object now.", factory=list)
    observed_generation: int = about("Last generation of the spec that was worked on; -1 before the first.", -1)
    last_handled_reconcile_at: str = about("Value of the annotation reconcile.fluxcd.io/requestedAt last acted on.", "")

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of a type."""
        return next((c for c in self.conditions if c.type == type_), None)


class Resource(Model):
    """An object with identity. Subclasses give ``KIND`` and narrow ``spec`` and ``status``."""

    KIND: ClassVar[Kind]

    api_version: str = about("Group and version.", "")
    kind: str = about("Kind.", "")
    metadata: ObjectMeta = about("Identity and labels.", factory=ObjectMeta)
    spec: Spec = about("What is wanted.", factory=Spec)
    status: Status = about("What was found.", factory=Status)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Let the kind know its model."""
        super().__pydantic_init_subclass__(**kwargs)
        if "KIND" in cls.__dict__:
            cls.KIND.modelled_by(cls)

    @property
    def key(self) -> Key:
        """Identity within the cluster."""
        return Key(self.KIND.api.kind, self.metadata.namespace, self.metadata.name)

    @property
    def deleted(self) -> bool:
        """Its deletion was asked for; only finalizers keep it."""
        return bool(self.metadata.deletion_timestamp)

    @property
    def requested_at(self) -> str:
        """The reconciliation that people asked for, or the empty word."""
        return self.metadata.annotations.get(REQUESTED_AT, "")

    def dump(self) -> dict[str, Any]:
        """Return the object as plain JSON data; apiVersion and kind are always there."""
        api = self.KIND.api
        return {"apiVersion": api.api_version, "kind": api.kind} | super().dump()
