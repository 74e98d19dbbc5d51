"""What is handed over can be read again, and needs nothing of this machine."""

import pytest

from hub.kube.config import BadKubeconfig, ClusterConfig, parse_kubeconfig
from hub.kube.exec_plugin import ExecPlugin
from hub.kube.kubeconfig import write_kubeconfig


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(ClusterConfig("https://a:1", token="secret"), id="token"),
        pytest.param(ClusterConfig("https://a:1", username="u", password="p", tls_server_name="x"), id="password"),
        pytest.param(ClusterConfig("https://a:1", token="t", proxy_url="http://p:3128"), id="behind a proxy"),
    ],
)
def test_it_is_read_as_it_was(config):
    assert parse_kubeconfig(write_kubeconfig(config, "edge")) == config


def test_certificates(clusters):
    config = parse_kubeconfig(clusters.members[0].kubeconfig.read_text())
    again = parse_kubeconfig(write_kubeconfig(config, "edge"))
    assert (again.ca, again.client_cert, again.client_key) == (config.ca, config.client_cert, config.client_key)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        pytest.param({"exec": ExecPlugin("aws", "v1", (), ())}, "an exec plugin", id="program"),
        pytest.param({"token_file": "/run/token"}, "a token file", id="file"),
    ],
)
def test_what_stays_here_is_refused(more, what):
    with pytest.raises(BadKubeconfig, match=f"come from {what}, which the hub does not have"):
        write_kubeconfig(ClusterConfig("https://a:1", **more), "edge")
