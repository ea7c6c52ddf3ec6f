"""What a stored type looks like, as text: two programs with the same text read each other's bytes."""

from enum import Enum
from types import NoneType, UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints


def shape(of: Any) -> str:
    """Fields in their stored order with their types, all the way down.

    >>> from drlactors.domain.session import TelemetryLost
    >>> shape(TelemetryLost)
    "TelemetryLost(first_seq: int, last_seq: int, cause: LossCause['gap', 'overflow'])"
    """
    if isinstance(of, NewType):
        return shape(of.__supertype__)
    if get_origin(of) in (Union, UnionType):
        return " | ".join(shape(each) for each in get_args(of))
    if get_origin(of) is tuple:
        return f"tuple[{', '.join('...' if each is Ellipsis else shape(each) for each in get_args(of))}]"
    if of is NoneType:
        return "None"
    if isinstance(of, type) and issubclass(of, Enum):
        return f"{of.__name__}[{', '.join(repr(member.value) for member in of)}]"
    if isinstance(of, type) and hasattr(of, "_fields"):
        return f"{of.__name__}({', '.join(f'{name}: {shape(kind)}' for name, kind in get_type_hints(of).items())})"
    if isinstance(of, type):
        return of.__name__
    raise TypeError(f"{of} is no type that is stored")
