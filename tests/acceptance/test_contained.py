"""A real system, and real programs behind walls that do harm to a scratch folder: what is stopped, and what it cost."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from drlactors.domain.action import Action
from drlactors.sandboxes.decoys import Decoys
from drlactors.sandboxes.plan import Artifact
from drlactors.sandboxes.recorder import install
from drlactors.sandboxes.scratch import prepare
from drlactors.testing.servers import EmbeddedNats
from tests.acceptance.harness import SystemProcess, wait_for
from tests.unit.inference.models import preferring

#: Beside some fifty others: the rules call the change of more than 300 files a mass change.
DOCUMENTS = 1000


@contextmanager
def scratch() -> Iterator[Path]:
    """A home with some fifty documents in it, below the temporary folder."""
    with tempfile.TemporaryDirectory(prefix="home-") as place:
        home = Path(place).resolve()
        prepare(home, 1)
        yield home


def status(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRLACTORS_")}
    return subprocess.run(
        [sys.executable, "-m", "drlactors", *arguments],
        env=environment | {"COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def drlactors(*arguments: str) -> str:
    done = status(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def encrypt(system: SystemProcess, home: Path) -> tuple[str, int, int]:
    """Runs the emulation of mass encryption in ``home``: what was said, how many documents were lost, of how many."""
    (home / "Documents" / "more").mkdir()
    for number in range(DOCUMENTS):
        (home / "Documents" / "more" / f"letter-{number}.txt").write_bytes(b"Dear reader,\n" * 100)
    documents = Decoys(home / "Documents")
    options = {"style": "replace", "pause_s": 0.005, "seconds": 60}
    emulation = Artifact(family="ransomware", variant="fast", malicious=True, source="encrypt", options=options)
    program = install(emulation, home)
    where = ["--data-dir", str(system.folder), "--folder", str(home), "--env", f"SCRATCH={home}"]
    said = drlactors("sandbox", "run", *where, "--artifact", str(home / "app" / "main.py"), "--", *program)
    return said, documents.lost(), len(documents)


def test_a_mass_encryption_is_stopped_and_costs_less_than_when_it_is_only_watched(
    tmp_path: Path, own_nats: EmbeddedNats, database: str
) -> None:
    lost: dict[str, int] = {}
    rules = {"model__path": str(tmp_path / "no-model.onnx")}
    deciding = {"guards__monitored": ("review",)}  # nobody is there to be asked
    with (
        SystemProcess(tmp_path / "enforcing", own_nats.url, database, **rules, **deciding) as system,
        scratch() as home,
    ):
        system.start()
        said, lost["enforced"], every = encrypt(system, home)
        assert "stopped by terminate" in said
        assert system.stop() == 0
    watching = {"guards__monitored": ("isolate", "terminate", "quarantine", "review")}
    with SystemProcess(tmp_path / "watching", own_nats.url, database, **rules, **watching) as system, scratch() as home:
        system.start()
        said, lost["watched"], every = encrypt(system, home)
        assert "not stopped" in said
    print(f"documents lost of {every}: {lost}")  # pytest -s shows it
    assert lost["watched"] == every
    assert 0 < lost["enforced"] < every


def test_quarantine_takes_the_artifact_away_and_gives_it_back_byte_for_byte(
    tmp_path: Path, own_nats: EmbeddedNats, database: str
) -> None:
    sample = tmp_path / "sample"
    content = b"#!/bin/sh\nwhile :; do echo working > steps; sleep 0.05; done\n"
    sample.write_bytes(content)
    sample.chmod(0o751)
    system = SystemProcess(
        tmp_path / "system",
        own_nats.url,
        database,
        model__path=str(preferring(tmp_path, Action.QUARANTINE)),
        model__deadline_ms=60_000,
        models__allow_unsigned=True,
        rules__isolation_before_quarantine=0,
    )
    site = ["--data-dir", str(system.folder)]
    with system:
        system.start()
        assert "stopped by quarantine" in drlactors("sandbox", "run", *site, "--", str(sample))
    assert not sample.exists()
    (record,) = [json.loads(line) for line in drlactors("quarantine", "list", "--json", *site).splitlines()]
    assert (record["path"], record["mode"], record["sha256"]) == (str(sample), 0o751, sha256(content).hexdigest())
    assert record["session"]
    drlactors("quarantine", "restore", record["id"], *site)
    assert (sample.read_bytes(), sample.stat().st_mode & 0o7777) == (content, 0o751)
    assert drlactors("quarantine", "list", "--json", *site) == ""


@pytest.mark.parametrize(("ruling", "ended"), [("terminate", "stopped by terminate"), ("release", "not stopped")])
def test_a_review_pauses_the_program_until_a_person_has_answered(
    tmp_path: Path, own_nats: EmbeddedNats, database: str, ruling: str, ended: str
) -> None:
    system = SystemProcess(
        tmp_path / "system",
        own_nats.url,
        database,
        model__path=str(preferring(tmp_path, Action.REVIEW)),
        model__deadline_ms=60_000,
        models__allow_unsigned=True,
    )
    with system, scratch() as home, ThreadPoolExecutor(1) as pool:
        system.start()
        work = "n=0; while [ $n -lt 40 ]; do n=$((n + 1)); echo $n > steps; sleep 0.1; done"
        where = ["--data-dir", str(system.folder), "--folder", str(home)]
        running = pool.submit(drlactors, "sandbox", "run", *where, "--", "sh", "-c", work)
        config = ["--config", str(system.config)]
        wait_for(lambda: drlactors("reviews", "list", "--json", *config), 60, "a review is open")
        review = json.loads(drlactors("reviews", "list", "--json", *config))["review"]
        reached = (home / "steps").read_text()
        drlactors("reviews", "show", review, *config)  # takes a person longer than a step takes the program
        assert (home / "steps").read_text() == reached != "40\n"
        drlactors("reviews", "decide", review, "--ruling", ruling, "--why", "seen", "--who", "ann", *config)
        assert ended in running.result(180)
        assert ((home / "steps").read_text() == "40\n") == (ruling == "release")


def test_many_are_watched_at_once_and_what_is_clean_goes_on_to_stage_2(
    tmp_path: Path, own_nats: EmbeddedNats, database: str
) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    for name, text in (("clean", "sleep 0.6"), ("also-clean", "ls /usr"), ("broken", "exit 3"), ("readme", "")):
        (samples / name).write_text(f"#!/bin/sh\n{text}\n" if name != "broken" else "#!/nowhere/at/all\n")
        (samples / name).chmod(0o644 if name == "readme" else 0o755)
    system = SystemProcess(
        tmp_path / "system",
        own_nats.url,
        database,
        model__path=str(preferring(tmp_path, Action.CONTINUE)),
        model__deadline_ms=60_000,
        models__allow_unsigned=True,
    )
    with system:
        system.start()
        watched = status("sandbox", "watch", str(samples), "--stages", "2", "--data-dir", str(system.folder))
        assert watched.returncode == 1  # one did not run
        shown = watched.stdout
        assert "3 of 3 done" in shown
        assert shown.count("benign") == 2
        assert "did not start" in shown
        told = drlactors("episodes", "list", "--json", "--config", str(system.config))
    sessions = sorted(len(json.loads(line)["sessions"]) for line in told.splitlines())
    assert sessions == [1, 2, 2]
