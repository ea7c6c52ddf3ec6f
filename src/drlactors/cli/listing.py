"""A list on the terminal: a table for people, one JSON object a line for programs."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Row = Sequence[Any]


def print_rows(
    columns: Sequence[str], rows: Iterable[Row], *, as_json: bool, cells: Callable[[Row], Row] = tuple, empty: str = ""
) -> None:
    """``cells`` says what the table shows of a row, where that is not what JSON has; ``empty``, what of no rows."""
    if as_json:
        for row in rows:
            print(json.dumps(dict(zip(columns, row, strict=True))))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells(row)))
    Console().print(table if table.rows or not empty else empty)
