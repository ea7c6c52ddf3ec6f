"""The learner, put together: a process of its own beside the serving plane, on the same log."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from drlactors.actors.dispatched import Dispatcher
from drlactors.actors.learner import Conduct, LearnerActor, Turn
from drlactors.actors.registrar import Registrar
from drlactors.config.settings import Settings
from drlactors.domain.features import FeatureSchema
from drlactors.domain.permission import Rules
from drlactors.domain.registry import CONFIGURED
from drlactors.domain.reward import Weights
from drlactors.inference import RulePolicy, Thresholds, load_model
from drlactors.inference.signature import sign_file
from drlactors.learner import gate
from drlactors.learner.evaluation import Rank
from drlactors.learner.export import Exported
from drlactors.learner.learning import LogTrainer, Study
from drlactors.learner.methods import LIVE
from drlactors.learner.occurrences import Occurrence
from drlactors.learner.transitions import Sample, Task
from drlactors.learner.tuning import tuned
from drlactors.ports.clock import SystemClock
from drlactors.ports.learning import CannotLearn, Watch
from drlactors.ports.policy import Policy, PolicyError
from drlactors.signing import KeyRefused, public_key, read_key
from drlactors.store.experiences import PostgresDecisions
from drlactors.testing.processes import DirectoryClaim
from drlactors.wiring.access import database, open_log, settings_of, trust
from drlactors.wiring.succession import model_folder, model_path

#: What a stop waits for: a step, or a candidate that is being judged. What does not end in time is done again later.
STOP_S = 10.0
#: A threshold's neighbours, times what it is.
FACTORS = (0.25, 0.5, 0.75, 1.5, 2.0, 4.0)


def task_of(settings: Settings) -> Task:
    """What is to be learned, as it is configured."""
    rewards = settings.rewards.model_dump()
    gamma = rewards.pop("gamma")
    schema = FeatureSchema(settings.features.names, settings.features.missing)
    return Task(schema, Rules(**settings.rules.model_dump()), Weights(**rewards), gamma)


@contextmanager
def learner(
    files: Sequence[Path],
    data_dir: Path | None,
    *,
    watch: Watch,
    heard: Callable[[Occurrence], None],
) -> Iterator[Settings]:
    """A learner that works, on a thread of its own, until the context ends; then its state is in a checkpoint.

    On the log of the running system, or of servers that are started for as long as it takes. Raises CannotLearn where
    its checkpoints are of another kind or no candidate could ever be taken in, KeyRefused for a key that cannot be
    used, and ServerFailed where another learner works in the same folder.
    """
    settings = settings_of(files, data_dir)
    _check_key(settings)
    mine, task = settings.learner, task_of(settings)
    folder = Path(mine.folder) if mine.folder else Path(settings.server.data_dir) / "learner"
    with ExitStack() as stack:
        claim = DirectoryClaim(folder)
        stack.callback(claim.release)
        try:
            claim.take()
        except OSError as error:
            raise CannotLearn(f"{folder}: {error.strerror}") from error
        dsn = database(settings, stack)
        log = stack.enter_context(closing(open_log(dsn)))
        shelf = ModelShelf(settings, task)
        trainer = LogTrainer(
            stack.enter_context(closing(PostgresDecisions(dsn, log))),
            log,
            shelf,
            task,
            Study(mine.held_out, mine.capacity, mine.positions, mine.settle_s, mine.judged_sessions),
            gate.Limits(**settings.gate.model_dump()),
            LIVE,
            folder=folder / task.schema.id,
            heard=heard,
        )
        dispatcher = Dispatcher("learner")
        actor = LearnerActor.start(
            dispatcher,
            trainer,
            log,
            Registrar(log, SystemClock()),
            Conduct(mine.sessions, mine.updates, mine.step_updates, mine.promote == "gate"),
            configured=shelf.load(CONFIGURED).info.id,
            watch=watch,
        )
        dispatcher.every(mine.follow_s, actor, Turn())
        dispatcher.start()
        actor.tell(Turn())
        try:
            yield settings
        finally:
            if dispatcher.stop(STOP_S):
                trainer.keep()


def _check_key(settings: Settings) -> None:
    """Else it would be found once a round is trained, and found again at every turn from then on."""
    key, trusted = settings.learner.key, trust(settings)
    if key and public_key(read_key(Path(key))) not in trusted.keys:
        raise CannotLearn(f"what {key} signs is refused: its public half is not among models.trusted_keys")
    if not key and not trusted.allow_unsigned:
        raise CannotLearn(
            "an unsigned candidate is refused: name a key in learner.key, as drlactors models keys makes one, and its "
            "public half in models.trusted_keys"
        )


class ModelShelf:
    """The folder of models as the learner uses it: signs what it puts there, and takes from it what may serve."""

    def __init__(self, settings: Settings, task: Task) -> None:
        self._settings = settings
        self._task = task
        self._folder = model_folder(settings)

    def add(self, made: Exported) -> str:
        try:
            with tempfile.TemporaryDirectory(prefix="drlactors-") as scratch:
                file = Path(scratch) / "candidate.onnx"
                made.write(file)
                if self._settings.learner.key:
                    sign_file(file, Path(self._settings.learner.key))
                return self._folder.add(file, self._task.schema, trust(self._settings)).signed_by
        except OSError as error:
            raise PolicyError(f"{error.filename or self._folder.path}: {error.strerror}") from error
        except KeyRefused as error:
            raise PolicyError(str(error)) from error

    def load(self, sha256: str) -> Policy:
        if sha256 != CONFIGURED:
            return self._folder.load(sha256, self._task.schema, trust(self._settings))
        try:
            return load_model(model_path(self._settings), self._task.schema, trust(self._settings))
        except PolicyError:  # then the rules act
            return RulePolicy(self._task.schema)

    def tuned_rules(self, learned_from: list[Sample]) -> Rank:
        return tuned_rules(self._task, learned_from)


def tuned_rules(task: Task, learned_from: list[Sample]) -> Rank:
    """The rule policy with the thresholds that earn most in these sessions."""
    schema = task.schema
    best = tuned(Thresholds(), _neighbours, lambda found: RulePolicy(schema, found).rank, learned_from, task)
    return RulePolicy(schema, best).rank


def _neighbours(thresholds: Thresholds) -> Iterable[Thresholds]:
    for name, value in thresholds._asdict().items():
        for factor in FACTORS:
            yield thresholds._replace(**{name: value * factor})
