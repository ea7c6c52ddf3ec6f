"""The report as one page that needs nothing else: tables, and the figures within it."""

from collections.abc import Mapping
from html import escape

from drlactors.learner.report.detection import Figures
from drlactors.learner.report.tables import Table, tables

STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse; margin: .5em 0 2em; font-size: 13px; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #ddd; padding: .2em .8em; text-align: left; white-space: nowrap }
figure { display: inline-block; width: 36em; max-width: 100%; margin: 0 0 1em }
.limits { border-left: 4px solid #d55e00; padding: .2em 1em; background: #fff6ee }
"""
LIMITS = (
    "Recorded behaviour does not react to actions: this is off-policy replay. A sample that is isolated or stopped "
    "here did in the recording whatever it did; how samples answer back, only live sessions show. Figures are of these "
    "recordings, and of these splits of them."
)


def page(report: Figures, figures: Mapping[str, str]) -> str:
    title = f"drlactors evaluate {report['name']}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="limits">{escape(LIMITS)}</p>',
        f"<p>{escape(report['words'])}</p>",
        f"<p>Made by <code>{escape(report['command'])}</code></p>",
        *(f"<figure>{svg}</figure>" for svg in figures.values()),
        *map(_table, tables(report)),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<h2>{escape(table.title)}</h2>\n<p>{escape(table.says)}</p>\n<table><tr>{head}</tr>\n{rows}</table>"
