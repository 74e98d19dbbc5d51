"""What a request is, and what of an answer is passed on."""

from __future__ import annotations

import json

import pytest

from hub.members.exchange import Answer, Asked, kept_headers, refusal

PODS = "/api/v1/namespaces/app/pods"


@pytest.mark.parametrize(
    ("method", "target", "streams", "writes"),
    [
        pytest.param("GET", PODS, False, False, id="list"),
        pytest.param("GET", f"{PODS}?watch=true", True, False, id="watch"),
        pytest.param("GET", f"{PODS}?allowWatchBookmarks=true&watch=1", True, False, id="watch, as others write it"),
        pytest.param("GET", f"{PODS}?watch=0&labelSelector=watch%3D1", False, False, id="a label named watch"),
        pytest.param("GET", f"{PODS}/a/log?follow=true", True, False, id="a log that is followed"),
        pytest.param("GET", f"{PODS}/a/log?tailLines=1", False, False, id="a log"),
        pytest.param("PATCH", f"{PODS}/a?force=true", False, True, id="apply"),
        pytest.param("DELETE", f"{PODS}/a", False, True, id="delete"),
        pytest.param("POST", "/version", False, False, id="not a resource"),
    ],
)
def test_kinds_of_requests(method, target, streams, writes):
    asked = Asked.of(method, target, {}, b"")
    assert (asked.streams, asked.writes) == (streams, writes)


def test_headers_that_are_passed_on():
    headers = {"Content-Type": "application/json", "Connection": "close", "Set-Cookie": "x", "Warning": '299 - "old"'}
    assert kept_headers(headers) == {
        "Content-Type": "application/json",
        "Warning": '299 - "old"',
        "Cache-Control": "no-store",
    }


def test_our_refusals_look_like_the_servers():
    answer = refusal(503, "ServiceUnavailable", "member 'm' is gone")
    status = json.loads(answer.body)
    assert (status["kind"], status["code"], status["message"]) == ("Status", 503, "member 'm' is gone")
    assert not answer.ok


@pytest.mark.parametrize("body", [b"", b"k8s\x00", b"[1]"])
def test_what_is_not_an_object_reads_as_nothing(body):
    assert Answer(200, {}, body).json() == {}
