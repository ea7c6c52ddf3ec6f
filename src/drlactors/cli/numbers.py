"""Numbers that commands take, each with the range that can be meant: no server refuses the rest in its own words."""

from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter


def _between(low: float, high: float) -> Callable[[object, float | None], None]:
    def check(_type: object, value: float | None) -> None:
        if value is not None and not low <= value <= high:  # which no nan is
            raise ValueError(f"It is {low:,} to {high:,}.")

    return check


#: How many rows: the most is more than anybody has.
Limit = Annotated[int, Parameter(validator=_between(1, 1_000_000_000))]
#: Of the log, as PostgreSQL counts them.
Position = Annotated[int, Parameter(validator=_between(0, (1 << 63) - 1))]
#: Back from now; the most is a century.
Hours = Annotated[float, Parameter(validator=_between(0, 876_000))]
#: How many of something; 0 often says: as many as is usual.
Count = Annotated[int, Parameter(validator=_between(0, 1_000_000_000))]
#: How many at the same time.
AtOnce = Annotated[int, Parameter(validator=_between(1, 100_000))]
#: Windows in one message.
Windows = Annotated[int, Parameter(validator=_between(1, 1_000))]
#: Times as fast as it was.
Speed = Annotated[float, Parameter(validator=_between(0.01, 10_000))]
#: From a thousandth of a second to an hour.
WindowMs = Annotated[int, Parameter(validator=_between(1, 3_600_000))]
#: The most is a year.
Seconds = Annotated[float, Parameter(validator=_between(0, 31_536_000))]
