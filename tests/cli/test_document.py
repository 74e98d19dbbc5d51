import json

import yaml

from hub.api.helm import HelmRelease
from hub.cli.document import written, written_list

RAW = {
    "apiVersion": "helm.toolkit.fluxcd.io/v2",
    "kind": "HelmRelease",
    "metadata": {"name": "app", "managedFields": [{"manager": "hub"}]},
    "spec": {"values": {"text": "two\nlines", "no": "off", "grüße": "ja"}},
}


def test_name_is_one_that_kubectl_takes():
    assert written("name", HelmRelease.KIND, RAW) == "helmrelease.helm.toolkit.fluxcd.io/app"


def test_documents_read_back_without_the_book_keeping_of_managers():
    want = {**RAW, "metadata": {"name": "app"}}
    assert json.loads(written("json", HelmRelease.KIND, RAW)) == want
    assert yaml.safe_load(written("yaml", HelmRelease.KIND, RAW)) == want


def test_several_are_a_list():
    found = json.loads(written_list("json", [RAW, RAW]))
    assert (found["kind"], len(found["items"])) == ("List", 2)
    assert yaml.safe_load(written_list("yaml", []))["items"] == []
