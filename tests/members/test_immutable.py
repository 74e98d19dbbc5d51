"""Which refusals a new object gets past. The causes are what a Kubernetes 1.36 API server said."""

from __future__ import annotations

import pytest

from hub.members.immutable import only_immutable


def status(*causes, code=422, reason="Invalid"):
    return {
        "kind": "Status",
        "code": code,
        "reason": reason,
        "message": 'Deployment.apps "a" is invalid',
        "details": {"causes": [{"message": cause} for cause in causes]},
    }


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param('Invalid value: {"matchLabels":{"a":"2"}}: field is immutable', id="selector of a Deployment"),
        pytest.param('Invalid value: {"Spec":{"a: b":"c"}}: field is immutable', id="template of a Job"),
        pytest.param("Invalid value: 2: field is immutable", id="completions of a Job"),
        pytest.param('Invalid value: ["10.0.7.8"]: may not change once set', id="clusterIP of a Service"),
        pytest.param('Invalid value: ["None"]: may not change once set', id="Service made headless"),
        pytest.param(
            "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
            "are forbidden",
            id="serviceName of a StatefulSet",
        ),
        pytest.param(
            "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
            'bound claims\n@@ -1,6 +1,6 @@\n {\n  "AccessModes": [\n',
            id="access modes of a PersistentVolumeClaim",
        ),
        pytest.param(
            "Forbidden: spec.persistentvolumesource is immutable after creation\n@@ -2,7 +2,7 @@\n",
            id="source of a PersistentVolume",
        ),
        pytest.param(
            'Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"b"}: cannot change roleRef',
            id="roleRef of a RoleBinding",
        ),
        pytest.param('Invalid value: "b": field is immutable', id="provisioner of a StorageClass"),
        pytest.param("Forbidden: updates to provisioner are forbidden.", id="the same, before Kubernetes 1.30"),
        pytest.param("Forbidden: field is immutable when `immutable` is set", id="data of an immutable ConfigMap"),
        pytest.param('Invalid value: "c/d": field is immutable', id="type of a Secret"),
        pytest.param(
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`\n", id="env of a Pod"
        ),
        pytest.param("Forbidden: may not be changed in an update.", id="value of a PriorityClass"),
        pytest.param('Invalid value: "2": Value is immutable', id="a rule of a CRD, in its author's words"),
        pytest.param('Invalid value: "object": failed rule: self.a == oldSelf.a', id="a rule of a CRD without words"),
    ],
)
def test_a_new_object_gets_past(cause):
    assert only_immutable(status(cause))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status("Invalid value: -1: must be greater than or equal to 0"), id="a value that is wrong"),
        pytest.param(
            status('Invalid value: "x": field is immutable', "Required value: name"), id="something else besides"
        ),
        pytest.param(
            status('Invalid value: "say: field is immutable": must be a number'), id="the words stand in the object"
        ),
        pytest.param(
            status('Unsupported value: "Nope": supported values: "ClusterIP", "NodePort"'), id="an unknown word"
        ),
        pytest.param(status(), id="no causes"),
        pytest.param(status("Invalid value: 2: field is immutable", code=403, reason="Forbidden"), id="not allowed"),
        pytest.param(status("Invalid value: 2: field is immutable", code=409, reason="Conflict"), id="a conflict"),
        pytest.param({}, id="not a Status"),
    ],
)
def test_the_object_has_to_stay(answer):
    assert not only_immutable(answer)
