"""
What an operator of the hub can set. One definition per setting: a dataclass field is also the flag ``--field-name``,
the environment variable ``HUB_FIELD_NAME`` and the chart value ``settings.fieldName``.

A component is given its group, never the whole.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import Field

PREFIX = "HUB_"
# What Kubernetes itself puts into the environment of a Pod beside a Service that is named "hub" or "hub-...".
_SERVICE_LINK = re.compile(r"HUB(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$")


def cache_folder() -> Path:
    """Return the project's folder in the user's cache: ``bin`` has the tools that ``hubctl dev`` builds."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hubctl"


def _default_storage() -> Path:
    return cache_folder() / "storage"


def _default_concurrency() -> int:
    return max(3, 3 * (os.cpu_count() or 1) // 2)


def _setting(default: Any, help_text: str, **more: Any) -> Any:
    """One setting: its default (a value, or a callable that makes one) and the sentence ``--help`` shows."""
    metadata = {"help": help_text, **more}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class KubeSettings:
    """The host cluster, and which of its objects are ours."""

    kubeconfig: Path | None = _setting(
        None, "Kubeconfig of the host cluster. Default: KUBECONFIG, ~/.kube/config, in-cluster."
    )
    watch_namespace: str = _setting("", "Namespace to watch. Default: all.")
    watch_label_selector: str = _setting("", "Reconcile only objects with these labels.")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How much may happen at once."""

    concurrency: int = _setting(
        _default_concurrency,
        "Helm runs that write at the same time, over all members. Default: 1.5 x cores, at least 3.",
        minimum=1,
    )
    concurrency_per_member: int = _setting(4, "Helm runs that write at the same time on one member.", minimum=1)
    concurrency_waiting: int = _setting(
        64, "Helm runs that only wait for objects to become ready, over all members; each takes some 25 MiB.", minimum=1
    )


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What the hub listens on, and where artifacts are kept."""

    storage_path: Path = _setting(_default_storage, "Folder of the artifact store and the git caches.")
    listen: str = _setting("127.0.0.1:9790", "Address for health, metrics and artifacts; port 0 picks a free one.")
    webhook_listen: str = _setting(
        "127.0.0.1:9292", "Address for webhooks (Receiver); port 0 picks a free one, nothing at all serves none."
    )
    artifact_address: str = _setting("", "Host and port that artifact URLs name. Default: the listen address.")
    advertise_address: str = _setting(
        "", "Host and port at which other replicas reach this one. Default: the listen address."
    )


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """How much of a source is taken, how much is kept, and whom signatures are believed."""

    helm_index_max_size: int = _setting(100 << 20, "Bytes of the index of a HelmRepository.", minimum=1)
    helm_chart_max_size: int = _setting(20 << 20, "Bytes of a packaged chart that is fetched.", minimum=1)
    artifact_max_size: int = _setting(
        512 << 20, "Bytes of an OCI layer, packed and unpacked, or of all objects of a Bucket.", minimum=1
    )
    artifact_retention_ttl: int = _setting(60, "Seconds that an artifact is kept after a newer one came.", minimum=0)
    artifact_retention_records: int = _setting(2, "Artifacts of an object that are kept however old.", minimum=1)
    storage_budget: int = _setting(0, "Bytes that all artifacts may take. Default: 0, the whole disk.", minimum=0)
    git_max_size: int = _setting(
        1 << 30, "Bytes that one fetch from Git may bring, and that the files of a commit may have.", minimum=1
    )
    sigstore_trusted_root: Path | None = _setting(
        None,
        "File with the trusted root of keyless signatures (trusted_root.json). Default: that of Sigstore's public "
        "instance, fetched over TUF.",
    )


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """What a member's kubeconfig may ask of this process."""

    insecure_kubeconfig_exec: bool = _setting(
        default=False, help_text="Let kubeconfig Secrets run exec credential plugins in the hub."
    )
    insecure_kubeconfig_tls: bool = _setting(
        default=False, help_text="Let kubeconfig Secrets switch TLS verification off."
    )


@dataclass(frozen=True, slots=True)
class TenancySettings:
    """What keeps the owners of namespaces apart."""

    no_cross_namespace_refs: bool = _setting(
        default=False, help_text="Refuse references to objects of other namespaces."
    )
    default_service_account: str = _setting(
        "", "Service account to act as on a member where an object names none. Default: the kubeconfig's own user."
    )


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """How several replicas share the work."""

    leader_elect: bool = _setting(
        default=False, help_text="Work only while holding the Lease, so that replicas can wait."
    )
    shards: int = _setting(
        1, "Share the members among replicas, in so many parts; needs --leader-elect. 1: one replica works.", minimum=1
    )
    lease_namespace: str = _setting(
        "", "Namespace of the Leases. Default: that of this Pod or the kubeconfig, else hub-system."
    )
    lease_duration: int = _setting(
        10, "Seconds after which others take over the work of a replica that is silent.", minimum=5
    )


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Where traces go."""

    trace_endpoint: str = _setting(
        "", "OTLP endpoint (HTTP) for traces, e.g. http://collector:4318; needs the extra 'tracing'. Default: none."
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the hub writes to stderr."""

    log_level: str = _setting(
        "info", "Least severe level that is logged.", choices=("debug", "info", "warning", "error")
    )
    log_format: str = _setting("text", "Shape of log lines.", choices=("text", "json"))


@dataclass(frozen=True, slots=True)
class Settings:
    """All groups."""

    kube: KubeSettings = field(default_factory=KubeSettings)
    run: RunSettings = field(default_factory=RunSettings)
    serve: ServeSettings = field(default_factory=ServeSettings)
    sources: SourceSettings = field(default_factory=SourceSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    tenancy: TenancySettings = field(default_factory=TenancySettings)
    share: ShareSettings = field(default_factory=ShareSettings)
    trace: TraceSettings = field(default_factory=TraceSettings)
    log: LogSettings = field(default_factory=LogSettings)

    @staticmethod
    def all_fields() -> Iterator[tuple[str, Field[Any]]]:
        """Yield ``(group, field)`` for every setting; the manager makes its flags of them."""
        for group in fields(Settings):
            factory: Any = group.default_factory
            for one in fields(factory):
                yield group.name, one

    @classmethod
    def from_flags(cls, values: dict[str, Any]) -> Settings:
        """Build the groups from a flat mapping of field names; a missing name keeps its default."""
        groups: dict[str, dict[str, Any]] = {group.name: {} for group in fields(cls)}
        for group, one in cls.all_fields():
            if values.get(one.name) is not None:
                groups[group][one.name] = values[one.name]
        types: dict[str, Any] = {group.name: group.default_factory for group in fields(cls)}
        return cls(**{name: types[name](**chosen) for name, chosen in groups.items()})


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    return f"{PREFIX}{name.upper()}"


def chart_value(name: str) -> str:
    """Return the chart value of a field: its words in camelCase, below ``settings``."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """
    Return the variables that look like settings and are none: a typing mistake must not go unnoticed.

    Those that Kubernetes makes for Services are nobody's mistake.
    """
    known = {variable(one.name) for _, one in Settings.all_fields()}
    return sorted(
        name for name in environment if name.startswith(PREFIX) and name not in known and not _SERVICE_LINK.match(name)
    )
