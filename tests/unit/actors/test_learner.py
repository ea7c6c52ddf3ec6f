"""The learner's rounds, with a trainer that only counts: what it does, and that kill -9 anywhere doubles nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from drlactors.actors.dispatched import Dispatcher
from drlactors.actors.learner import NAME, Conduct, LearnerActor, Turn
from drlactors.actors.registrar import Registrar
from drlactors.domain.model import Answer, Authority, Evaluate, Standing, Train
from drlactors.ports.learning import CannotLearn, Hindered, Round, Step, Told
from drlactors.ports.log import Append, Category, LogAway, LogUnreachable
from drlactors.ports.policy import PolicyError
from drlactors.store.memory import MemoryEventLog

CONDUCT = Conduct(sessions=10, updates=6, step=4, promote=True)
RULES = "rules-1"
OTHER = "ee" * 32


class Killed(BaseException):
    """kill -9: nobody catches it."""


@dataclass
class Power:
    """Is cut at the given use."""

    left: int = 1_000_000

    def use(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


@dataclass
class Site:
    """What outlives a learner: checkpoint, folder of models, what the sandboxes have recorded."""

    sessions: int = 0  # settled
    kept: tuple[int, int] = (0, 0)  # position and updates of the checkpoint
    files: dict[str, int] = field(default_factory=dict)  # version by digest
    answer: Answer = Answer.PROMOTE
    published: list[str] = field(default_factory=list)


class CountingTrainer:
    """A session of the log is a position; the network is its position and its updates."""

    def __init__(self, site: Site, power: Power) -> None:
        self._site, self._power = site, power
        self.position, self.updates = site.kept
        self.least = 1  # sessions without which there is nothing to learn from
        self.failing = False
        self.full = False
        self.judging: list[str] = []  # models that are put in charge, by somebody else, while a candidate is judged
        self.registrar: Registrar | None = None

    def news(self) -> int:
        return self._site.sessions - self.position

    def take_in(self) -> int:
        self._power.use()
        self.position = self._site.sessions
        return self.position

    def learn(self, updates: int) -> Step:
        self._power.use()
        if self.failing:
            raise CannotLearn("training has diverged")
        if self.position >= self.least:
            self.updates += updates
        return Step(self.updates, 0.5, 0.1)

    def keep(self) -> None:
        self._power.use()
        self._site.kept = self.position, self.updates
        self._power.use()

    def digest(self) -> str:
        return f"{self.position:032x}{self.updates:032x}"

    def publish(self, version: int) -> Train:
        if self.full:
            raise PolicyError("models: No space left on device")
        self._power.use()
        self._site.files[self.digest()] = version
        self._site.published.append(self.digest())
        self._power.use()
        return Train(self.digest(), version, "2026-11-24T00:00:00+00:00", "f1", self.position, "the log", "key")

    def judge(self, sha256: str, in_charge: str) -> Evaluate:
        self._power.use()
        assert sha256 in self._site.files, "what is judged was published"
        for other in self.judging:
            assert self.registrar is not None
            promote(self.registrar, other)
        self.judging = []
        return Evaluate(in_charge or RULES, "held out", 50, (), self._site.answer, ("because",))


class CutOffLog(MemoryEventLog):
    """Loses power before an append, or behind it."""

    power = Power()
    away = False

    def append(self, appends: Sequence[Append], positions: Mapping[str, int] | None = None) -> list[int | None]:
        if self.away:
            raise LogUnreachable("connection refused")
        self.power.use()
        stored = super().append(appends, positions)
        self.power.use()
        return stored


class Time:
    def now_us(self) -> int:
        return 1

    def monotonic_s(self) -> float:
        return 0.0


@dataclass
class Bench:
    """A learner, started as often as one likes on the same log."""

    log: CutOffLog
    site: Site = field(default_factory=Site)
    conduct: Conduct = CONDUCT
    told: list[Told] = field(default_factory=list)

    def start(self, power: Power | None = None) -> CountingTrainer:
        self.log.power = power or Power()
        self._dispatcher = Dispatcher("learner")
        self.trainer = CountingTrainer(self.site, self.log.power)
        self.trainer.registrar = Registrar(self.log, Time())
        self._ref = LearnerActor.start(
            self._dispatcher,
            self.trainer,
            self.log,
            Registrar(self.log, Time()),
            self.conduct,
            configured=RULES,
            watch=self.told.append,
        )
        return self.trainer

    def work(self) -> None:
        """One turn, and all that follow from it at once."""
        self._ref.tell(Turn())
        while not self._dispatcher.ready.empty():
            actor = self._dispatcher.ready.get_nowait()
            assert actor is not None
            actor.take_turn()

    @property
    def alive(self) -> bool:
        return self._ref.is_alive()

    def rounds(self) -> list[Round]:
        return [one for one in self.told if isinstance(one, Round)]

    def recorded(self) -> Counter[str]:
        """The events about models, by name."""
        entries = self.log.read(0, 1000)
        about = (Category.MODEL, Category.REGISTRY)
        return Counter(
            type(event).__name__ for entry in entries if entry.stream.category in about for event in entry.events
        )

    def registrar(self) -> Registrar:
        return Registrar(self.log, Time())


def promote(registrar: Registrar, sha256: str) -> None:
    if sha256 not in registrar.charge().models:
        registrar.enter(Train(sha256, 7, "2026-11-24T00:00:00+00:00", "f1", 1, "elsewhere", "key"))
    registrar.promote(sha256, configured=RULES, authority=Authority.PERSON, author="ann", reason="meanwhile")


@pytest.fixture
def bench() -> Iterator[Bench]:
    log = CutOffLog()
    yield Bench(log)
    log.close()


def test_a_round_waits_for_enough_sessions(bench: Bench):
    bench.start()
    bench.site.sessions = 9
    bench.work()
    assert (bench.told, bench.recorded()) == ([], {})
    bench.site.sessions = 10
    bench.work()
    assert [one.updates for one in bench.told if isinstance(one, Step)] == [4, 6]
    assert bench.recorded() == {"ModelEntered": 1, "Trained": 1, "Evaluated": 1, "ChargePassed": 1, "Promoted": 1}
    (done,) = bench.rounds()
    assert (done.version, done.in_charge, done.evaluated.against) == (1, True, RULES)
    assert bench.registrar().charge().in_charge == done.sha256
    assert bench.log.position(NAME) == 10


def test_a_log_that_goes_away_is_said_once_each_time_and_the_round_goes_on_when_it_is_back(bench: Bench):
    bench.start()
    for sessions in (10, 20):
        bench.site.sessions = sessions
        bench.log.away = True
        for _ in range(3):
            bench.work()
        bench.log.away = False
        bench.work()
    assert [one for one in bench.told if isinstance(one, LogAway)] == [LogAway("connection refused")] * 2
    assert [done.version for done in bench.rounds()] == [1, 2]


def test_a_candidate_that_cannot_be_put_away_is_said_once_and_is_when_it_can(bench: Bench):
    trainer = bench.start()
    bench.site.sessions = 10
    trainer.full = True
    for _ in range(3):
        bench.work()
    assert [one for one in bench.told if isinstance(one, Hindered)] == [Hindered("models: No space left on device")]
    assert bench.rounds() == []
    trainer.full = False
    bench.work()
    assert [done.version for done in bench.rounds()] == [1]


def test_the_next_round_learns_on_from_where_the_last_one_ended(bench: Bench):
    bench.start()
    for sessions in (10, 19, 20):
        bench.site.sessions = sessions
        bench.work()
    assert bench.site.kept == (20, 12)
    assert [done.version for done in bench.rounds()] == [1, 2]
    assert bench.rounds()[1].evaluated.against == bench.rounds()[0].sha256


def test_a_candidate_is_proposed_where_the_gate_may_not_promote(bench: Bench):
    bench.conduct = CONDUCT._replace(promote=False)
    bench.start()
    bench.site.sessions = 10
    bench.work()
    (done,) = bench.rounds()
    assert (done.in_charge, bench.registrar().charge().in_charge) == (False, "")
    assert bench.registrar().life(done.sha256).standing is Standing.CANDIDATE


@pytest.mark.parametrize(
    ("answer", "standing"), [(Answer.INSUFFICIENT, Standing.CANDIDATE), (Answer.REJECT, Standing.REJECTED)]
)
def test_what_the_gate_does_not_speak_for_is_not_promoted(bench: Bench, answer: Answer, standing: Standing):
    bench.site.answer = answer
    bench.start()
    bench.site.sessions = 10
    bench.work()
    (done,) = bench.rounds()
    life = bench.registrar().life(done.sha256)
    assert (done.in_charge, life.standing) == (False, standing)
    assert life.rejected == (("because",) if answer is Answer.REJECT else ())
    bench.work()
    assert len(bench.rounds()) == 1, "it is judged once"


def test_a_candidate_is_judged_again_when_another_model_came_in_charge_meanwhile(bench: Bench):
    trainer = bench.start()
    trainer.judging = [OTHER]
    bench.site.sessions = 10
    bench.work()
    (done,) = bench.rounds()
    assert (done.evaluated.against, done.in_charge) == (OTHER, True)
    assert bench.recorded()["Evaluated"] == 2
    assert done.version == 1, "it was entered before the other"


def test_what_a_person_decides_meanwhile_stands(bench: Bench):
    trainer = bench.start()
    bench.site.sessions = 10
    candidate = f"{10:032x}{6:032x}"
    trainer.judging = [candidate]
    bench.work()
    (done,) = bench.rounds()
    assert (done.in_charge, done.sha256) == (True, candidate)
    assert bench.recorded()["ChargePassed"] == 1


def test_without_anything_to_learn_from_it_waits(bench: Bench):
    bench.start().least = 15
    for sessions in (10, 11, 14):
        bench.site.sessions = sessions
        bench.work()
        assert bench.recorded() == {}
    bench.site.sessions = 30
    bench.work()
    assert len(bench.rounds()) == 1


def test_training_that_cannot_go_on_ends_the_learner_with_the_reason(bench: Bench):
    bench.start().failing = True
    bench.site.sessions = 10
    bench.work()
    assert [str(one) for one in bench.told] == ["training has diverged"]
    assert not bench.alive


@pytest.mark.parametrize("answer", list(Answer))
@pytest.mark.parametrize("cut", range(1, 40))
def test_kill_9_anywhere_doubles_nothing_and_loses_nothing(bench: Bench, cut: int, answer: Answer):
    whole = Bench(CutOffLog(), Site(answer=answer))
    whole.start()
    bench.site.answer = answer
    bench.start(Power(cut))
    with suppress(Killed):
        for sessions in (10, 20):
            bench.site.sessions = sessions
            bench.work()
    bench.start()
    for sessions in (10, 20):
        bench.site.sessions = max(sessions, bench.site.sessions)
        whole.site.sessions = sessions
        bench.work()
        whole.work()
    assert bench.recorded() == whole.recorded()
    assert bench.registrar().charge() == whole.registrar().charge()
    assert bench.log.position(NAME) == 20
    assert set(bench.registrar().charge().models) == set(bench.site.files), "no file that nobody knows"
    whole.log.close()
