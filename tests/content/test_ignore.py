from __future__ import annotations

import pytest

from hub.content.ignore import IgnoreRules


@pytest.mark.parametrize(
    ("files", "ignore", "ignored", "kept"),
    [
        pytest.param(
            {},
            None,
            [
                ".gitignore",
                "a/.gitmodules",
                "logo.png",
                "a/b.tar.gz",
                ".github/workflows/x.yaml",
                "a/.sops.yaml",
                ".git/x",
            ],
            ["a.yaml", ".sourceignore", ".helmignore", "charts/x.tgz", "jpg"],
            id="built-in rules",
        ),
        pytest.param({}, "# only\n\n  \n", ["logo.png"], ["a"], id="comments are no rules"),
        pytest.param(
            {}, "*.md", ["README.md", ".gitignore"], ["logo.png", ".travis.yml"], id="a rule drops the defaults"
        ),
        pytest.param({"": "*.md"}, None, ["README.md"], ["logo.png"], id="so does a file"),
        pytest.param(
            {},
            "/*\n!/deploy/**/*.yaml",
            ["src/a.yaml", "deploy/a.md"],
            ["deploy/a.yaml", "deploy/b/c.yaml"],
            id="allow list",
        ),
        pytest.param({"": "a/\n!a/keep"}, None, ["a/x", "b/a/x"], ["a/keep", "c"], id="a file of an ignored folder"),
        pytest.param({"a": "*.txt\n/top"}, None, ["a/x.txt", "a/b/y.txt", "a/top"], ["x.txt", "a/b/top"], id="scoped"),
        pytest.param(
            {"": "*.txt", "a": "!keep.txt"}, None, ["keep.txt", "a/x.txt"], ["a/b/keep.txt"], id="deeper wins"
        ),
        pytest.param({"": "!x.md", "a": "!x.md"}, "*.md", ["x.md", "a/x.md"], ["y"], id="spec.ignore wins"),
        pytest.param({}, "!.gitignore", [".gitmodules"], [".gitignore"], id="version control files can be taken in"),
    ],
)
def test_rules(files, ignore, ignored, kept):
    rules = IgnoreRules(files, ignore)
    assert [path for path in ignored + kept if rules.ignores(path)] == ignored
