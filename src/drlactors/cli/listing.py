"""A list on the terminal: a table for people, one JSON object a line for programs."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Row = Sequence[Any]
#: Columns of a table that no terminal shows: it goes to a file, or through grep, line by line.
WIDE = 1000


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

    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")  # an id that is cut off is of no use to whoever wants to copy it
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells(row)))
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    console.print(table if table.rows or not empty else empty)
