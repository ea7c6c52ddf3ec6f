"""Structured log lines: JSON for machines or columns for people, to standard error or to a file that rotates."""

import logging
import sys
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog
from opentelemetry import trace
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from drlactors.instrumentation.options import LogOptions

OURS = "drlactors"


class Logs:
    """Where all lines of this process go from its making until ``close``; libraries' warnings too.

    A line that cannot be written (a full disk) is told on standard error and never raises.
    """

    def __init__(self, options: LogOptions) -> None:
        self._handler = _handler(options)
        self._handler.setFormatter(_formatter(options, colors=sys.stderr.isatty()))
        self._root = logging.getLogger()
        self._ours = logging.getLogger(OURS)
        self._before = self._ours.level
        self._root.addHandler(self._handler)
        self.set_level(options.level)
        self._log: BoundLogger = structlog.wrap_logger(
            self._ours,
            processors=[*_COMMON, ProcessorFormatter.wrap_for_formatter],
            wrapper_class=BoundLogger,
            context_class=dict,
        )

    def set_level(self, level: str) -> None:
        """From now on; of our own lines only."""
        self._ours.setLevel(level.upper())

    def info(self, event: str, fields: Mapping[str, Any]) -> None:
        if self._ours.isEnabledFor(logging.INFO):
            self._log.info(event, **_harmless(fields))

    def warning(self, event: str, fields: Mapping[str, Any]) -> None:
        self._log.warning(event, **_harmless(fields))

    def error(self, event: str, error: Exception, fields: Mapping[str, Any]) -> None:
        """With the error's message and its stack trace."""
        self._log.error(event, **_harmless(fields), error=str(error), exc_info=error)

    def close(self) -> None:
        self._root.removeHandler(self._handler)
        self._ours.setLevel(self._before)
        self._handler.close()


#: Names that the logging library keeps for itself; a field of such a name gets an underscore.
_TAKEN = frozenset(("event", "error", "level", "timestamp", "exc_info", "exception", "stack_info"))


def _harmless(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name}_" if name in _TAKEN else name: value for name, value in fields.items()}


def _with_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


_COMMON: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _with_trace,
]


def _handler(options: LogOptions) -> logging.Handler:
    if not options.file:
        return logging.StreamHandler(sys.stderr)
    path = Path(options.file)
    path.parent.mkdir(parents=True, exist_ok=True)
    return RotatingFileHandler(path, maxBytes=options.rotate_bytes, backupCount=options.keep, encoding="utf-8")


def _formatter(options: LogOptions, *, colors: bool) -> ProcessorFormatter:
    rendered: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if options.format == "json"
        # Where rich is installed, its traces show what variables hold: passwords among it, and 50 kB for one error.
        else [
            structlog.dev.ConsoleRenderer(
                colors=colors and not options.file, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    return ProcessorFormatter(
        foreign_pre_chain=[*_COMMON, structlog.stdlib.add_logger_name],
        processors=[ProcessorFormatter.remove_processors_meta, *rendered],
    )
