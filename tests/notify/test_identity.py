"""Tokens of identity providers, whose keys come from a real HTTP server."""

from __future__ import annotations

import json
import time

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from multidict import CIMultiDict

from hub.api.notification import Receiver
from hub.notify.identity import Identities
from hub.notify.verify import Call, Refused

SECRET = {"token": b"t", "email": b"push@p.iam.gserviceaccount.com", "audience": b"https://hub.example.com/hook"}
GOOGLE = {
    "iss": "https://accounts.google.com",
    "aud": "https://hub.example.com/hook",
    "email": "push@p.iam.gserviceaccount.com",
    "email_verified": True,
}


class Issuer:
    """A provider with keys; ``asked`` counts how often they were fetched."""

    def __init__(self):
        self.keys = {"rsa": rsa.generate_private_key(65537, 2048), "ec": ec.generate_private_key(ec.SECP256R1())}
        self.stranger = rsa.generate_private_key(65537, 2048)
        self.asked = 0
        self.hidden = set()
        self.issuer = None

    def published(self):
        out = []
        for name, key in self.keys.items():
            algorithm = jwt.algorithms.RSAAlgorithm if name.startswith("rsa") else jwt.algorithms.ECAlgorithm
            out.append(json.loads(algorithm.to_jwk(key.public_key())) | {"kid": name})
        return [one for one in out if one["kid"] not in self.hidden]

    def token(self, claims, *, key="rsa", algorithm="RS256", signer=..., **more):
        now = int(time.time())
        content = {"iat": now, "exp": now + 300, "sub": "x"} | claims | more
        content = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(content, self.keys[key] if signer is ... else signer, algorithm, {"kid": key})

    async def start(self):
        app = web.Application()
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/.well-known/openid-configuration", self._about)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        self.issuer = self.url

    async def _keys(self, _request):
        self.asked += 1
        return web.json_response({"keys": self.published()})

    async def _about(self, _request):
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.url}/keys"})


@pytest.fixture(scope="module")
async def shared():
    issuer = Issuer()
    await issuer.start()
    async with aiohttp.ClientSession() as session:
        yield issuer, session
    await issuer.runner.cleanup()


@pytest.fixture
def issuer(shared):
    issuer, _ = shared
    issuer.asked, issuer.hidden, issuer.issuer = 0, set(), issuer.url
    return issuer


@pytest.fixture
def clock():
    return [1000.0]


@pytest.fixture
def identities(issuer, shared, clock):
    return Identities(lambda: shared[1], google_keys=f"{issuer.url}/keys", clock=lambda: clock[0])


def bearer(token):
    return Call(CIMultiDict({"Authorization": f"Bearer {token}"}))


def receiver(type_, providers=()):
    return Receiver.parse({"spec": {"type": type_, "resources": [], "oidcProviders": list(providers)}})


async def test_google(identities, issuer):
    claims = await identities.claims(receiver("gcr"), SECRET, bearer(issuer.token(GOOGLE)))
    assert claims["email"] == GOOGLE["email"]
    await identities.claims(receiver("gcr"), SECRET, bearer(issuer.token(GOOGLE, iss="accounts.google.com")))
    assert issuer.asked == 1, "keys are remembered"


BAD = {
    "for somebody else": {"aud": "https://other.example.com"},
    "of another account": {"email": "other@p.iam.gserviceaccount.com"},
    "of an address that was not verified": {"email_verified": False},
    "from somebody else": {"iss": "https://accounts.example.com"},
    "expired": {"exp": 1},
    "for ever": {"exp": None},
    "for nobody": {"aud": None},
}


@pytest.mark.parametrize("name", BAD)
async def test_google_refuses(identities, issuer, name):
    with pytest.raises(Refused, match="the token is not"):
        await identities.claims(receiver("gcr"), SECRET, bearer(issuer.token(GOOGLE | BAD[name])))


async def test_signatures_that_do_not_count(identities, issuer):
    public = issuer.published()[0]["n"].encode()
    for token in (
        issuer.token(GOOGLE, signer=issuer.stranger),
        issuer.token(GOOGLE, algorithm="HS256", signer=public),
        issuer.token(GOOGLE, algorithm="none", signer=None),
        "no.token",
        "",
    ):
        with pytest.raises(Refused):
            await identities.claims(receiver("gcr"), SECRET, bearer(token))
    with pytest.raises(Refused, match="no header Authorization"):
        await identities.claims(receiver("gcr"), SECRET, Call(CIMultiDict()))
    with pytest.raises(Refused, match="no bearer token"):
        await identities.claims(receiver("gcr"), SECRET, Call(CIMultiDict({"Authorization": "Basic eDp5"})))


@pytest.mark.parametrize("missing", ["email", "audience"])
async def test_google_needs_to_know_whom_to_believe(identities, issuer, missing):
    secret = {key: value for key, value in SECRET.items() if key != missing}
    with pytest.raises(Refused, match="no 'email' or no 'audience'"):
        await identities.claims(receiver("gcr"), secret, bearer(issuer.token(GOOGLE)))


async def test_new_keys_are_fetched_but_not_for_everybody(identities, issuer, clock):
    issuer.hidden = {"ec"}
    await identities.claims(receiver("gcr"), SECRET, bearer(issuer.token(GOOGLE)))
    rotated = bearer(issuer.token(GOOGLE, key="ec", algorithm="ES256"))
    issuer.hidden = set()
    for _ in range(5):
        with pytest.raises(Refused, match="a key that its issuer does not have"):
            await identities.claims(receiver("gcr"), SECRET, rotated)
    assert issuer.asked == 1
    clock[0] += 31
    await identities.claims(receiver("gcr"), SECRET, rotated)
    assert issuer.asked == 2


def provider(issuer, **more):
    checks = [{"expression": "vars.where.startsWith('acme/')", "message": "not of acme"}]
    variables = [{"name": "where", "expression": "claims.repository"}]
    return {"issuerURL": issuer.url, "variables": variables, "validations": checks} | more


async def test_a_provider(identities, issuer):
    wanted = receiver("generic-oidc", [provider(issuer)])
    token = {"iss": issuer.url, "aud": "notification-controller", "repository": "acme/app"}
    assert (await identities.claims(wanted, {}, bearer(issuer.token(token))))["repository"] == "acme/app"
    with pytest.raises(Refused, match="not of acme"):
        await identities.claims(wanted, {}, bearer(issuer.token(token, repository="other/app")))
    with pytest.raises(Refused, match="cannot be evaluated"):
        await identities.claims(wanted, {}, bearer(issuer.token(token, repository=None)))
    with pytest.raises(Refused, match=r"not one of spec\.oidcProviders"):
        await identities.claims(wanted, {}, bearer(issuer.token(token, iss="http://127.0.0.1:1")))
    with pytest.raises(Refused, match="the token is not valid"):
        await identities.claims(wanted, {}, bearer(issuer.token(token, aud="other")))
    with pytest.raises(Refused, match="is not a JSON Web Token"):
        await identities.claims(wanted, {}, bearer("x"))
    issuer.issuer = "http://other.example.com"
    with pytest.raises(Refused, match="does not describe itself"):
        await identities.claims(wanted, {}, bearer(issuer.token(token)))


async def test_an_issuer_that_is_gone(identities, issuer):
    gone = "http://127.0.0.1:1"
    token = issuer.token({"iss": gone, "aud": "notification-controller"})
    with pytest.raises(Refused, match="cannot be had"):
        await identities.claims(receiver("generic-oidc", [provider(issuer, issuerURL=gone)]), {}, bearer(token))
