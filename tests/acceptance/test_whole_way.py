"""The whole way of one artifact: asked about and let go in stage 1, found out in stage 2, and learned from anew.

A sample that does harm only where there is something to take. Real servers, a system without a model, so that rules
decide, and the program itself behind the walls of the local sandbox, each in a process of its own; a person answers by
command.
"""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.episode import DECIDER, State, Verdict
from drlactors.domain.order import ActionOrdered, OrderAnswered
from drlactors.domain.session import ActionSelected, Event
from drlactors.learner.projection import experiences, labels
from drlactors.ports.log import Category, Stream
from drlactors.store.experiences import PostgresDecisions
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats
from tests.acceptance.harness import SystemProcess, wait_for
from tests.acceptance.test_contained import drlactors, scratch
from tests.properties.learner.test_projection import WEIGHTS

SAMPLE = """#!/usr/bin/python3 -S
import os, pathlib, socket, time
documents = [path for path in pathlib.Path("Documents").rglob("*") if path.is_file()]
for number in range(0 if documents else 600):  # nothing to take here: look for neighbours
    with socket.socket() as probe:
        probe.connect_ex(("127.0.0.1", 1 + number))
    time.sleep(0.004)
for path in documents:
    path.with_name(path.name + ".locked").write_bytes(path.read_bytes()[::-1])
    path.unlink()
    time.sleep(0.005)
pathlib.Path("done").touch()
"""
DOCUMENTS = 2000


@pytest.fixture
def system(tmp_path: Path, own_nats: EmbeddedNats, database: str) -> Iterator[SystemProcess]:
    with SystemProcess(tmp_path / "system", own_nats.url, database, model__path=str(tmp_path / "none.onnx")) as process:
        yield process.start()
        assert process.stop() == 0


@pytest.fixture
def log(system: SystemProcess, database: str) -> Iterator[PostgresEventLog]:
    with closing(PostgresEventLog(database, schema_dir=share("eventstore"))) as opened:
        yield opened


def test_one_artifact_through_both_stages_with_a_review_and_a_false_negative(
    tmp_path: Path, system: SystemProcess, log: PostgresEventLog, database: str
) -> None:
    sample = tmp_path / "sample"
    sample.write_text(SAMPLE)
    sample.chmod(0o755)
    site, config = ["--data-dir", str(system.folder)], ["--config", str(system.config)]

    # Stage 1: the policy is unsure and asks; the program stands still until a person has answered.
    bare = tmp_path / "bare"
    bare.mkdir()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(drlactors, "sandbox", "run", *site, "--folder", str(bare), "--", str(sample))
        wait_for(lambda: running.done() or log.open_reviews(), 60, "a review is open")
        review = json.loads(drlactors("reviews", "list", "--json", *config))["review"]
        assert "many connections" in drlactors("reviews", "show", review, *config)
        assert not (bare / "done").exists()
        answer = ["--ruling", "continue", "--why", "it only knocks", "--who", "ann"]
        drlactors("reviews", "decide", review, *answer, *config)
        first, episode = ids(running.result(180))
    assert (bare / "done").exists(), "the answer reached the sandbox: the program went on to its end"
    lived = events(log, first)
    (ordered,) = [event for event in lived if isinstance(event, ActionOrdered)]
    assert (ordered.action, ordered.policy, ordered.why) == (Action.CONTINUE, "person:ann", "it only knocks")
    (answered,) = [event for event in lived if isinstance(event, OrderAnswered)]
    assert (answered.order, answered.success) == (ordered.order, True)

    wait_for(lambda: went(log, episode).stage(1) is not None, 60, "stage 1 is in its episode")
    before = Learned(log, database)
    assert before.malicious == {first: False}

    # Stage 2, where there is something to take: the policy stops it.
    with scratch() as home:
        for number in range(DOCUMENTS):
            (home / "Documents" / f"letter-{number}.txt").write_bytes(b"Dear reader,\n" * 100)
        said = drlactors("sandbox", "run", *site, "--folder", str(home), "--continues", episode, "--", str(sample))
        assert "stopped by terminate" in said
        lost = sum(not (home / "Documents" / f"letter-{number}.txt").exists() for number in range(DOCUMENTS))
        assert 0 < lost < DOCUMENTS
        assert not (home / "done").exists()
    second, same = ids(said)
    assert same == episode
    assert Action.TERMINATE in [event.action for event in events(log, second) if isinstance(event, ActionSelected)]

    # A false negative, and stage 1 is learned from as what it was.
    wait_for(lambda: went(log, episode).verdict is Verdict.FALSE_NEGATIVE, 60, "the episode is completed")
    assert [str(stage.session) for _, stage in went(log, episode).stages] == [first, second]
    after = Learned(log, database)
    assert after.malicious == {first: True, second: True}
    assert len(before.rewards[first]) == len(after.rewards[first]) > 3
    assert sum(after.rewards[first]) < 0 < before.rewards[first][-1], "what had been a release was a miss"
    counted = [json.loads(line) for line in drlactors("episodes", "statistics", "--json", *config).splitlines()]
    counts = {row["what"]: row["count"] for row in counted}
    assert (counts["episodes"], counts["false-negative"]) == (1, 1)


class Learned:
    """What the learner would learn from the log now."""

    def __init__(self, log: PostgresEventLog, database: str) -> None:
        with closing(PostgresDecisions(database, log)) as decisions:
            decisions.catch_up()
            (schema,) = decisions.schemas()
            recorded = decisions.recorded(schema)
        known = labels(recorded)
        sessions = [str(UUID(bytes=one.tobytes())) for one in recorded.sessions.id]
        learned = experiences(recorded, weights=WEIGHTS, gamma=0.99)
        self.malicious = {one: bool(bad) for one, bad in zip(sessions, known.malicious, strict=True)}
        self.rewards = {one: learned.r_t[learned.session == index].tolist() for index, one in enumerate(sessions)}


def events(log: PostgresEventLog, session: str) -> list[Event]:
    return [event for entry in log.stream(Stream(Category.SESSION, UUID(session))) for event in entry.of_session]


def ids(said: str) -> tuple[str, str]:
    """The session and the episode that a run names."""
    found = re.search(r"session (\S+) of episode (\S+)", said)
    assert found is not None, said
    return found[1], found[2]


def went(log: PostgresEventLog, episode: str) -> State:
    stream = Stream(Category.EPISODE, UUID(episode))
    return DECIDER.fold(event for entry in log.stream(stream) for event in entry.of_episode)
