"""What `drlactors evaluate` judges, put together: policies of several rooms, on one set of recorded sessions."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from drlactors.config.settings import Settings
from drlactors.domain.features import FEATURES, FeatureSchema
from drlactors.inference import RulePolicy
from drlactors.learner.corpus import Corpus, CorpusUnfit
from drlactors.learner.fitted_q import FittedQ
from drlactors.learner.methods import METHODS, Method
from drlactors.learner.report.protocol import PARTS, Study
from drlactors.wiring.learning import task_of, tuned_rules


class Set(NamedTuple):
    """How a set is judged."""

    rotations: int  # how many of the parts are tested on: all of a small set
    draws: int  # of what it leaves to chance
    windows_before_final: int | None  # None: as configured
    since: date | None  # for the split by date: what was recorded from then on is tested on


SETS = {
    "recordings": Set(PARTS, 1, None, None),
    # A window of these lasts a second: the first of them shows more than the two that sessions begin with elsewhere.
    "machine-activity": Set(PARTS, 4, 1, None),
    "android-strace": Set(1, 1, 1, date(2018, 4, 21)),
}


class Effort(NamedTuple):
    seeds: int
    resamples: int
    updates: int  # of the specification's DQN
    iterations: int  # of fitted Q
    draws: int  # at the most
    rotations: int  # at the most


WHOLE = Effort(seeds=10, resamples=100, updates=2000, iterations=20, draws=4, rotations=PARTS)
QUICK = Effort(seeds=2, resamples=20, updates=200, iterations=3, draws=1, rotations=1)


def study(settings: Settings, name: str, draw: Callable[[int], Corpus], *, by_date: bool, effort: Effort) -> Study:
    """Of a set that ``SETS`` knows. Raises CorpusUnfit for a split by date of what has no dates.

    State vectors hold all features there are, not only those that are configured: what a set lacks stays missing, and
    a classifier that looks once has to see the session's past.
    """
    how = SETS[name]
    if by_date and how.since is None:
        raise CorpusUnfit(f"the sessions of {name} have no dates to split them by")
    task = task_of(settings)._replace(schema=FeatureSchema(tuple(FEATURES), settings.features.missing))
    if how.windows_before_final is not None:
        task = task._replace(rules=task.rules._replace(windows_before_final=how.windows_before_final))
    dqn = METHODS["dqn"]
    assert isinstance(dqn, Method)
    return Study(
        draw,
        task,
        rotations=min(how.rotations, effort.rotations),
        draws=min(how.draws, effort.draws),
        rules=RulePolicy(task.schema).rank,
        tune=lambda samples: tuned_rules(task, samples),
        dqn=dqn._replace(updates=effort.updates),
        fitted_q=FittedQ(iterations=effort.iterations),
        since=how.since if by_date else None,
    )
