"""The generated CRDs on a real API server: what is accepted, refused, defaulted, shown, and read in other versions."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from hub.api.helm import HelmRelease
from hub.api.registry import KINDS, kind_for

pytestmark = pytest.mark.cluster

DATA = Path(__file__).parent / "data"
MANIFESTS = sorted(DATA.glob("*.yaml"))
NAMESPACE = "api-served"

SOURCE, HELM = "source.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"
NOTIFICATION = "notification.toolkit.fluxcd.io"
METADATA = {"name": "a", "namespace": NAMESPACE}
REPOSITORY = {
    "apiVersion": f"{SOURCE}/v1",
    "kind": "GitRepository",
    "metadata": METADATA,
    "spec": {"interval": "1m", "url": "https://git.example.com/a.git"},
}
CHART = {
    "apiVersion": f"{SOURCE}/v1",
    "kind": "HelmChart",
    "metadata": METADATA,
    "spec": {"interval": "1m", "chart": "./chart", "sourceRef": {"kind": "GitRepository", "name": "a"}},
}
OTHERS = {
    "HelmRepository": {"url": "https://charts.example.com", "accessFrom": {"namespaceSelectors": [{}]}},
    "OCIRepository": {"interval": "1m", "url": "oci://ghcr.io/a/b", "verify": {"provider": "cosign"}},
    "Bucket": {"interval": "1m", "bucketName": "a", "endpoint": "s3.example.com", "provider": "aws"},
    "ExternalArtifact": {"sourceRef": {"kind": "ArtifactGenerator", "name": "a"}},
}
IMAGES = {
    "ImageRepository": {"interval": "1m", "image": "ghcr.io/a/b", "exclusionList": ["^.*\\.sig$"]},
    "ImagePolicy": {
        "imageRepositoryRef": {"name": "a"},
        "policy": {"semver": {"range": ">=1.0.0"}},
        "filterTags": {"pattern": "^v(?P<v>.*)$", "extract": "$v"},
    },
    "ImageUpdateAutomation": {
        "interval": "1m",
        "sourceRef": {"kind": "GitRepository", "name": "a"},
        "git": {"commit": {"author": {"email": "a@example.com"}, "messageTemplate": "{{ .AutomationObject }}"}},
        "update": {"path": "./a", "strategy": "Setters"},
    },
}
RECEIVER = {
    "type": "github",
    "events": ["push"],
    "secretRef": {"name": "a"},
    "resources": [{"kind": "GitRepository", "name": "*", "matchLabels": {"a": "b"}, "filter": "req.a == 'b'"}],
}
RELEASE = {
    "apiVersion": f"{HELM}/v2",
    "kind": "HelmRelease",
    "metadata": METADATA,
    "spec": {
        "interval": "1m",
        "chart": {"spec": {"chart": "./chart", "sourceRef": {"kind": "GitRepository", "name": "a"}}},
    },
}


POLICY = {
    "apiVersion": "image.toolkit.fluxcd.io/v1",
    "kind": "ImagePolicy",
    "metadata": METADATA,
    "spec": {"imageRepositoryRef": {"name": "a"}, "policy": {"semver": {"range": "*"}}},
}


def changed(base, **spec):
    """The object with other fields in its spec; None takes a field out."""
    out = copy.deepcopy(base)
    out["spec"] = {name: value for name, value in (out["spec"] | spec).items() if value is not None}
    return out


def in_version(base, version):
    return base | {"apiVersion": f"{base['apiVersion'].split('/')[0]}/{version}"}


@pytest.fixture(scope="module")
def namespaces(kubectl):
    for name in (NAMESPACE, "gitops-project"):
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield
    kubectl("delete", "fluxcd", "--all", "-n", NAMESPACE, "--wait=false")


@pytest.fixture
def server(kubectl, namespaces):
    return kubectl


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])
def test_established(server, kind):
    status = server.json("get", "crd", f"{kind.api.plural}.{kind.api.group}")["status"]
    truths = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert truths.get("Established") == "True"
    assert truths.get("NamesAccepted") == "True"
    assert "NonStructuralSchema" not in truths
    assert status["storedVersions"] == [kind.api.version]


DEFAULTS = {
    "GitRepository": {"timeout": "60s"},
    "ImageRepository": {"exclusionList": [r"^.*\.sig$"], "provider": "generic"},
    "ImagePolicy": {"digestReflectionPolicy": "Never"},
}


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in MANIFESTS])
def test_manifests_of_2022_apply(server, path):
    want = yaml.safe_load(path.read_text())
    done = server("apply", "--dry-run=server", "-o", "json", "-f", str(path))
    made = json.loads(done.stdout)
    assert "is deprecated, upgrade to v" in done.stderr
    assert made["spec"] == want["spec"] | DEFAULTS.get(want["kind"], {})
    assert made["status"] == {"observedGeneration": -1}
    parsed = kind_for(made["apiVersion"], made["kind"]).model.parse(made)
    assert parsed.dump()["spec"] == made["spec"]


def other(kind, **spec):
    return {"apiVersion": f"{SOURCE}/v1", "kind": kind, "metadata": METADATA, "spec": OTHERS[kind] | spec}


def receiver(**spec):
    kept = {name: value for name, value in (RECEIVER | spec).items() if value is not None}
    return {"apiVersion": f"{NOTIFICATION}/v1", "kind": "Receiver", "metadata": METADATA, "spec": kept}


ISSUERS = [{"issuerURL": "https://a.example.com", "validations": [{"expression": "true", "message": "no"}]}]
ONE_CHART = "either chart or chartRef must be set"
DURATION = "should match '^([0-9]+"
REFUSED = [
    pytest.param(receiver(type="gitea"), "Unsupported value: ", id="receiver of no known type"),
    pytest.param(receiver(secretRef=None), "spec.secretRef is required", id="receiver without a secret"),
    pytest.param(receiver(type="generic-oidc"), "spec.oidcProviders is required", id="receiver without issuers"),
    pytest.param(
        receiver(type="generic-oidc", oidcProviders=ISSUERS), "spec.secretRef is not accepted", id="secret and issuers"
    ),
    pytest.param(receiver(oidcProviders=ISSUERS), "only accepted when spec.type", id="issuers of another type"),
    pytest.param(
        receiver(resources=[{"kind": "Pod", "name": "a"}]), "Unsupported value: ", id="receiver for another kind"
    ),
    pytest.param(changed(REPOSITORY, url="git@example.com:a.git"), "spec.url", id="url without scheme"),
    pytest.param(changed(REPOSITORY, url=None), "spec.url: Required value", id="no url"),
    pytest.param(changed(REPOSITORY, interval="soon"), DURATION, id="interval is not a duration"),
    pytest.param(changed(REPOSITORY, interval="1d"), DURATION, id="no days"),
    pytest.param(changed(REPOSITORY, timeout="1h"), "spec.timeout", id="source timeouts have no hours"),
    pytest.param(other("HelmRepository", url="ftp://a"), "spec.url", id="a HelmRepository over ftp"),
    pytest.param(other("OCIRepository", url="https://a"), "spec.url", id="an OCIRepository without oci"),
    pytest.param(
        other("OCIRepository", layerSelector={"operation": "unzip"}),
        "spec.layerSelector.operation",
        id="unknown operation",
    ),
    pytest.param(other("Bucket", provider="ftp"), "spec.provider", id="a bucket of nobody"),
    pytest.param(
        other("Bucket", sts={"provider": "ldap", "endpoint": "https://a"}),
        "'aws' is the only supported STS provider for the 'aws' Bucket provider",
        id="STS of another provider",
    ),
    pytest.param(
        other("Bucket", secretRef={"name": "a"}, serviceAccountName="a"),
        "cannot set both .spec.secretRef and .spec.serviceAccountName",
        id="two credentials of a bucket",
    ),
    pytest.param(
        changed(REPOSITORY, serviceAccountName="a"),
        "serviceAccountName can only be set when provider is 'azure' or 'aws'",
        id="service account without cloud",
    ),
    pytest.param(changed(REPOSITORY, verify={"mode": "HEAD"}), "secretRef: Required value", id="verify without keys"),
    pytest.param(
        changed(POLICY, interval="1m"), "spec.interval is only accepted when", id="interval of a policy without digests"
    ),
    pytest.param(
        changed(POLICY, digestReflectionPolicy="Always"),
        "spec.interval must be set when",
        id="digests without interval",
    ),
    pytest.param(
        changed(POLICY, policy={"numerical": {"order": "down"}}), "Unsupported value", id="unknown order of tags"
    ),
    pytest.param(changed(CHART, reconcileStrategy="Never"), "Unsupported value", id="unknown strategy"),
    pytest.param(
        changed(CHART, verify={"provider": "cosign"}),
        "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
        id="verify of a git chart",
    ),
    pytest.param(
        changed(CHART, sourceRef={"kind": "OCIRepository", "name": "a"}), "Unsupported value", id="unknown source kind"
    ),
    pytest.param(
        changed(RELEASE, chartRef={"kind": "HelmChart", "name": "a"}), ONE_CHART, id="both chart and chartRef"
    ),
    pytest.param(changed(RELEASE, chart=None), ONE_CHART, id="neither chart nor chartRef"),
    pytest.param(changed(RELEASE, interval=None), "spec.interval: Required value", id="no interval"),
    pytest.param(changed(RELEASE, install={"timeout": "5"}), DURATION, id="timeout without unit"),
    pytest.param(changed(RELEASE, releaseName="a" * 54), "may not be more than 53", id="long release name"),
    pytest.param(changed(RELEASE, targetNamespace=""), "at least 1", id="empty namespace"),
    pytest.param(
        changed(RELEASE, kubeConfig={}),
        "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef",
        id="kubeConfig without reference",
    ),
    pytest.param(
        changed(RELEASE, kubeConfig={"secretRef": {"name": "a"}, "configMapRef": {"name": "a"}}),
        "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef",
        id="kubeConfig with both references",
    ),
    pytest.param(
        changed(RELEASE, upgrade={"strategy": {"name": "RemediateOnFailure", "retryInterval": "1m"}}),
        ".retryInterval can only be set when .name is 'RetryOnFailure'",
        id="retry interval of an upgrade without retry",
    ),
    pytest.param(
        changed(RELEASE, install={"strategy": {"name": "RemediateOnFailure", "retryInterval": "1m"}}),
        ".retryInterval cannot be set when .name is 'RemediateOnFailure'",
        id="retry interval of an install without retry",
    ),
    pytest.param(
        changed(RELEASE, valuesFrom=[{"kind": "Secret", "name": "a", "targetPath": "a b"}]),
        "targetPath",
        id="target path with a space",
    ),
    pytest.param({key: RELEASE[key] for key in ("apiVersion", "kind", "metadata")}, "spec: Required", id="no spec"),
]


@pytest.mark.parametrize(("body", "complaint"), REFUSED)
def test_refused(server, body, complaint):
    done = server("create", "--dry-run=server", "-f", "-", stdin=body, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr


@pytest.mark.parametrize(
    ("body", "defaults"),
    [
        pytest.param(REPOSITORY, {"timeout": "60s"}, id="repository"),
        pytest.param(
            changed(REPOSITORY, verify={"secretRef": {"name": "a"}}),
            {"timeout": "60s", "verify": {"mode": "HEAD", "secretRef": {"name": "a"}}},
            id="verification",
        ),
        pytest.param(CHART, {"version": "*", "reconcileStrategy": "ChartVersion"}, id="chart"),
        pytest.param(
            RELEASE,
            {
                "chart": {
                    "spec": RELEASE["spec"]["chart"]["spec"] | {"version": "*", "reconcileStrategy": "ChartVersion"}
                }
            },
            id="release",
        ),
        pytest.param(
            changed(RELEASE, chart=None, chartRef={"kind": "HelmChart", "name": "a"}, uninstall={}),
            {"uninstall": {"deletionPropagation": "background"}},
            id="uninstall",
        ),
    ],
)
def test_defaults(server, body, defaults):
    made = json.loads(server("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=body).stdout)
    assert made["spec"] == body["spec"] | defaults
    assert made["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(changed(CHART, reconcileStrategy="Content"), id="a HelmChart"),
        pytest.param(
            changed(RELEASE, chart={"spec": RELEASE["spec"]["chart"]["spec"] | {"reconcileStrategy": "Content"}}),
            id="the chart of a HelmRelease",
        ),
    ],
)
def test_our_own_strategy(server, body):
    assert "created" in server("create", "--dry-run=server", "-f", "-", stdin=body).stdout


WIDE = changed(
    RELEASE,
    chart={"spec": RELEASE["spec"]["chart"]["spec"] | {"valuesFile": "a.yaml", "ignoreMissingValuesFiles": True}},
    commonMetadata={"labels": {"a": "b"}},
    serviceAccountName="",
    values={"list": [1, "b", None, {"deep": 1.5}], "gone": None},
    postRenderers=[
        {
            "kustomize": {
                "patchesStrategicMerge": [{"kind": "Deployment", "metadata": {"name": "a"}}],
                "patchesJson6902": [
                    {"target": {"kind": "Service"}, "patch": [{"op": "add", "path": "/a", "value": {"b": [1]}}]}
                ],
            }
        }
    ],
)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])
def test_every_version_reads_what_another_wrote(server, kind):
    base = {"GitRepository": changed(REPOSITORY, gitImplementation="libgit2"), "HelmChart": CHART, "HelmRelease": WIDE}
    base |= {
        name: {"kind": name, "apiVersion": kind.api.api_version, "spec": spec}
        for name, spec in (
            OTHERS | IMAGES | {"Receiver": RECEIVER, "Member": {"kubeConfig": {"secretRef": {"name": "a"}}}}
        ).items()
    }
    versions = [version.name for version in kind.versions]
    for written in versions:
        name = f"versions-{written}"
        body = in_version(base[kind.name], written) | {"metadata": METADATA | {"name": name}}
        made = server.apply(body)
        for read in versions:
            path = kind.at(read).path(name, NAMESPACE)
            found = server.json("get", "--raw", path)
            assert found["apiVersion"].endswith(f"/{read}")
            assert found["spec"] == made["spec"]
            assert body["spec"].items() <= (found["spec"] | {"chart": body["spec"].get("chart")}).items()


def test_status_of_a_real_release(server):
    raw = json.loads((DATA / "released.json").read_text())
    name = raw["metadata"]["name"]
    body = {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "metadata": {"name": name, "namespace": NAMESPACE}}
    server.apply(body | {"spec": raw["spec"]})
    server.apply(body | {"status": raw["status"]}, "--subresource=status")
    found = server.json("get", "helmrelease", name, "-n", NAMESPACE)
    assert found["status"] == raw["status"]
    assert found["spec"] == raw["spec"]
    assert HelmRelease.parse(found).dump()["status"] == raw["status"]


COLUMNS = {
    "GitRepository": ["NAME", "URL", "AGE", "READY", "STATUS"],
    "HelmChart": ["NAME", "CHART", "VERSION", "SOURCE KIND", "SOURCE NAME", "AGE", "READY", "STATUS"],
    "HelmRelease": ["NAME", "AGE", "READY", "STATUS"],
}
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Succeeded",
    "message": "stored artifact for revision 'master@sha1:a'",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize("base", [pytest.param(base, id=base["kind"]) for base in (REPOSITORY, CHART, RELEASE)])
def test_columns(server, base):
    kind = kind_for(base["apiVersion"], base["kind"])
    body = base | {"metadata": METADATA | {"name": "columns"}}
    server.apply(body)
    server.apply({key: body[key] for key in ("apiVersion", "kind", "metadata")} | {"status": {"conditions": [READY]}},
                 "--subresource=status")  # fmt: skip
    for version in kind.versions:
        resource = f"{kind.api.plural}.{version.name}.{kind.api.group}"
        done = server("get", resource, "columns", "-n", NAMESPACE)
        assert (f"{version.name} {kind.name} is deprecated" in done.stderr) is version.deprecated
        header, row = done.stdout.splitlines()
        assert [word.strip() for word in header.split("   ") if word.strip()] == COLUMNS[kind.name]
        assert row.endswith(f"True    {READY['message']}")


def test_short_names_and_categories(server):
    server.apply(REPOSITORY | {"metadata": METADATA | {"name": "words"}})
    for word in ("gitrepo", "gitrepository", "fluxcd", "fluxcd-sources", "all"):
        assert (
            "gitrepository.source.toolkit.fluxcd.io/words" in server("get", word, "-n", NAMESPACE, "-o", "name").stdout
        )
