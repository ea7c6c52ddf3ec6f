"""Logs in which anything happens that the rules allow: actions fail, sessions are lost, verdicts overturned."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args
from uuid import UUID

import numpy as np

from drlactors.domain import episode, session
from drlactors.domain.action import Action
from drlactors.domain.episode import ConcludeStage, Correct, EnterStage, Verdict
from drlactors.domain.errors import Refused
from drlactors.domain.ids import EpisodeId, OrderId, SessionId
from drlactors.domain.order import AnswerOrder, GiveUpOrder, Order
from drlactors.domain.session import Answer, End, EndReason, GiveUp, Lapse, Outcome, Record, Report, Select
from drlactors.ports.log import Append, Category, EventLog, Stream
from drlactors.testing.given import start, window

Does = Literal[
    "step",
    "two steps",
    "step after a gap",
    "step under another schema",
    "answer",
    "give up",
    "report",
    "end",
    "lapse",
    "order",
    "settle order",
    "enter",
    "conclude",
    "correct",
]
DOES: tuple[Does, ...] = get_args(Does)
SCHEMA, FEATURES = "schema-a", 3

#: Final actions are chosen now and then only: a session is to last for some windows.
_RARE = np.array([2.0 * action.irreversible for action in Action])


class Turn(NamedTuple):
    """Something that is tried; the rules decide what comes of it."""

    of: int  # the session; two in a row are the stages of one episode
    does: Does
    number: int  # whatever there is to choose: which window, success, outcome, verdict, values


def session_of(turn_of: int) -> SessionId:
    return SessionId(UUID(int=1_000 + turn_of))


def episode_of(turn_of: int) -> EpisodeId:
    return EpisodeId(UUID(int=500 + turn_of // 2))


def write(log: EventLog, turns: Iterable[Turn]) -> None:
    """What comes of the turns, one entry each, a second apart."""
    sessions: dict[int, session.State] = {}
    episodes: dict[int, episode.State] = {}
    versions: dict[Stream, int] = {}
    appends: list[Append] = []

    def append(stream: Stream, events: tuple[session.Event, ...] | tuple[episode.Event, ...]) -> None:
        if events:
            after = versions.get(stream, 0)
            appends.append(Append(stream, after, events, (len(appends) + 1) * 1_000_000, "turn"))
            versions[stream] = after + len(events)

    for turn in turns:
        stream = Stream(Category.SESSION, session_of(turn.of))
        if turn.of not in sessions:
            command = start(stage=1 + turn.of % 2, episode=episode_of(turn.of))
            begun = session.DECIDER.decide(command, session.INITIAL)
            sessions[turn.of] = session.DECIDER.fold(begun)
            append(stream, begun)
        if turn.does in ("enter", "conclude", "correct"):
            way = episodes.setdefault(turn.of // 2, episode.INITIAL)
            went = _goes(turn, way)
            episodes[turn.of // 2] = episode.DECIDER.fold(went, way)
            append(Stream(Category.EPISODE, episode_of(turn.of)), went)
        else:
            lived = _lives(turn, sessions[turn.of])
            sessions[turn.of] = session.DECIDER.fold(lived, sessions[turn.of])
            append(stream, lived)
    log.append(appends)


def _goes(turn: Turn, state: episode.State) -> tuple[episode.Event, ...]:
    entered, number = session_of(turn.of), turn.number
    stage = 1 + turn.of % 2
    command: episode.Command
    match turn.does:
        case "enter":
            command = EnterStage(stage=stage, session=entered, artifact=start().artifact)
        case "conclude":
            outcome = (Outcome.BENIGN, Outcome.MALICIOUS, Outcome.FAILED, None)[number % 4]
            command = ConcludeStage(stage=stage, session=entered, outcome=outcome)
        case _:
            command = Correct((Verdict.BENIGN, Verdict.MALICIOUS)[number % 2], f"analyst {number}", "looked at it")
    try:
        return episode.DECIDER.decide(command, state)
    except Refused:
        return ()


def _lives(turn: Turn, state: session.State) -> tuple[session.Event, ...]:
    events: tuple[session.Event, ...] = ()
    for command in _commands(turn, state.progress.seq):
        try:
            decided = session.DECIDER.decide(command, state)
        except Refused:
            return events
        state = session.DECIDER.fold(decided, state)
        events += decided
    return events


def _commands(turn: Turn, seq: int) -> tuple[session.Command, ...]:
    number = turn.number
    match turn.does:
        case "step":
            return _step(seq + 1, number, SCHEMA, FEATURES)
        case "two steps":
            return *_step(seq + 1, number, SCHEMA, FEATURES), *_step(seq + 2, number + 1, SCHEMA, FEATURES)
        case "step after a gap":
            return _step(seq + 3, number, SCHEMA, FEATURES)
        case "step under another schema":
            return _step(seq + 1, number, "schema-b", 2)
        case "answer":
            return (Answer(seq=number // 2 % (seq + 2), success=number % 2 == 0, outcome="", message=""),)
        case "give up":
            return (GiveUp(seq=number % (seq + 2), attempts=3, reason="no answer"),)
        case "report":
            return (Report(tuple(Outcome)[number % 3], ""),)
        case "end":
            return (End(tuple(EndReason)[number % 3]),)
        case "order":
            action = (Action.TERMINATE, Action.QUARANTINE, Action.CONTINUE)[number % 3]
            return (Order(_order(number), action, None, False, "person:ann", "looked at it"),)
        case "settle order" if number % 3:
            return (AnswerOrder(_order(number), number % 3 == 1, "", ""),)
        case "settle order":
            return (GiveUpOrder(_order(number), 3, "no answer"),)
        case _:
            return (Lapse(silent_ms=30_000),)


def _order(number: int) -> OrderId:
    """One of four: they are given and settled again."""
    return OrderId(UUID(int=2_000 + number // 3 % 4))


def _step(seq: int, number: int, schema: str, features: int) -> tuple[session.Command, ...]:
    """A window of its own length, and a choice by values that the number draws."""
    random = np.random.default_rng(number)
    select = Select(
        seq=seq,
        values=tuple((random.standard_normal(len(Action)) - _RARE).tolist()),
        state_vector=random.random(features, dtype=np.float32).tobytes(),
        policy=f"policy-{number % 3}",
        schema=schema,
        because=(),
        propensity=float(random.random(dtype=np.float32)),
    )
    return Record(window(seq, syscall_count=number)._replace(window_ms=1 + number)), select


def any_turns(*, sessions: int, count: int, seed: int) -> list[Turn]:
    """Mostly steps; the same for the same seed."""
    random = np.random.default_rng(seed)
    often: tuple[Does, ...] = (*DOES, *("step",) * 150, *("answer", "report", "enter", "conclude") * 6)
    return [
        Turn(int(random.integers(sessions)), often[random.integers(len(often))], int(random.integers(1_000)))
        for _ in range(count)
    ]
