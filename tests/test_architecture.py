"""What a reader relies on: imports go down, generated files are fresh, links and the map name what is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def run(*command):
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_imports_only_go_down():
    run(BIN / "lint-imports", "--no-cache")


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-m", "hub.api.crds", "--check", "crds"], id="crds"),
        pytest.param(["docs/cli/generate.py", "--check"], id="docs/cli"),
    ],
)
def test_generated_files_are_fresh(command):
    run(sys.executable, *command)


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]), ids=lambda page: page.name
)
def test_pages_link_to_what_is_there(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not gone


def test_the_map_names_files_that_are_there():
    named = set(re.findall(r"`(hub/[\w/.]+)`", (ROOT / "docs" / "architecture.md").read_text()))
    assert len(named) > 40
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


def test_every_package_is_on_the_map():
    text = (ROOT / "docs" / "architecture.md").read_text()
    packages = [path.parent.name for path in (ROOT / "hub").glob("*/__init__.py")]
    assert not [name for name in packages if f"`hub/{name}`" not in text]


def test_the_pinned_versions_satisfy_what_the_project_asks_for():
    run(sys.executable, "-m", "pip", "check")


def test_what_few_hubs_need_is_not_loaded_at_the_start():
    code = "import hub.manager, sys; print(*sorted({'obstore', 'cel'} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
