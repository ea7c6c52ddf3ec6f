"""Structured log lines: JSON for machines or columns for people, to standard error or to a file that rotates."""

import contextlib
import logging
import sys
import time
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
#: Lines that cannot be written are told of at most this often.
TELL_EVERY_S = 60.0


class Logs:
    """Where all lines of this process go from its making until ``close``; libraries' warnings too.

    Lines that cannot be written (a full disk) are told of on standard error, now and then, and never raise.
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
        """With the error's message, and its stack trace where nobody foresaw it.

        Errors of ours are written for the reader. While a database is away, one trace of three errors that caused each
        other every few seconds hid all else.
        """
        foreseen = type(error).__module__.startswith(f"{OURS}.") and not self._ours.isEnabledFor(logging.DEBUG)
        self._log.error(event, **_harmless(fields), error=str(error), exc_info=None if foreseen else error)

    def close(self) -> None:
        self._root.removeHandler(self._handler)
        self._ours.setLevel(self._before)
        with contextlib.suppress(OSError):  # the last lines found no room, which was told
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


class _File(RotatingFileHandler):
    """Python's own word on a line that it cannot write is a page for each, with the line's fields among it."""

    _told_s = float("-inf")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  # as logging has it
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            print(f"drlactors: cannot write to the log {self.baseFilename}: {sys.exc_info()[1]}", file=sys.stderr)


def _handler(options: LogOptions) -> logging.Handler:
    if not options.file:
        return logging.StreamHandler(sys.stderr)
    path = Path(options.file)
    path.parent.mkdir(parents=True, exist_ok=True)
    return _File(path, maxBytes=options.rotate_bytes, backupCount=options.keep, encoding="utf-8")


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
