"""`drlactors learn`: learns from the log while it grows, in a process of its own."""

import sys
from typing import TYPE_CHECKING

from drlactors.cli.numbers import Count
from drlactors.cli.up import until_signal
from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from drlactors.learner.occurrences import Occurrence
    from drlactors.ports.learning import Round, Told


def learn(*, rounds: Count = 0, where: Whereabouts = HERE) -> int:
    """Follow the log, train on it, and put each candidate before the gate, until Ctrl-C or SIGTERM.

    A round begins when enough sessions with a known truth are new. Its candidate goes to the folder of models, is
    judged on sessions that were held out, and is put in charge when the gate speaks for it, or proposed to you, as
    learner.promote says. Killed at any time, it goes on where it stood. Needs the extra "learner".

    Examples
    --------
    drlactors learn
    drlactors learn --rounds 1 --config site.toml

    Parameters
    ----------
    rounds
        End by itself after so many candidates; 0 goes on.
    """
    import os

    from drlactors.ports.learning import CannotLearn, Hindered, Round
    from drlactors.ports.log import LogAway
    from drlactors.wiring.access import settings_of
    from drlactors.wiring.learning import learner

    os.nice(settings_of(*where).learner.nice)
    failed: list[CannotLearn] = []
    judged = 0
    with until_signal() as stopped:

        def watch(done: "Told") -> None:
            nonlocal judged
            match done:
                case Round():
                    tell(done)
                    judged += 1
                    if judged == rounds:
                        stopped.set()
                case LogAway(why):
                    complain(f"the log cannot be used now, learning goes on when it can: {why}")
                case Hindered(why):
                    complain(f"a candidate waits until it can be put away and judged: {why}")
                case CannotLearn():
                    failed.append(done)
                    stopped.set()

        with learner(*where, watch=watch, heard=hear) as settings:
            print(f"learning in {settings.server.data_dir}; Ctrl-C stops it", flush=True)
            stopped.wait()
    if failed:
        raise failed[0]
    return 0


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def tell(done: "Round") -> None:
    """What the gate said of a candidate, and what followed."""
    evaluated = done.evaluated
    said = "; it is in charge" if done.in_charge else ""
    print(f"version {done.version} ({done.sha256[:12]}), the gate says: {evaluated.answer.value}{said}")
    for reason in evaluated.reasons:
        print(f"  {reason}")
    sys.stdout.flush()


def hear(occurrence: "Occurrence") -> None:
    """One line for what happens in training."""
    from dataclasses import asdict

    said = " ".join(f"{name}={value}" for name, value in asdict(occurrence).items())
    complain(f"{type(occurrence).__name__}: {said}")
