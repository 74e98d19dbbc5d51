"""Which requests are Helm's bookkeeping, and where they go."""

from __future__ import annotations

import json

import pytest

from hub.members.paths import parse
from hub.members.storage import identify, is_helm_storage, redirect

SECRETS = "/api/v1/namespaces/app/secrets"
RECORD = f"{SECRETS}/sh.helm.release.v1.web.v3"


def field(number, content):
    return bytes([number << 3 | 2, len(content)]) + content


def secret(kind, name=b"sh.helm.release.v1.a.v1"):
    unknown = field(1, field(1, b"v1") + field(2, b"Secret"))
    body = field(1, field(1, name)) + field(2, field(1, b"release") + field(2, b"H4s")) + field(3, kind)
    return b"k8s\x00" + unknown + field(2, body) + field(3, b"") + field(4, b"")


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "want"),
    [
        pytest.param("GET", SECRETS, "labelSelector=name%3Dweb%2Cowner%3Dhelm", b"", True, id="a list by owner"),
        pytest.param("GET", SECRETS, "labelSelector=owner%3Dhelm", b"", True, id="all of them"),
        pytest.param("GET", SECRETS, "labelSelector=owner%3Dhelmet", b"", False, id="a list of somebody else's"),
        pytest.param("GET", SECRETS, "", b"", False, id="a plain list, e.g. by a lookup in a template"),
        pytest.param("GET", RECORD, "", b"", True, id="one record"),
        pytest.param("PUT", RECORD, "", secret(b"helm.sh/release.v1"), True, id="a record that changes"),
        pytest.param("DELETE", RECORD, "", b"", True, id="a record that goes"),
        pytest.param("PATCH", RECORD, "", b"{}", False, id="applied objects are never records"),
        pytest.param("POST", SECRETS, "", secret(b"helm.sh/release.v1"), True, id="a new record, in protobuf"),
        pytest.param("POST", SECRETS, "", secret(b"Opaque"), False, id="a Secret of the chart, in protobuf"),
        pytest.param("POST", SECRETS, "", b'{"type": "helm.sh/release.v1"}', True, id="a new record, in JSON"),
        pytest.param(
            "POST",
            SECRETS,
            "",
            json.dumps({"type": "Opaque", "stringData": {"a": "helm.sh/release.v1"}}).encode(),
            False,
            id="a Secret of the chart that quotes the type",
        ),
        pytest.param("GET", f"{SECRETS}/db", "", b"", False, id="a Secret of the chart"),
        pytest.param(
            "GET", "/api/v1/namespaces/app/configmaps", "labelSelector=owner%3Dhelm", b"", False, id="not Secrets"
        ),
    ],
)
def test_is_helm_storage(method, path, query, body, want):
    assert is_helm_storage(method, parse(path), query, body) is want


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[1]", id="not an object"),
        pytest.param(b"k8s\x00", id="cut after the magic"),
        pytest.param(secret(b"helm.sh/release.v1")[:20], id="cut in the middle"),
        pytest.param(b"k8s\x00\x08\x01", id="another message"),
    ],
)
def test_what_cannot_be_read_is_no_record(body):
    assert identify(body) == ("", "")


def test_only_the_namespace_is_exchanged():
    target = "/api/v1/namespaces/app/secrets/sh.helm.release.v1.app.v1?x=/namespaces/app/"
    assert redirect(target, parse(target.partition("?")[0]), "store") == (
        "/api/v1/namespaces/store/secrets/sh.helm.release.v1.app.v1?x=/namespaces/app/"
    )
