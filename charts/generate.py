# ruff: noqa: INP001  # a script, no package
"""
``python charts/generate.py [--check]``: write ``charts/hub/values.schema.json``.

The part below ``settings`` follows from the fields of :mod:`hub.settings`; the rest is written here, once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hub.settings import Settings, chart_value

FILE = Path(__file__).parent / "hub" / "values.schema.json"

OWN = frozenset(
    {
        "kubeconfig",
        "listen",
        "webhook_listen",
        "artifact_address",
        "advertise_address",
        "storage_path",
        "lease_namespace",
    }
)
"""Settings that the chart itself gives: addresses, folders, and which cluster it is on."""

_TEXT = {"type": "string"}
_SWITCH = {"type": "boolean"}
_LIST = {"type": "array"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_ANYTHING = {"type": "object"}
_ENTRIES = {"type": "array", "items": {"type": "object"}}


def schema() -> dict[str, Any]:
    """Return the schema of the chart's values."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart hub",
        **_mapping(
            replicas={"type": "integer", "minimum": 0},
            image=_mapping(
                repository=_TEXT,
                tag=_TEXT,
                digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
                pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
            ),
            imagePullSecrets=_ENTRIES,
            nameOverride=_TEXT,
            fullnameOverride=_TEXT,
            settings=_mapping(**dict(_settings())),
            env=_ENTRIES,
            crds=_mapping(install=_SWITCH),
            serviceAccount=_mapping(create=_SWITCH, name=_TEXT, annotations=_TEXTS),
            rbac=_mapping(
                create=_SWITCH,
                scope={"enum": ["cluster", "namespace"]},
                aggregate=_SWITCH,
                impersonate=_SWITCH,
                serviceAccountTokens=_SWITCH,
                clusterAdmin=_SWITCH,
            ),
            persistence=_mapping(enabled=_SWITCH, size=_TEXT, storageClassName=_TEXT, accessModes=_LIST),
            service=_SERVICE,
            webhooks=_SERVICE,
            networkPolicy=_mapping(enabled=_SWITCH, webhooksFrom=_ENTRIES, **{"from": _ENTRIES}),
            podDisruptionBudget=_mapping(enabled=_SWITCH, minAvailable={"type": ["integer", "string"]}),
            serviceMonitor=_mapping(enabled=_SWITCH, interval=_TEXT, labels=_TEXTS),
            dashboard=_mapping(enabled=_SWITCH, labels=_TEXTS),
            resources=_ANYTHING,
            extraVolumes=_ENTRIES,
            extraVolumeMounts=_ENTRIES,
            podAnnotations=_TEXTS,
            podLabels=_TEXTS,
            nodeSelector=_TEXTS,
            tolerations=_ENTRIES,
            affinity=_ANYTHING,
            topologySpreadConstraints=_ENTRIES,
            priorityClassName=_TEXT,
            terminationGracePeriodSeconds={"type": "integer", "minimum": 30},
            **{"global": _ANYTHING},
        ),
    }


def _mapping(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


_SERVICE = _mapping(
    type={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    port={"type": "integer", "minimum": 1, "maximum": 65535},
    annotations=_TEXTS,
)


def _settings() -> Any:
    for _, one in Settings.all_fields():
        if one.name not in OWN:
            yield chart_value(one.name), {"description": one.metadata["help"], **_type(one)}


def _type(one: Any) -> dict[str, Any]:
    kind = str(one.type)
    if choices := one.metadata.get("choices"):
        return {"enum": list(choices)}
    if kind.startswith("bool"):
        return {"type": "boolean"}
    if kind.startswith("int"):
        minimum = one.metadata.get("minimum")
        return {"type": "integer"} | ({"minimum": minimum} if minimum is not None else {})
    return {"type": "string"}


def main(args: list[str]) -> int:
    """Write the file, or with ``--check`` tell whether it is fresh."""
    text = json.dumps(schema(), indent=2) + "\n"
    if "--check" not in args:
        FILE.write_text(text)
        return 0
    if not FILE.is_file() or FILE.read_text() != text:
        sys.stderr.write("charts/hub/values.schema.json is not what hub/settings.py says; run 'make crds'\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
