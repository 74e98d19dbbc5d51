# ruff: noqa: E501  expectations are read as lines
"""Registries that lie, refuse, hang or want peace, and policies that find nothing: each says so, none disturbs another."""

import itertools

import pytest
from scenario_match import Re
from scenario_registry import BadRegistry
from scenario_scene import Scene

pytestmark = pytest.mark.cluster


def repository(name, image, **more):
    spec = {"image": image, "insecure": True, "interval": "1h"} | more
    return {
        "apiVersion": "image.toolkit.fluxcd.io/v1",
        "kind": "ImageRepository",
        "metadata": {"name": name},
        "spec": spec,
    }


def policy(name, spec):
    return {
        "apiVersion": "image.toolkit.fluxcd.io/v1",
        "kind": "ImagePolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


async def test_registries_on_bad_days(world):
    """Each says what is wrong, none disturbs the others, and what was known stays."""
    async with BadRegistry() as bad, Scene(world, "image-registries") as scene:
        await scene.given("source: false\n")
        at = bad.address
        names = ["html", "no-json", "no-list", "denied", "gone", "good", "many"]
        objects = [repository(name, f"{at}/{name}/app") for name in names]
        objects += [
            repository("hang", f"{at}/hang/app", timeout="1s"),
            repository("scheme", f"http://{at}/good/app"),
            repository("tagged", f"{at}/good/app:1.0"),
            repository("no-secret", f"{at}/good/app", secretRef={"name": "nowhere"}),
            repository("no-regex", f"{at}/good/app", exclusionList=["("]),
            repository("closed", "127.0.0.1:1/app"),
            repository("cloud", f"{at}/good/app", provider="aws"),
        ]
        await scene.apply("hub", *objects)
        failed = {
            "html": ("ReadOperationFailed", "scan failed: .*web page"),
            "no-json": ("ReadOperationFailed", "scan failed: the registry does not answer in JSON"),
            "no-list": ("ReadOperationFailed", "scan failed: .*list of tags that is none"),
            "denied": ("ReadOperationFailed", "scan failed: .*(wants|password)"),
            "gone": ("ReadOperationFailed", "scan failed: .*/gone/app: not found: no such name"),
            "hang": ("ReadOperationFailed", "scan failed: .* did not list the tags within 1s"),
            "scheme": ("ImageURLInvalid", "should not include URL scheme; remove 'http://'"),
            "tagged": ("ImageURLInvalid", "should not include a tag; remove ':1.0'"),
            "no-secret": ("AuthenticationFailed", "secrets .nowhere. not found"),
            "no-regex": ("InvalidExclusionList", "error parsing regexp"),
            "closed": ("ReadOperationFailed", "refused the connection"),
            "cloud": ("AuthenticationFailed", "hub's own identity is not used with spec.insecure"),
        }
        for name, (reason, message) in failed.items():
            ready = {"status": "False", "reason": reason, "message": Re(message)}
            await scene.expect({f"ImageRepository/{name}": {"conditions": {"Ready": ready}}})
        await scene.expect([
            {"ImageRepository/good": {"conditions": {"Ready": {"message": "successful scan: found 2 tags"}}}},
            {"ImageRepository/many": {"status": {"lastScanResult": {
                "tagCount": 10000, "latestTags": [f"1.99.{patch}" for patch in range(99, 89, -1)]}}}},
            {"events ImageRepository/gone": {"type": "Warning", "reason": "ReadOperationFailed"}},
        ])  # fmt: skip
        assert len([path for path in bad.asked if path.startswith("/v2/many/")]) == 10, "its pages, and no more"

        policies = {
            "latest": ({"semver": {"range": ">=0"}}, {}, "True", "Succeeded", "resolved to 1.0.0"),
            "range": ({"semver": {"range": "oops"}}, {}, "False", "InvalidPolicy", "improper constraint"),
            "regex": ({"numerical": {}}, {"pattern": "("}, "False", "InvalidPolicy", "failed to filter tags"),
            "none": ({"semver": {"range": ">=9"}}, {}, "False", "Failure", "unable to determine latest version"),
            "unmatched": ({"alphabetical": {}}, {"pattern": "^x"}, "False", "Failure", "matches none of 2 tags"),
            "words": ({"numerical": {}}, {}, "False", "Failure", "failed to parse invalid numeric value '0.9.0'"),
        }
        for name, (choice, filter_, *_) in policies.items():
            spec = {"imageRepositoryRef": {"name": "good"}, "policy": choice}
            spec |= {"filterTags": filter_} if filter_ else {}
            await scene.apply("hub", policy(name, spec))
        refs = {"orphan": "nobody", "early": "gone"}
        for name, ref in refs.items():
            spec = {"imageRepositoryRef": {"name": ref}, "policy": {"semver": {"range": "*"}}}
            await scene.apply("hub", policy(name, spec))
        for name, (_, _, status, reason, message) in policies.items():
            ready = {"status": status, "reason": reason, "message": Re(message)}
            await scene.expect({f"ImagePolicy/{name}": {"conditions": {"Ready": ready}}})
        for name, message in {"orphan": "does not exist", "early": "no tags in database"}.items():
            ready = {"status": "False", "reason": "DependencyNotReady", "message": Re(message)}
            await scene.expect({f"ImagePolicy/{name}": {"conditions": {"Ready": ready}}})

        bad.mended = True
        await scene.step("reconcile ImageRepository/gone")
        await scene.expect({"ImagePolicy/early": {"status": {"latestImage": f"{at}/gone/app:1.0.0"}}})


async def test_a_registry_that_wants_peace_gets_it(world):
    """429 with Retry-After: asked again then, not sooner, and its tags are found."""
    async with BadRegistry() as bad, Scene(world, "image-busy") as scene:
        await scene.given("source: false\n")
        await scene.apply("hub", repository("busy", f"{bad.address}/busy/app"))
        ready = {"status": "False", "reason": "ReadOperationFailed", "message": Re("429|too many requests")}
        await scene.expect({"ImageRepository/busy": {"conditions": {"Ready": ready}}})
        bad.mended = True
        await scene.expect({"ImageRepository/busy": {"status": {"lastScanResult": {"tagCount": 2}}}})
        assert all(after - before > 1.8 for before, after in itertools.pairwise(bad.times)), bad.times
