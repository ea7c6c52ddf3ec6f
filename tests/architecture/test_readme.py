"""Every promise of the README names a test that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISES = re.findall(
    r"^\| (?P<law>[^|]+) \| `(?P<test>tests/[^`]+)` \|$", (ROOT / "README.md").read_text(), re.MULTILINE
)


def test_the_table_is_read() -> None:
    assert len(PROMISES) >= 10


@pytest.mark.parametrize(("law", "test"), PROMISES)
def test_a_promise_has_its_test(law: str, test: str) -> None:
    path, _, name = test.partition("::")
    assert (ROOT / path).is_file(), law
    tree = ast.parse((ROOT / path).read_text())
    tests = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert name in tests if name else tests, law
