"""Labels on what passes by."""

from __future__ import annotations

import json

import pytest

from hub.members.paths import parse
from hub.members.stamp import stamp, takes_stamp

POD = "/api/v1/namespaces/app/pods"
APPLY = "application/apply-patch+yaml"
JSON = "application/json"


@pytest.mark.parametrize(
    ("method", "path", "content_type", "want"),
    [
        pytest.param("PATCH", f"{POD}/a", APPLY, True, id="apply"),
        pytest.param("POST", POD, JSON, True, id="create"),
        pytest.param("POST", POD, "application/json; charset=utf-8", True, id="create, with parameters"),
        pytest.param("PUT", f"{POD}/a", JSON, True, id="replace"),
        pytest.param("PATCH", f"{POD}/a", "application/strategic-merge-patch+json", True, id="what client-side sends"),
        pytest.param("PATCH", f"{POD}/a", "application/json-patch+json", False, id="a list of operations"),
        pytest.param("POST", f"{POD}/a/eviction", JSON, False, id="a subresource"),
        pytest.param("DELETE", f"{POD}/a", JSON, False, id="delete"),
        pytest.param("POST", POD, "application/vnd.kubernetes.protobuf", False, id="protobuf"),
        pytest.param(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            JSON,
            False,
            id="a question, not an object",
        ),
    ],
)
def test_takes_stamp(method, path, content_type, want):
    assert takes_stamp(method, parse(path), content_type) is want


@pytest.mark.parametrize(
    ("item", "want"),
    [
        pytest.param({"metadata": {"name": "a"}}, {"name": "a", "labels": {"o": "1"}}, id="no labels yet"),
        pytest.param({"metadata": {"labels": {"x": "y"}}}, {"labels": {"x": "y", "o": "1"}}, id="beside others"),
        pytest.param({"metadata": {"labels": {"o": "0"}}}, {"labels": {"o": "1"}}, id="ours win"),
        pytest.param({"metadata": {"labels": None}}, {"labels": {"o": "1"}}, id="labels are null"),
        pytest.param({"spec": {"é": 1}}, {"labels": {"o": "1"}}, id="no metadata"),
    ],
)
def test_stamp(item, want):
    stamped = json.loads(stamp(json.dumps(item).encode(), {"o": "1"}, {}))
    assert stamped.pop("metadata") == want
    item.pop("metadata", None)
    assert stamped == item


def test_annotations_too():
    assert json.loads(stamp(b"{}", {}, {"a": "b"})) == {"metadata": {"annotations": {"a": "b"}}}


@pytest.mark.parametrize("body", [b"", b"not: json", b"[1]"])
def test_what_is_no_object_passes_as_it_came(body):
    assert stamp(body, {"o": "1"}, {}) == body
