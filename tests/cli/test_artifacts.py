import pytest

from hub.cli.artifacts import proxied

PROXY = "/api/v1/namespaces/hub-system/services"


@pytest.mark.parametrize(
    ("url", "want"),
    [
        pytest.param(
            "http://hub.hub-system.svc.cluster.local./gitrepository/ns/x/1.tgz",
            f"{PROXY}/hub/proxy/gitrepository/ns/x/1.tgz",
            id="as Flux writes it",
        ),
        pytest.param("http://hub.hub-system.svc:9790/a", f"{PROXY}/hub:9790/proxy/a", id="a port"),
        pytest.param("http://hub.hub-system.svc/a?b=c", f"{PROXY}/hub/proxy/a?b=c", id="a query"),
        pytest.param("http://example.com/a", None, id="two words are a host of the world too"),
        pytest.param("https://hub.hub-system.svc/a", f"{PROXY}/https:hub:/proxy/a", id="TLS"),
        pytest.param("http://127.0.0.1:9790/a", None, id="an address"),
        pytest.param("http://localhost:9790/a", None, id="this machine"),
        pytest.param("http://artifacts.example.com/a", None, id="a host of the world"),
    ],
)
def test_proxied(url, want):
    assert proxied(url) == want
