"""Learning from a log that grows: what is taken in is a function of the log, and killing forgets nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from drlactors.domain.action import Action
from drlactors.domain.episode import Verdict
from drlactors.domain.model import Answer
from drlactors.domain.session import Outcome
from drlactors.inference import OnnxPolicy, RulePolicy, Trust
from drlactors.inference.folder import ModelFolder
from drlactors.learner import checkpoint, gate
from drlactors.learner.agent import Settings
from drlactors.learner.evaluation import Rank
from drlactors.learner.export import Exported
from drlactors.learner.learning import LogTrainer, Study
from drlactors.learner.logged import held_out
from drlactors.learner.methods import LIVE
from drlactors.learner.transitions import Sample
from drlactors.ports.learning import CannotLearn
from drlactors.ports.policy import Policy
from drlactors.store.memory import MemoryEventLog
from tests.unit.learner.logs import MemoryDecisions, conclude, write
from tests.unit.learner.samples import TASK
from tests.unit.learner.separable import SAMPLES

SETTINGS = LIVE._replace(batch=16, hidden=(8,))
STUDY = Study(held_out=0.3, capacity=10_000, positions=1_000, settle_s=10.0, judged_sessions=50)
LIMITS = gate.Limits(
    false_positive_rate=0.05,
    confidence=0.95,
    least_sessions=50,
    least_effective=100,
    most_unsupported=0.05,
    resamples=100,
)
RULES = RulePolicy(TASK.schema)


def going_on(_: int) -> Action:
    return Action.CONTINUE


class Folder:
    """Models in a folder, unsigned; the rules are in charge."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._models = ModelFolder(path / "models")
        self._trust = Trust(frozenset(), allow_unsigned=True)
        self.tuned_on: list[Sample] = []

    def add(self, made: Exported) -> str:
        made.write(self._path / "made.onnx")
        return self._models.add(self._path / "made.onnx", TASK.schema, self._trust).signed_by

    def load(self, sha256: str) -> Policy:
        return self.model(sha256) if sha256 else RULES

    def model(self, sha256: str) -> OnnxPolicy:
        return self._models.load(sha256, TASK.schema, self._trust)

    def tuned_rules(self, learned_from: list[Sample]) -> Rank:
        self.tuned_on = learned_from
        return RULES.rank


Start = Callable[..., LogTrainer]


@pytest.fixture
def log() -> Iterator[MemoryEventLog]:
    log = MemoryEventLog()
    write(log, SAMPLES, TASK, going_on)
    yield log
    log.close()


@pytest.fixture
def start(log: MemoryEventLog, tmp_path: Path) -> Start:
    """Each is like a process of its own."""

    def start(folder: str = "learner", study: Study = STUDY, settings: Settings = SETTINGS) -> LogTrainer:
        decisions = MemoryDecisions(log, TASK)
        shelf = Folder(tmp_path)
        place = tmp_path / folder
        return LogTrainer(decisions, log, shelf, TASK, study, LIMITS, settings, folder=place, heard=lambda _: None)

    return start


def taken_in(trainer: LogTrainer, folder: Path) -> bytes:
    """What is in the replay buffer then, as the newest checkpoint has it."""
    trainer.take_in()
    trainer.learn(1)  # checkpoints are told apart by their updates
    trainer.keep()
    newest = next(checkpoint.newest_first(folder))
    return checkpoint.read(newest).tensors["buffer.rows"].numpy().tobytes()


def test_taking_in_again_doubles_nothing(start: Start, tmp_path: Path):
    trainer = start()
    once = taken_in(trainer, tmp_path / "learner")
    assert len(once) > 0
    assert taken_in(trainer, tmp_path / "learner") == once


def test_a_log_that_grew_teaches_what_it_would_have_taught_at_once(start: Start, log: MemoryEventLog, tmp_path: Path):
    grown = start("grown")
    assert grown.news() == len(SAMPLES)
    grown.take_in()
    assert grown.news() == 0
    write(log, SAMPLES[:6], TASK, lambda window: Action(window % 2), first=101)
    assert grown.news() == 6
    assert taken_in(grown, tmp_path / "grown") == taken_in(start("at once"), tmp_path / "at once")


def test_artifacts_that_are_held_out_are_never_learned_from(start: Start, tmp_path: Path):
    artifacts = np.array([sample.artifact.encode() for sample in SAMPLES])
    held = held_out(artifacts, STUDY.held_out)
    assert 0 < held.sum() < len(SAMPLES)
    trainer = start()
    trainer.take_in()
    known = trainer.publish(1)
    assert known.sessions == (~held).sum()
    judged = trainer.judge(known.sha256, "")
    assert judged.sessions == held.sum()


def test_what_was_held_out_once_is_held_out_for_ever():
    artifacts = np.array([f"{number:064x}".encode() for number in range(2_000)])
    held = held_out(artifacts, 0.2)
    assert 0.15 < held.mean() < 0.25
    assert np.array_equal(held_out(artifacts[:100], 0.2), held[:100])
    assert held_out(artifacts, 0.4)[held].all()
    assert not np.array_equal(held_out(artifacts, 0.2, seed=1), held)


def test_a_correction_changes_what_is_learned_as_if_it_had_been_known(
    start: Start, log: MemoryEventLog, tmp_path: Path
):
    held = held_out(np.array([sample.artifact.encode() for sample in SAMPLES]), STUDY.held_out)
    benign = next(
        n for n, (sample, kept) in enumerate(zip(SAMPLES, held, strict=True), 1) if not sample.malicious | kept
    )
    conclude(log, benign, [Outcome.BENIGN, Outcome.BENIGN])
    trainer = start("before")
    before = taken_in(trainer, tmp_path / "before")
    conclude(log, benign, [Outcome.BENIGN, Outcome.BENIGN], corrected=Verdict.MALICIOUS)
    after = taken_in(trainer, tmp_path / "before")
    assert (len(after), after != before) == (len(before), True)
    assert after == taken_in(start("behind"), tmp_path / "behind")


def test_a_session_of_stage_1_waits_for_stage_2(start: Start, log: MemoryEventLog):
    conclude(log, len(SAMPLES), [Outcome.BENIGN])
    assert start().news() == len(SAMPLES) - 1
    conclude(log, len(SAMPLES), [Outcome.BENIGN, Outcome.MALICIOUS])
    assert start().news() == len(SAMPLES)


def test_a_stage_2_that_never_comes_is_not_waited_for_for_ever(start: Start, log: MemoryEventLog):
    conclude(log, 1, [Outcome.BENIGN])
    assert start(study=STUDY._replace(settle_s=60.0)).news() == len(SAMPLES) - 1
    assert start(study=STUDY._replace(settle_s=10.0)).news() == len(SAMPLES)


def test_what_lies_far_behind_is_not_looked_at(start: Start):
    assert start(study=STUDY._replace(positions=10)).news() == 10


def test_killed_it_goes_on_where_the_last_checkpoint_stood(start: Start):
    trainer = start()
    trainer.take_in()
    trainer.learn(30)
    trainer.keep()
    digest, position = trainer.digest(), trainer.position
    trainer.learn(30)
    again = start()
    assert (again.digest(), again.position, again.updates, again.news()) == (digest, position, 30, 0)
    again.learn(30)
    assert again.digest() == trainer.digest()


def test_checkpoints_of_other_settings_are_refused_with_the_remedy(start: Start):
    trainer = start()
    trainer.take_in()
    trainer.keep()
    with pytest.raises(CannotLearn, match="Move it away to begin anew"):
        start(settings=SETTINGS._replace(batch=32))


def test_a_candidate_is_what_serving_takes_and_is_judged_by_the_gate(start: Start, tmp_path: Path):
    trainer = start()
    trainer.take_in()
    trainer.learn(50)
    known = trainer.publish(3)
    assert (known.sha256, known.version, known.signed_by) == (trainer.digest(), 3, "")
    assert trainer.publish(3) == known, "the same bytes, and the same date"
    policy = Folder(tmp_path).model(known.sha256)
    assert policy.metadata.held_out == trainer.judge(known.sha256, "").sessions
    judged = trainer.judge(known.sha256, "")
    assert (judged.against, judged.answer) == (RULES.info.id, Answer.INSUFFICIENT)
    assert any("50 of each are needed" in reason for reason in judged.reasons)
    assert trainer.judge(known.sha256, known.sha256).against == known.sha256


def test_without_anything_held_out_there_is_not_enough_evidence(start: Start):
    trainer = start(study=STUDY._replace(held_out=1e-9))
    trainer.take_in()
    known = trainer.publish(1)
    judged = trainer.judge(known.sha256, "")
    assert (judged.sessions, judged.answer) == (0, Answer.INSUFFICIENT)
