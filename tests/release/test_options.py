"""Each field of a HelmRelease that becomes an option of helm."""

import pytest

from hub.api.helm import HelmRelease
from hub.release import options
from hub.release.helm_options import ServerSide, Wait
from hub.release.plan import Action


def release(**spec):
    return HelmRelease.parse({"metadata": {"name": "web", "namespace": "ns"}, "spec": spec})


def made(verb, **spec):
    """The options of a verb for a spec."""
    match verb:
        case "install":
            return options.install(release(**spec), {"a": "b"})
        case "upgrade":
            return options.upgrade(release(**spec), {"a": "b"}, was_server_side=True)
        case "rollback":
            return options.rollback(release(**spec), was_server_side=True)
        case "uninstall":
            return options.uninstall(release(**spec))
        case _:
            return options.test(release(**spec))


@pytest.mark.parametrize(
    ("verb", "field", "value", "option", "values"),
    [
        pytest.param(verb, field, value, option, values, id=f"{verb}.{field}")
        for verbs, field, value, option, *values in [
            ("install upgrade rollback uninstall test", "timeout", "90s", "timeout", 300.0, 90.0),
            ("install upgrade rollback", "disableWait", True, "wait", Wait.WATCHER, Wait.HOOKS),
            ("install upgrade rollback", "disableWaitForJobs", True, "wait_for_jobs", True, False),
            ("install upgrade rollback uninstall", "disableHooks", True, "hooks", True, False),
            ("install upgrade", "disableOpenAPIValidation", True, "openapi_validation", True, False),
            ("install upgrade", "disableSchemaValidation", True, "schema_validation", True, False),
            ("install upgrade", "disableTakeOwnership", True, "take_ownership", True, False),
            ("install", "serverSideApply", False, "server_side", ServerSide.TRUE, ServerSide.FALSE),
            ("install", "replace", True, "replace", False, True),
            ("install", "skipCRDs", False, "skip_crds", True, True),
            ("upgrade rollback", "serverSideApply", "disabled", "server_side", ServerSide.TRUE, ServerSide.FALSE),
            ("upgrade rollback", "serverSideApply", "auto", "server_side", ServerSide.TRUE, ServerSide.TRUE),
            ("upgrade rollback", "force", True, "force_replace", False, True),
            ("upgrade rollback", "cleanupOnFail", True, "cleanup_on_fail", False, True),
            ("upgrade", "preserveValues", True, "reuse_values", False, True),
            ("uninstall", "deletionPropagation", "orphan", "cascade", "background", "orphan"),
            ("uninstall", "keepHistory", True, "keep_history", False, True),
            ("test", "filters", [{"name": "a"}, {"name": "b", "exclude": True}], "only", [], ["a"]),
            ("test", "filters", [{"name": "a"}, {"name": "b", "exclude": True}], "exclude", [], ["b"]),
        ]
        for verb in verbs.split()
    ],
)
def test_field(verb, field, value, option, values):
    """``values``: what the option is without the field, and with it."""
    specs = ({}, {verb: {field: value}})
    assert [getattr(made(verb, **spec), option) for spec in specs] == values


@pytest.mark.parametrize("verb", ["install", "upgrade", "rollback", "uninstall", "test"])
def test_the_timeout_of_the_release_is_that_of_its_actions(verb):
    assert made(verb, timeout="2m").timeout == 120.0
    assert made(verb, timeout="2m", **{verb: {"timeout": "1m"}}).timeout == 60.0


@pytest.mark.parametrize("verb", ["install", "upgrade", "rollback", "uninstall"])
def test_wait_strategy(verb):
    assert made(verb, waitStrategy={"name": "legacy"}).wait is Wait.LEGACY
    assert made(verb, waitStrategy={"name": "legacy"}, **{verb: {"disableWait": True}}).wait is Wait.HOOKS


def test_auto_goes_on_as_the_last_revision():
    assert options.upgrade(release(), {}, was_server_side=False).server_side is ServerSide.FALSE
    assert options.rollback(release(), was_server_side=False).server_side is ServerSide.FALSE


@pytest.mark.parametrize(("given", "kept"), [pytest.param(None, 5, id="default"), (0, 0), (2, 2)])
def test_history(given, kept):
    spec = {} if given is None else {"maxHistory": given}
    assert made("upgrade", **spec).history_max == made("rollback", **spec).history_max == kept


def test_expressions_count_only_where_helm_waits():
    assert options.waits(release(), Action.INSTALL)
    assert not options.waits(release(install={"disableWait": True}), Action.INSTALL)
    assert not options.waits(release(waitStrategy={"name": "legacy"}), Action.UPGRADE)
