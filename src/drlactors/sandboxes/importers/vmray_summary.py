"""Reads who a VMRay function log is about from the summary that lies beside it."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from drlactors.domain.session import Outcome
from drlactors.sandboxes.importers import tolerant
from drlactors.sandboxes.importers.monitored import digest_of
from drlactors.sandboxes.importers.report import About, Passed
from drlactors.sandboxes.importers.source import Source, Unreadable, opened

LOG, SUMMARY = "flog.xml", "summary_v2.json"


class _Analysis(msgspec.Struct):
    submission_filename: str = ""
    verdict: str | None = None


class _Hashes(msgspec.Struct):
    sha256: str = ""


class _File(msgspec.Struct):
    hash_values: _Hashes = msgspec.field(default_factory=_Hashes)
    is_sample: bool = False


class _Summary(msgspec.Struct):
    analysis_metadata: _Analysis
    files: dict[str, _File] = {}


_DECODER = msgspec.json.Decoder(_Summary)


def beside(log: Source) -> Iterator[About | Passed]:
    """The artifact and the verdict, where the folder has a summary whose name differs from the log's in no more."""
    if log.folder is None or LOG not in log.name:
        return
    name = log.name.replace(LOG, SUMMARY)
    file = next((file for ending in ("", ".gz") if (file := log.folder / f"{name}{ending}").is_file()), None)
    if file is None:
        return
    try:
        told = _read(file)
    except (Unreadable, msgspec.DecodeError):
        yield Passed("summaries beside the log that cannot be read")
        return
    sample = next((one.hash_values.sha256 for one in told.files.values() if one.is_sample), "")
    kind = PurePosixPath(told.analysis_metadata.submission_filename).suffix.lower().lstrip(".")
    malicious = told.analysis_metadata.verdict == "malicious"
    yield About(
        sha256=digest_of(sample),
        kind=kind if kind.isalnum() and len(kind) <= 8 else "",
        verdict=Outcome.MALICIOUS if malicious else None,
        because="VMRay's verdict" if malicious else "",
    )


def _read(file: Path) -> _Summary:
    with opened(file) as source:
        return tolerant.decode(_DECODER, b"".join(iter(lambda: source.read(1 << 20), b"")))
