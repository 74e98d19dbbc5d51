from __future__ import annotations

import base64
import json

import pytest

from hub.content.oci.credentials import BadDockerConfigError, DockerConfig
from hub.content.oci.reference import parse_repository


def config(**auths):
    return DockerConfig.parse(json.dumps({"auths": {key: entry(value) for key, value in auths.items()}}).encode())


def entry(name):
    return {"auth": base64.b64encode(f"{name}:secret".encode()).decode()}


@pytest.mark.parametrize(
    ("keys", "repository", "user"),
    [
        pytest.param({"ghcr.io": "a"}, "ghcr.io/x", "a", id="host"),
        pytest.param({"https://ghcr.io": "a"}, "ghcr.io/x", "a", id="URL"),
        pytest.param({"https://index.docker.io/v1/": "a"}, "nginx", "a", id="what docker login writes"),
        pytest.param({"docker.io": "a"}, "index.docker.io/org/app", "a", id="Docker Hub by another name"),
        pytest.param({"ghcr.io": "a", "ghcr.io/org": "b"}, "ghcr.io/org/app", "b", id="the longest path wins"),
        pytest.param({"ghcr.io/org": "b"}, "ghcr.io/organ", None, id="paths end at a slash"),
        pytest.param({"*.example.com": "a"}, "eu.example.com/x", "a", id="one label"),
        pytest.param({"*.example.com": "a"}, "a.eu.example.com/x", None, id="not two labels"),
        pytest.param({"ghcr.io": "a"}, "ghcr.io:5000/x", None, id="another port"),
        pytest.param({"ghcr.io": "a"}, "quay.io/x", None, id="another host"),
        pytest.param({}, "quay.io/x", None, id="none"),
    ],
)
def test_find(keys, repository, user):
    found = config(**keys).find(parse_repository(repository))
    assert (found and found.username) == user
    assert found is None or found.password == "secret"


def test_the_other_shapes_of_an_entry():
    data = {"a.io": {"username": "u", "password": "p"}, "b.io": {"auth": "", "identitytoken": "t"}}
    found = DockerConfig.parse(json.dumps(data).encode())  # .dockercfg has no 'auths'
    assert found.find(parse_repository("a.io/x")).basic == "Basic " + base64.b64encode(b"u:p").decode()
    assert found.find(parse_repository("b.io/x")).identity_token == "t"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{", id="not JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"auths": []}', id="auths is a list"),
        pytest.param(b'{"auths": {"a": "s3cret"}}', id="an entry is text"),
        pytest.param(b'{"auths": {"a": {"auth": "s3cret!"}}}', id="not base64"),
    ],
)
def test_what_is_no_configuration(data):
    with pytest.raises(BadDockerConfigError) as caught:
        DockerConfig.parse(data)
    assert "s3cret" not in str(caught.value)


def test_secrets_are_not_shown():
    assert "secret" not in repr(config(**{"ghcr.io": "a"}))
