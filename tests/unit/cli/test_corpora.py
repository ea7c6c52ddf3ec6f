"""Corpora have names; what has no truth is kept apart from what is benign."""

import gzip
import json
from pathlib import Path

import pytest

from drlactors.cli.corpora import CORPORA, VARIABLE, corpus
from drlactors.learner.corpus import CorpusUnfit, episodes
from drlactors.sandboxes.errors import RecordingsMissing


def activity(folder: Path) -> None:
    """A run that is long enough, and one that is not."""
    folder.mkdir()
    lines = [f"{n}, {n}, {label}" + ", 1" * 10 for label, rows in ((1, 60), (0, 20)) for n in range(1, rows + 1)]
    (folder / "runs.txt").write_text("\n".join(lines))


def apps(folder: Path) -> None:
    folder.mkdir()
    lines = [
        json.dumps(
            {"artifact_hash": name * 64, "label": 0, "artifact_type": "apk", "windows": [{"t": 20, "n": n, "h": {}}]}
        )
        for name, n in (("a", 500), ("b", 499))
    ]
    (folder / "windows_benign.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "labels.csv").write_text(f"artifact_hash,run_date_utc\n{'a' * 64},2018-04-19\n")


@pytest.mark.parametrize(
    ("name", "folder", "write", "malicious", "stages_s"),
    [
        ("machine-activity", "machine-activity-2017", activity, True, (20, 40)),
        ("android-strace", "android-strace-2018", apps, False, (10, 30)),
    ],
)
def test_a_set_is_found_by_path_or_by_the_variable(name, folder, write, malicious, stages_s, tmp_path, monkeypatch):
    write(tmp_path / folder)
    by_path = corpus(name, tmp_path / folder)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert corpus(name) == by_path
    assert (by_path.name, by_path.stages_s) == (name, stages_s)
    assert [sample.malicious for sample in by_path.samples] == [malicious]
    assert len(by_path.insufficient) == 1


def test_days_reach_the_samples(tmp_path):
    apps(tmp_path / "some")
    (sample,) = corpus("android-strace", tmp_path / "some").samples
    assert str(sample.day) == "2018-04-19"


def test_the_shipped_recordings_have_both_stages_of_every_artifact():
    shipped = corpus("recordings")
    assert not shipped.insufficient
    assert all(second is not None for _, second in episodes(shipped))
    assert 2 * len(episodes(shipped)) == len(shipped.samples)


def test_an_unknown_name_and_an_unknown_place_are_refused(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(CorpusUnfit, match=", ".join(CORPORA)):
        corpus("more")
    with pytest.raises(CorpusUnfit, match=VARIABLE):
        corpus("machine-activity")
    with pytest.raises(RecordingsMissing):
        corpus("machine-activity", tmp_path)
