"""One definition for each setting: flag, environment variable and chart value follow from it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hub.manager import main
from hub.settings import Settings, chart_value, unknown_variables, variable

NAMES = [one.name for _, one in Settings.all_fields()]


def test_names_are_unique_over_all_groups():
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_a_flag_a_variable_and_a_sentence(name):
    parameter = next(one for one in main.params if one.name == name)
    assert parameter.envvar == variable(name)
    assert parameter.opts == [f"--{name.replace('_', '-')}"]
    assert parameter.help


@pytest.mark.parametrize(
    ("environment", "want"),
    [
        pytest.param({"HUB_CONCURRENCY": "3", "PATH": "x"}, [], id="known"),
        pytest.param({"HUB_CONCURENCY": "3"}, ["HUB_CONCURENCY"], id="a typing mistake"),
        pytest.param(
            {
                "HUB_SERVICE_HOST": "10.0.0.1",
                "HUB_SERVICE_PORT": "80",
                "HUB_SERVICE_PORT_HTTP": "80",
                "HUB_PORT": "tcp://10.0.0.1:80",
                "HUB_PORT_80_TCP": "tcp://10.0.0.1:80",
                "HUB_PORT_80_TCP_ADDR": "10.0.0.1",
                "HUB_WEBHOOK_SERVICE_HOST": "10.0.0.2",
            },
            [],
            id="links to Services named hub and hub-webhook",
        ),
    ],
)
def test_variables_that_are_no_settings(environment, want):
    assert unknown_variables(environment) == want


def test_the_hub_refuses_to_start_with_a_mistyped_variable():
    result = CliRunner().invoke(main, [], env={"HUB_CONCURENCY": "3"})
    assert result.exit_code == 2
    assert "HUB_CONCURENCY" in result.output


@pytest.mark.parametrize(
    ("name", "want"),
    [("concurrency_per_member", "concurrencyPerMember"), ("listen", "listen"), ("log_level", "logLevel")],
)
def test_chart_values_are_in_camel_case(name, want):
    assert chart_value(name) == want


def test_shards_without_leases_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    (tmp_path / "kubeconfig").write_text(
        "{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x}}],"
        " clusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}]}"
    )
    result = CliRunner().invoke(main, ["--shards=2", f"--storage-path={tmp_path}/s"])
    assert result.exit_code == 1
    assert "--shards needs --leader-elect" in result.output
