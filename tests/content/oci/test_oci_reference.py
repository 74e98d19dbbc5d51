from __future__ import annotations

import pytest

from hub.content.oci.reference import BadReferenceError, parse, parse_repository

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "path", "tag", "digest"),
    [
        pytest.param("nginx", "index.docker.io", "library/nginx", "", "", id="an official image"),
        pytest.param("nginx:1.27", "index.docker.io", "library/nginx", "1.27", "", id="with a tag"),
        pytest.param("docker.io/org/app:v1", "index.docker.io", "org/app", "v1", "", id="docker.io"),
        pytest.param("registry-1.docker.io/nginx", "index.docker.io", "library/nginx", "", "", id="the API's name"),
        pytest.param("org/app", "index.docker.io", "org/app", "", "", id="an organisation is no host"),
        pytest.param("oci://ghcr.io/org/app", "ghcr.io", "org/app", "", "", id="oci URL"),
        pytest.param("GHCR.io/org/app:1", "ghcr.io", "org/app", "1", "", id="hosts have no case"),
        pytest.param("localhost/app", "localhost", "app", "", "", id="localhost"),
        pytest.param("127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", "", "", id="port"),
        pytest.param("[::1]:5000/a:x", "[::1]:5000", "a", "x", "", id="IPv6"),
        pytest.param(f"ghcr.io/a@{D}", "ghcr.io", "a", "", D, id="digest"),
        pytest.param(f"ghcr.io/a:1@{D}", "ghcr.io", "a", "1", D, id="tag and digest"),
    ],
)
def test_parse(text, registry, path, tag, digest):
    found = parse(text)
    assert (found.repository.registry, found.repository.path) == (registry, path)
    assert (found.tag, found.digest) == (tag, digest)


def test_docker_hub_is_asked_where_its_api_is():
    assert parse_repository("nginx").host == "registry-1.docker.io"
    assert str(parse_repository("nginx")) == "index.docker.io/library/nginx"
    assert parse_repository("ghcr.io/org/app").host == "ghcr.io"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("ghcr.io/", id="no repository"),
        pytest.param("ghcr.io/Org/App", id="capital letters"),
        pytest.param("ghcr.io/../../v2", id="parent"),
        pytest.param("ghcr.io/a?b=c", id="query"),
        pytest.param("ghcr.io/a#b", id="fragment"),
        pytest.param("user:pass@ghcr.io/a", id="credentials"),
        pytest.param("ghcr.io:99999999/a", id="port"),
        pytest.param("ghcr.io/a:b:c", id="two tags"),
        pytest.param("ghcr.io/a@sha256:abc", id="short digest"),
        pytest.param("ghcr.io/a:" + "x" * 129, id="long tag"),
    ],
)
def test_what_is_no_name(text):
    with pytest.raises(BadReferenceError):
        parse(text)
