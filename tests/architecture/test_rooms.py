"""The rooms keep to their rows, and the serving plane starts light."""

import ast
import importlib.util
import json
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "drlactors"
MAX_LINES = 400
#: Where a broad ``except`` may stand: what is caught there is recorded and the rest goes on, or it is the last word.
MAY_CATCH_ALL = ("__main__.py", "actors/dispatched.py", "actors/supervisor.py")
SERVING = ("actors", "bus", "codec", "console", "domain", "gateway", "inference", "patterns", "ports", "store", "wire")
HEAVY = {"eventsourcing", "grpc", "nats", "numpy", "onnx", "onnxruntime", "opentelemetry", "psycopg", "torch"}
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE / "wire" / "v1")


def relative(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def imported_by(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def loaded_after(program: str) -> set[str]:
    """The top-level packages in sys.modules when ``program`` has run in an interpreter of its own."""
    report = f"import sys, json\ntry:\n    {program}\nfinally:\n    print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    modules = json.loads(done.stdout.splitlines()[-1])
    assert "drlactors" in modules, done.stderr
    return {name.partition(".")[0] for name in modules}


def test_every_contract_of_import_linter_is_kept():
    command = "from importlinter.cli import lint_imports_command as lint; lint(['--no-logo', '--no-cache'])"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_serving_does_not_import_torch():
    rooms = [path for path in MODULES if relative(path).partition("/")[0] in SERVING or path.parent == SOURCE]
    names = sorted({module_name(path) for path in rooms} - {"drlactors.__main__"})
    assert loaded_after(f"import {', '.join(names)}").isdisjoint({"torch", "onnx"})


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_help_is_shown_without_anything_heavy():
    program = "import runpy; sys.argv = ['drlactors', '--help']; runpy.run_module('drlactors', run_name='__main__')"
    assert loaded_after(program).isdisjoint(HEAVY)


def test_domain_knows_only_the_standard_library_and_numpy():
    for path in (SOURCE / "domain").rglob("*.py"):
        strangers = {
            name
            for name in imported_by(path)
            if name.partition(".")[0] not in sys.stdlib_module_names | {"numpy"}
            and not name.startswith("drlactors.domain")
        }
        assert not strangers, f"{relative(path)} imports {strangers}"


def test_domain_has_no_clock_no_chance_and_no_log():
    forbidden = {
        "asyncio",
        "logging",
        "os",
        "random",
        "secrets",
        "socket",
        "subprocess",
        "threading",
        "time",
    }
    for path in (SOURCE / "domain").rglob("*.py"):
        imported = {name.partition(".")[0] for name in imported_by(path)}
        assert imported.isdisjoint(forbidden), f"{relative(path)} imports {imported & forbidden}"
        assert "numpy.random" not in imported_by(path)
        called = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert called.isdisjoint({"now", "utcnow", "today", "random", "uuid1", "uuid4"}), relative(path)


def test_only_wiring_and_the_command_line_read_the_configuration():
    readers = ("wiring/", "config/", "cli/", "__main__.py")
    for path in MODULES:
        if not relative(path).startswith(readers):
            assert not any(name.startswith("drlactors.config") for name in imported_by(path)), relative(path)


def test_nothing_is_mocked():
    for path in (*MODULES, *(ROOT / "tests").rglob("*.py")):
        assert not any(name.startswith("unittest") for name in imported_by(path)), path


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_says_what_it_is_and_stays_small(path: Path):
    text = path.read_text()
    # An empty __init__ is only the mark of a package.
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no docstring"
    assert text.count("\n") <= MAX_LINES, "it has swallowed a neighbour"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_nobody_catches_everything_but_wiring_and_the_supervisor(path: Path):
    broad = {"BaseException", "Exception"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {name.id for name in caught if isinstance(name, ast.Name)}
            allowed = relative(path) in MAY_CATCH_ALL
            assert allowed or (node.type is not None and not names & broad), f"line {node.lineno}"


def test_generated_messages_are_what_proto_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    loader = SourceFileLoader("dev", str(ROOT / "dev"))
    dev = importlib.util.module_from_spec(importlib.util.spec_from_loader("dev", loader))  # type: ignore[arg-type]
    loader.exec_module(dev)
    monkeypatch.setattr(dev, "PYTHON", sys.executable)
    assert dev.proto(["--check"]) == 0, capsys.readouterr().out
