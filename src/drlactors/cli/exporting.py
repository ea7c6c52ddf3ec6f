"""`drlactors patterns export`: what was learned, for the programs of others."""

import sys
from pathlib import Path
from typing import Literal

from drlactors.cli.conditions import ALL, Conditions
from drlactors.cli.whereabouts import HERE, Whereabouts


def export(
    *,
    format_: Literal["json", "csv", "stix", "ocsf"],
    out: Path | None = None,
    findings_only: bool = False,
    conditions: Conditions = ALL,
    where: Whereabouts = HERE,
) -> None:
    """Write patterns for other programs, the newest first: all of them, or those for which all that is given holds.

    json: an object a line. csv: the same columns (RFC 4180). stix: one STIX 2.1 bundle with the analysis of each
    artifact, what is known to be malware with its techniques, and indicators. ocsf: OCSF 1.6.0 events, one a line: a
    Detection Finding of each session, and behind it a Remediation Activity for each thing that was done in it.
    proto/exports.md says what stands where. It is written as it is read: of any number, in the memory of a few.

    Examples
    --------
    drlactors patterns export --format csv --out patterns.csv
    drlactors patterns export --format stix --truth malicious --since 2026-11-01 --out november.json
    drlactors patterns export --format ocsf --technique T1055 | your-siem

    Parameters
    ----------
    format_
        How.
    out
        The file; without it, standard output.
    findings_only
        In OCSF only what was found. What was done is read from the event log, session by session, and takes longer.
    """
    from importlib.metadata import version

    from drlactors.cli.files import whole
    from drlactors.exports.producer import Producer
    from drlactors.exports.selection import lived_in, rendered, selected
    from drlactors.wiring import patterns

    query = conditions.query()
    with patterns(*where) as asked:
        producer = Producer(asked.settings.server.instance, version("drlactors"))
        lived = None if findings_only else lived_in(asked.log)
        texts = rendered(format_, selected(asked.store, query), producer, lived)
        if out is None:
            sys.stdout.writelines(texts)
            return
        with whole(out, encoding="utf-8", newline="") as written:  # CSV has line breaks of its own
            written.writelines(texts)
