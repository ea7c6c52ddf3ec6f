"""A query in SQL: conditions that an index serves each, and an order in which a page can begin behind any row."""

import hashlib
from typing import NamedTuple

import numpy as np
from psycopg import sql

from drlactors.patterns.columns import SELECTED
from drlactors.ports.patterns import Near, Place, Query


class Asked(NamedTuple):
    statement: sql.Composed
    parameters: tuple[object, ...]


def asked(query: Query, limit: int, after: Place | None, *, exact: bool = False) -> Asked:
    """The columns of ``SELECTED``, and the distance (NULL without ``near``).

    ``exact`` compares with every pattern of which the conditions hold, without the index of nearness. That index gives
    almost the nearest, almost in order (``hnsw.iterative_scan = relaxed_order``): in strict order pgvector leaves out
    what it finds late, which is most of what is sought where conditions hold far away only.

    What is nearest is found by its session first, and read then: where an index holds the vectors beside a type or a
    time, a comparison reads nothing else.
    """
    conditions: list[sql.Composable] = []
    parameters: list[object] = []

    def hold(condition: str, *values: object) -> None:
        conditions.append(sql.SQL(condition))
        parameters.extend(values)

    distance: sql.Composable = sql.SQL("NULL::double precision")
    near = query.near
    if near is not None:
        distance = sql.SQL("({} + 0)").format(_distance(near)) if exact else _distance(near)
        # A literal: the planner has to see that the schema's own index serves it.
        conditions.append(sql.SQL("schema = {}").format(sql.Literal(near.schema)))
    if query.attack is not None:
        hold("attack = %s", query.attack.value)
    if query.technique:
        hold("families @> ARRAY[%s]", query.technique)
    if query.artifact:
        hold("artifact = %s", query.artifact)
    if query.sandbox:
        hold("sandbox = %s", query.sandbox)
    if query.action is not None:
        hold("action = %s::smallint", int(query.action))
    if query.truth is not None:
        hold("truth = %s", query.truth.value)
    if query.since_us is not None:
        hold("decided_us >= %s", query.since_us)
    if query.until_us is not None:
        hold("decided_us < %s", query.until_us)
    if query.ran_since_us is not None:
        hold("first_seen_us >= %s", query.ran_since_us)
    if query.ran_until_us is not None:
        hold("first_seen_us < %s", query.ran_until_us)
    if query.ended_before_us is not None:
        hold("ended_us < %s", query.ended_before_us)
    if after is not None and near is not None:
        conditions.append(sql.SQL("({}, session) > (%s, %s)").format(distance))
        parameters += (after.key, after.session)
    elif after is not None:
        hold("(decided_us, session) < (%s, %s)", int(after.key), after.session)
    where = sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(conditions)) if conditions else sql.SQL("")
    form = (
        "SELECT {0}, {1} AS distance FROM patterns.attack_patterns {2} ORDER BY decided_us DESC, session DESC LIMIT {3}"
    )
    if near is not None:  # + 0: else the planner trusts in the order that the index promises, and sorts nothing
        form = (
            "SELECT {0}, distance FROM (SELECT session, {1} AS distance FROM patterns.attack_patterns {2} "
            "ORDER BY distance, session LIMIT {3}) AS near JOIN patterns.attack_patterns USING (session) "
            "ORDER BY distance + 0, session"
        )
    return Asked(sql.SQL(form).format(sql.SQL(SELECTED), distance, where, sql.Literal(limit)), tuple(parameters))


def index_of(schema: str, features: int) -> sql.Composed:
    """Makes the index by which patterns of one feature schema are compared, unless it is there.

    One for each: only vectors of one schema are ever compared, and their length is the index's.

    A sample that runs again and again leaves a crowd of vectors that are all but equal. With few candidates a new one
    finds its neighbours among its like only, and no way leads there from elsewhere: of 400 crowds of 150, two were not
    found with pgvector's 64 or with 100, none with 128, which takes a third more time to build.
    """
    name = f"attack_patterns_near_{hashlib.sha256(schema.encode()).hexdigest()[:16]}_idx"
    return sql.SQL(
        "CREATE INDEX IF NOT EXISTS {} ON patterns.attack_patterns USING hnsw (({}) vector_l2_ops) "
        "WITH (m = 16, ef_construction = 128) WHERE schema = {}"
    ).format(sql.Identifier(name), _vector(features), sql.Literal(schema))


def _vector(features: int) -> sql.Composed:
    return sql.SQL("features::vector({})").format(sql.Literal(features))


def _distance(near: Near) -> sql.Composed:
    wanted = np.frombuffer(near.state_vector, dtype="<f4")
    written = "[" + ",".join(repr(float(value)) for value in wanted) + "]"
    return sql.SQL("({} <-> {}::vector)").format(_vector(len(wanted)), sql.Literal(written))
