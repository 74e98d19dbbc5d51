"""Calls as each origin makes them, and what is wrong with some."""

from __future__ import annotations

import base64
import hmac
import json

import pytest
from multidict import CIMultiDict

from hub.api.notification import ReceiverSpec
from hub.notify.verify import CHECKS, Call, Refused, check

TOKEN = b"secret"
BODY = b'{"action": "push"}'


def mac(digest, body=BODY, token=TOKEN):
    return hmac.new(token, body, digest).hexdigest()


def hub(digest="sha256", **more):
    return {"X-Hub-Signature-256" if digest == "sha256" else "X-Hub-Signature": f"{digest}={mac(digest)}"} | more


def pubsub(inner):
    data = base64.b64encode(json.dumps(inner).encode()).decode()
    return json.dumps({"message": {"data": data}}).encode()


def document(**content):
    return json.dumps(content).encode()


HUB_DOCKER = document(push_data={"tag": "1"}, repository={"repo_url": "https://hub.docker.com/r/org/app"})
CONTEXT = {"version": "0.4.1", "id": "1", "source": "/ci", "type": "dev.cdevents.change.merged.0.2.0", "timestamp": "t"}
CHANGE = {"Ce-Type": CONTEXT["type"]}
CDEVENT = document(context=CONTEXT, subject={"id": "42", "content": {}})
EXAMPLE = ("generic-hmac", {"X-Signature": f"sha256={mac('sha256')}"}, BODY, ())

TAKEN = [
    pytest.param("generic", {}, b"", (), id="generic: anything"),
    pytest.param("generic", {}, BODY, ("push",), id="generic: events do not count"),
    *(
        pytest.param("generic-hmac", {"x-signature": f"{one}={mac(one)}"}, BODY, (), id=f"generic-hmac: {one}")
        for one in ("sha1", "sha256", "sha512")
    ),
    pytest.param("generic-hmac", {"X-Signature": f"sha256={mac('sha256').upper()}"}, BODY, (), id="hex in upper case"),
    pytest.param("github", hub(), BODY, (), id="github: all events"),
    pytest.param("github", hub("sha1"), BODY, (), id="github: the old signature"),
    pytest.param("github", hub() | {"X-GitHub-Event": "push"}, BODY, ("Ping", "PUSH"), id="github: event"),
    pytest.param("bitbucket", hub("sha1", **{"X-Event-Key": "repo:push"}), BODY, ("repo:push",), id="bitbucket"),
    pytest.param("bitbucket", {"X-Hub-Signature": f"sha256={mac('sha256')}"}, BODY, (), id="bitbucket: sha256"),
    pytest.param(
        "gitlab", {"X-Gitlab-Token": "secret", "X-Gitlab-Event": "Push Hook"}, BODY, ("push hook",), id="gitlab"
    ),
    pytest.param("harbor", {"Authorization": "secret"}, BODY, ("whatever",), id="harbor"),
    pytest.param("nexus", {"X-Nexus-Webhook-Signature": mac("sha1")}, BODY, (), id="nexus"),
    pytest.param("dockerhub", {}, HUB_DOCKER, (), id="dockerhub"),
    pytest.param("quay", {}, document(docker_url="quay.io/org/app", updated_tags=["1"]), (), id="quay"),
    pytest.param("acr", {}, document(action="push", target={"repository": "app", "tag": "1"}), (), id="acr"),
    pytest.param("gcr", {}, pubsub({"action": "INSERT", "tag": "gcr.io/p/app:1"}), (), id="gcr"),
    pytest.param("cdevents", CHANGE, CDEVENT, ("DEV.cdevents.change.merged.0.2.0",), id="cdevents"),
    pytest.param("generic-oidc", {}, b"", (), id="generic-oidc: its token is checked elsewhere"),
]
REFUSED = [
    pytest.param("generic-hmac", {}, BODY, (), "no header X-Signature", id="generic-hmac: nothing"),
    pytest.param("generic-hmac", {"X-Signature": mac("sha256")}, BODY, (), "is not <sha1", id="generic-hmac: bare"),
    pytest.param("generic-hmac", {"X-Signature": f"md5={mac('md5')}"}, BODY, (), "is not <sha1", id="a weak digest"),
    pytest.param("generic-hmac", {"X-Signature": "sha256="}, BODY, (), "token of this Receiver", id="an empty one"),
    pytest.param("generic-hmac", {"X-Signature": "sha256=é"}, BODY, (), "token of this Receiver", id="no ASCII"),
    pytest.param("generic-hmac", {"X-Signature": "sha256=\udcff"}, BODY, (), "token of this Receiver", id="no UTF-8"),
    pytest.param("generic-hmac", EXAMPLE[1], BODY + b" ", (), "token of this Receiver", id="another body"),
    pytest.param("github", {}, BODY, (), "no header X-Hub-Signature", id="github: nothing"),
    pytest.param(
        "github", hub("sha1") | {"X-Hub-Signature-256": "sha256=00"}, BODY, (), "X-Hub-Signature-256",
        id="github: the old one does not make up for the new one",
    ),
    pytest.param("github", hub() | {"X-GitHub-Event": "push"}, BODY, ("pus",), "the event 'push'", id="github: event"),
    pytest.param("github", hub(), BODY, ("push",), "the event ''", id="github: no event"),
    pytest.param("bitbucket", hub("sha1"), BODY, ("repo:push",), "X-Event-Key", id="bitbucket: event"),
    pytest.param("gitlab", {"X-Gitlab-Token": "secre"}, BODY, (), "X-Gitlab-Token", id="gitlab: token"),
    pytest.param("gitlab", {}, BODY, (), "no header X-Gitlab-Token", id="gitlab: no token"),
    pytest.param("gitlab", {"X-Gitlab-Token": "secret"}, BODY, ("a",), "X-Gitlab-Event", id="gitlab: event"),
    pytest.param("harbor", {"Authorization": "Bearer secret"}, BODY, (), "Authorization", id="harbor"),
    pytest.param("nexus", {"X-Nexus-Webhook-Signature": mac("sha256")}, BODY, (), "Nexus", id="nexus: sha256"),
    pytest.param("nexus", {"X-Nexus-Webhook-Signature": mac("sha1", b"x")}, b"x", (), "not JSON", id="nexus: no JSON"),
    pytest.param("dockerhub", {}, BODY, (), "no push_data.tag", id="dockerhub"),
    pytest.param("dockerhub", {}, b"[]", (), "no push_data.tag", id="dockerhub: a list"),
    pytest.param("dockerhub", {}, b"[" * 100_000, (), "not JSON", id="dockerhub: very deep"),
    pytest.param("quay", {}, document(docker_url="x"), (), "no updated_tags", id="quay"),
    pytest.param("acr", {}, document(action="push", target="x"), (), "no target.repository", id="acr"),
    pytest.param("gcr", {}, document(message={"data": "!"}), (), "not JSON in base64", id="gcr: no base64"),
    pytest.param("gcr", {}, document(message={}), (), "has no action", id="gcr: no data"),
    pytest.param("gcr", {}, pubsub({"tag": "x"}), (), "has no action", id="gcr: no action"),
    pytest.param("cdevents", {}, CDEVENT, (), "no header Ce-Type", id="cdevents: no header"),
    pytest.param("cdevents", CHANGE, CDEVENT, ("a",), "Ce-Type", id="cdevents: event"),
    pytest.param("cdevents", {"Ce-Type": "other"}, CDEVENT, (), "context.type", id="cdevents: two types"),
    pytest.param("cdevents", CHANGE, document(context=CONTEXT), (), "subject.id", id="cdevents: no subject"),
    pytest.param("gitea", {}, BODY, (), "type 'gitea' is not known", id="a type that nobody knows"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "headers", "body", "events"), TAKEN)
def test_taken(kind, headers, body, events):
    check(kind, Call(CIMultiDict(headers), body), TOKEN, events)


@pytest.mark.parametrize(("kind", "headers", "body", "events", "why"), REFUSED)
def test_refused(kind, headers, body, events, why):
    with pytest.raises(Refused) as refused:
        check(kind, Call(CIMultiDict(headers), body), TOKEN, events)
    assert why in str(refused.value)
    assert TOKEN.decode() not in str(refused.value)


def test_every_type_of_the_definition_is_checked():
    schema = ReceiverSpec.model_json_schema()
    assert set(CHECKS) == set(schema["properties"]["type"]["enum"])


def test_a_call_does_not_show_what_it_carries():
    call = Call(CIMultiDict({"Authorization": "secret"}), b"secret")
    assert "secret" not in repr(call)
