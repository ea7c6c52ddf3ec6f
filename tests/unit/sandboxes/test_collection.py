"""The shipped recordings: both classes, both stages, and no single feature that tells them apart."""

from collections import Counter
from pathlib import Path

import pytest

from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_ENTRIES
from drlactors.sandboxes import recordings as folder
from drlactors.sandboxes.leakage import Score, scores, table
from drlactors.sandboxes.recorder import EVERYWHERE
from drlactors.sandboxes.recording import Recording, recordings

#: What a feature alone may reach. The worst measured is in CARD.md; guessing reaches 0.5.
MOST = 0.80


@pytest.fixture(scope="module")
def sessions() -> list[Recording]:
    return list(recordings())


@pytest.fixture(scope="module")
def found(sessions: list[Recording]) -> list[Score]:
    return scores(sessions)


def test_there_are_enough_sessions_of_both_classes(sessions: list[Recording]) -> None:
    assert len(sessions) >= 220
    assert 0.45 <= sum(session.malicious for session in sessions) / len(sessions) <= 0.55


def test_each_artifact_has_one_session_in_each_stage(sessions: list[Recording]) -> None:
    stages = Counter((session.name, session.stage) for session in sessions)
    assert set(stages.values()) == {1}
    assert {name for name, stage in stages if stage == 1} == {name for name, stage in stages if stage == 2}
    assert len({session.name for session in sessions}) >= 110


def test_each_session_is_long_enough_and_each_window_sound(sessions: list[Recording]) -> None:
    for session in sessions:
        assert 8 <= len(session.windows) <= (24 if session.stage == 1 else 48)
        assert [window.seq for window in session.windows] == list(range(len(session.windows)))
        for window in session.windows:
            assert 1 <= window.window_ms <= session.window_ms
            assert len(window.telemetry.accessed_paths) <= MAX_ENTRIES
            assert all(len(path) <= MAX_CHARACTERS for path in window.telemetry.accessed_paths)
            assert window.telemetry.registry_modification is None
            assert all(address.startswith("127.") for address in window.telemetry.contacted_ips)


def test_no_path_names_the_class_or_the_machine(sessions: list[Recording]) -> None:
    families = {session.family for session in sessions if session.malicious}
    paths = {path for session in sessions for window in session.windows for path in window.telemetry.accessed_paths}
    own = [path for path in paths if path.startswith("/home/")]
    assert all(path == "/home/user" or path.startswith("/home/user/") for path in own)
    assert not [path for path in own for word in (*families, "malicious", "behaviours", "drlactors") if word in path]
    assert {path.split("/")[1] for path in paths if path != "/"} <= {*EVERYWHERE, "home"}


def test_no_single_feature_tells_the_class(found: list[Score]) -> None:
    assert len(found) > 200
    assert [score for score in found if score.balanced_accuracy > MOST] == []


def test_the_measure_finds_a_leak_where_there_is_one(sessions: list[Recording]) -> None:
    leaking = [session for session in sessions if session.malicious == (session.family in ("ransomware", "vault"))]
    assert scores(leaking)[0].balanced_accuracy > MOST


def test_the_card_states_the_measured_figures(found: list[Score], sessions: list[Recording]) -> None:
    card = (Path(folder.__path__[0]) / "CARD.md").read_text(encoding="utf-8")
    assert f"{len(sessions)} sessions" in card
    assert f"{sum(len(session.windows) for session in sessions):,} windows" in card
    assert table(found, 12) in card
