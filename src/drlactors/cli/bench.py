"""`drlactors bench`: runs one benchmark of the checkout and shows its figures."""

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

FOLDER = Path("tests") / "benchmarks"


def bench(name: str = "", /, *, out: Annotated[Path | None, Parameter(name="--json")] = None) -> None:
    """Measure on this machine; without a name, list what can be measured.

    Examples
    --------
    drlactors bench
    drlactors bench fast-line --json figures.json

    Parameters
    ----------
    name
        A benchmark of tests/benchmarks.
    out
        Also write the figures there: a list of objects with name, value, unit, compared_with.
    """
    from rich.console import Console

    known = {
        path.stem.replace("_", "-"): path
        for path in sorted(folder().glob("[a-z]*.py"))
        if re.search(r"^def run\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    if not name:
        print("\n".join(known))
        return
    if name not in known:
        raise SystemExit(f"there is no benchmark {name!r}; there are: {', '.join(known) or 'none'}")
    figures = _run(known[name])()
    Console().print(_table(name, figures))
    if out is not None:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def folder() -> Path:
    """The benchmarks of this checkout; they are not part of an installed package."""
    from drlactors.config import share

    found = share("configs").parent / FOLDER
    if not found.is_dir():
        raise SystemExit("benchmarks are in the repository, not in the installed package: run this in a checkout")
    return found


def _run(path: Path) -> Callable[[], list[dict[str, Any]]]:
    import sys

    # Benchmarks share code with the tests: tests/ is a package of the checkout's top.
    sys.path.insert(0, str(path.parents[2]))
    spec = importlib.util.spec_from_file_location(f"tests.benchmarks.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses and spawned processes look their module up
    spec.loader.exec_module(module)
    run: Callable[[], list[dict[str, Any]]] = module.run
    return run


def _table(title: str, figures: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("what", "value", "unit", "compared with", title=title)
    for figure in figures:
        value = figure["value"]
        shown = f"{value:,.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"
        table.add_row(figure["name"], shown, figure["unit"], str(figure.get("compared_with") or ""))
    return table
