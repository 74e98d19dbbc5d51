"""What of a stored revision goes into the history of a release."""

import pytest

from hub.api.helm import Snapshot, Test
from hub.release import history
from hub.release.storage import StoredRelease, decode, encode


def stored(**phases):
    hooks = [
        {"name": name, "events": ["test"], "last_run": {"phase": phase} if phase else {}}
        for name, phase in phases.items()
    ]
    hooks.append({"name": "other", "events": ["pre-install"], "last_run": {"phase": "Failed"}})
    return StoredRelease({"name": "web", "hooks": hooks}, "secret", "1")


def spec(*filters):
    return Test.parse({"filters": list(filters)})


@pytest.mark.parametrize(
    ("filters", "names", "tested"),
    [
        pytest.param([], ["broken", "ping"], False, id="all, one has not run"),
        pytest.param([{"name": "broken", "exclude": True}], ["ping"], True, id="one left out"),
        pytest.param([{"name": "ping"}], ["ping"], True, id="one chosen"),
        pytest.param([{"name": "broken"}], ["broken"], False, id="the other chosen"),
        pytest.param([{"name": "ping"}, {"name": "ping", "exclude": True}], [], True, id="chosen and left out"),
    ],
)
def test_filters_say_which_tests_count(filters, names, tested):
    hooks = history.tests_of(stored(ping="Succeeded", broken=""), spec(*filters))
    assert sorted(hooks) == names
    assert history.was_tested(Snapshot(test_hooks=hooks)) is tested


@pytest.mark.parametrize(
    ("phases", "tested", "failed"),
    [
        pytest.param({}, True, False, id="no tests"),
        pytest.param({"a": "Succeeded", "b": "Succeeded"}, True, False, id="passed"),
        pytest.param({"a": "Failed", "b": ""}, True, True, id="the first failed"),
        pytest.param({"a": "Succeeded", "b": "Running"}, False, False, id="cut off"),
    ],
)
def test_verdict(phases, tested, failed):
    snapshot = Snapshot(test_hooks=history.tests_of(stored(**phases), None))
    assert (history.was_tested(snapshot), history.has_failed_test(snapshot)) == (tested, failed)


def test_not_tested_at_all():
    assert not history.was_tested(Snapshot())


def made(version, status="deployed"):
    raw = {"name": "web", "namespace": "apps", "version": version, "info": {"status": status}}
    return decode({"metadata": {"name": "s", "resourceVersion": "1"}, "data": {"release": encode(raw)}})


def test_the_digest_of_the_registry_stays_with_its_revision():
    first = history.record([], made(1), "install", oci_digest="sha256:a")
    assert (first[0].oci_digest, first[0].digest) == ("sha256:a", made(1).digest_with("sha256:a"))
    again = history.record(first, made(1))
    assert again[0].oci_digest == "sha256:a", "a test does not change it"
    both = history.record(again, made(2), "upgrade", oci_digest="sha256:b", before=made(1))
    assert [one.oci_digest for one in both] == ["sha256:b", "sha256:a"]
    assert both[1].digest == made(1).digest_as("superseded", "sha256:a"), "its digest follows"
    plain = history.record(both, made(3), "upgrade", oci_digest="")
    assert (plain[0].oci_digest, plain[0].digest) == ("", made(3).digest)


def test_a_release_that_fails_for_ever_keeps_what_it_can_go_back_to():
    snapshots = history.record([], made(1), "install")
    for version in range(2, 200):
        snapshots = history.record(snapshots, made(version, "failed"), "upgrade")
    assert len(snapshots) == 30
    assert [one.version for one in snapshots[:3]] == [199, 198, 197]
    assert history.previous(snapshots, ignore_tests=False).version == 1
