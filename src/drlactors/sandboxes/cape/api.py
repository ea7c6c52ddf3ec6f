"""CAPE's REST API (``/apiv2``), as far as it is used here.

It answers with status 200 and ``{"error": ..., "error_value": ...}`` where it declines, also where a part of it is
switched off in api.conf; ``error`` is False or an empty list where all is well. Source: web/apiv2/views.py in
kevoreilly/CAPEv2.
"""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from uuid import uuid4

from drlactors.sandboxes.errors import CapeRefused, CapeUnreachable

#: How often a request is made again that CAPE's rate limit turned away, and for how long each time at most.
THROTTLED_TRIES, THROTTLED_MOST_S = 3, 10.0


class CapeApi:
    """May be used from several threads. Every method raises CapeUnreachable and CapeRefused."""

    def __init__(self, url: str, token: str = "", *, timeout_s: float = 10.0) -> None:
        """``url`` ends in /apiv2."""
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        self._timeout_s = timeout_s

    def status(self, task: int) -> str:
        """``pending``, ``running``, ``completed``, ``reported``, ``failed_analysis``, ..."""
        answer = self._ask(f"tasks/status/{task}/")
        return str(answer.get("data", ""))

    def finish(self, task: int) -> None:
        """Have the analyser end the run within seconds, with a report. Whether it does shows in the status alone.

        Where it worked, CAPE answers ``error`` true: it compares the status of the guest's agent with 200 the wrong way
        round. Where it did nothing it answers with nothing.
        """
        answer = self._ask(f"tasks/status/{task}/", {"status": "finish"}, errors_mean_nothing=True)
        if not answer:
            raise CapeRefused(
                f"task {task}",
                "is [user_stop] enabled in api.conf, and does the machine run, with an agent that answers?",
            )

    def submit(self, sample: Path, name: str, fields: Mapping[str, str]) -> tuple[int, ...]:
        """Make tasks of a file, mostly one; their ids. Raises OSError as well."""
        boundary = uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        filename = re.sub(r'["\\\r\n]', "_", name)
        parts += [
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'.encode(),
            b"Content-Type: application/octet-stream\r\n\r\n",
            sample.read_bytes(),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer = self._ask("tasks/create/file/", b"".join(parts), headers)
        try:
            return tuple(int(task) for task in answer["data"]["task_ids"])
        except (KeyError, TypeError, ValueError) as error:
            raise CapeRefused("tasks/create/file", f"an answer without task_ids: {answer}") from error

    def _ask(
        self,
        path: str,
        data: Mapping[str, str] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        errors_mean_nothing: bool = False,
    ) -> dict[str, Any]:
        body = urllib.parse.urlencode(data).encode() if isinstance(data, Mapping) else data
        request = urllib.request.Request(f"{self._url}/{path}", body, {**self._headers, **(headers or {})})
        answer = self._answer(request, path)
        if answer.get("error") and not (errors_mean_nothing and "error_value" not in answer):
            raise CapeRefused(path, str(answer.get("error_value", answer)))
        return answer

    def _answer(self, request: urllib.request.Request, path: str) -> dict[str, Any]:
        for attempt in range(1, THROTTLED_TRIES + 1):
            try:
                with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
                    answer = json.load(response)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 429 and attempt < THROTTLED_TRIES:
                        time.sleep(_retry_after_s(error))
                        continue
                    raise CapeRefused(
                        path, f"HTTP {error.code}: {error.read(300).decode('utf-8', 'replace')}"
                    ) from error
            except (OSError, ValueError, HTTPException) as error:  # no connection, a time-out; no JSON; half an answer
                raise CapeUnreachable(path, str(error)) from error
            if not isinstance(answer, dict):
                raise CapeUnreachable(path, "it answers with something else than an object")
            return answer
        raise AssertionError


def _retry_after_s(error: urllib.error.HTTPError) -> float:
    try:
        return min(THROTTLED_MOST_S, float(error.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0
