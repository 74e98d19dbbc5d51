"""From a GitRepository to its repository and how to get in."""

from __future__ import annotations

import pytest

from hub.api.source import GitRepository
from hub.content.gitauth import GitAuth
from hub.content.gitlogin import GitLogin
from hub.errors import Forbidden, NotFound, Stalled, Transient

SECRETS = {
    "basic": {"username": b"u", "password": b"p"},
    "half": {"password": b"p"},
    "app": {"githubAppID": b"1"},
    "proxy": {"address": b"http://proxy:3128", "username": b"me"},
    "ssh": {"identity": b"i", "known_hosts": b"h"},
}


async def read(namespace, name):
    assert namespace == "ns"
    if name == "secret-secret":
        raise Forbidden(403, "Forbidden", "not for you")
    if name not in SECRETS:
        raise NotFound(404, "NotFound", "gone")
    return SECRETS[name]


def repository(**spec):
    meta = {"name": "app", "namespace": "ns", "uid": "1", "resourceVersion": "1", "generation": 1}
    return GitRepository.parse({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": meta,
        "spec": {"interval": "1m", "url": "https://u2@host/x"} | spec,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "url", "auth"),
    [
        pytest.param({}, "https://host/x", GitAuth("u2"), id="the URL alone"),
        pytest.param({"secretRef": {"name": "basic"}}, "https://host/x", GitAuth("u", "p"), id="the Secret wins"),
        pytest.param(
            {"provider": "generic", "proxySecretRef": {"name": "proxy"}},
            "https://host/x",
            GitAuth("u2", proxy="http://me:@proxy:3128"),
            id="a proxy",
        ),
        pytest.param(
            {"url": "ssh://host/x", "secretRef": {"name": "ssh"}},
            "ssh://git@host/x",
            GitAuth("git", identity="i", known_hosts="h"),
            id="ssh",
        ),
    ],
)
async def test_where_and_how(*, spec, url, auth):
    remote = await GitLogin().remote(repository(**spec, timeout="7s"), read)
    assert (remote.url, remote.auth, remote.timeout) == (url, auth, 7.0)


@pytest.mark.parametrize(
    ("spec", "kind", "reason", "message"),
    [
        pytest.param(
            {"url": "http:///x"}, Stalled, "URLInvalid", "failed to parse url 'http:///x': no host", id="no host"
        ),
        pytest.param(
            {"url": "file://u:p@h/etc"}, Stalled, "URLInvalid",
            "failed to parse url 'file://h/etc': unsupported scheme 'file': http, https and ssh are supported",
            id="a file",
        ),
        pytest.param(
            {"secretRef": {"name": "none"}}, Transient, "AuthenticationFailed",
            "failed to get secret 'ns/none': secrets \"none\" not found", id="no Secret",
        ),
        pytest.param(
            {"proxySecretRef": {"name": "secret-secret"}}, Transient, "AuthenticationFailed",
            "failed to get secret 'ns/secret-secret': not for you", id="a Secret that may not be read",
        ),
        pytest.param(
            {"url": "https://host/x", "secretRef": {"name": "half"}}, Transient, "AuthenticationFailed",
            "failed to configure authentication options: invalid 'https' auth option: "
            "'password' requires 'username' to be set", id="a password alone",
        ),
        pytest.param(
            {"url": "ssh://host/x"}, Transient, "AuthenticationFailed",
            "failed to configure authentication options: invalid 'ssh' auth option: 'identity' is required",
            id="ssh without Secret",
        ),
        pytest.param(
            {"secretRef": {"name": "app"}}, Stalled, "InvalidProviderConfiguration",
            "secretRef 'ns/app' has github app data but provider is not set to github", id="an App without provider",
        ),
        pytest.param(
            {"provider": "github"}, Stalled, "InvalidProviderConfiguration",
            "secretRef with github app data must be specified when provider is set to github", id="no App",
        ),
        pytest.param(
            {"provider": "gcp"}, Stalled, "InvalidProviderConfiguration",
            "spec.provider 'gcp' is not one of generic, github, azure, aws", id="a provider that nobody knows",
        ),
    ],
)  # fmt: skip
async def test_what_is_refused(*, spec, kind, reason, message):
    with pytest.raises(kind) as caught:
        await GitLogin().remote(repository(**spec), read)
    assert (caught.value.reason, caught.value.message) == (reason, message)


async def test_the_account_of_an_object_is_looked_for_in_its_namespace():
    asked = []

    async def identify(namespace, name):
        asked.append((namespace, name))
        raise Transient("AuthenticationFailed", "there is none")

    azure = repository(provider="azure", serviceAccountName="git")
    with pytest.raises(Transient, match="there is none"):
        await GitLogin(identify=identify).remote(azure, read)
    assert asked == [(azure.metadata.namespace, "git")]
    with pytest.raises(Stalled) as caught:
        await GitLogin().remote(azure, read)
    assert caught.value.reason == "FeatureGateDisabled"
