"""Who tells: the installation that exports, and the ids of what it says, the same ones however often it is said."""

from typing import NamedTuple
from uuid import UUID, uuid5

PRODUCT = "drlactors"
_EXPORTS = UUID("7215ce6d-b85e-4582-b0ff-21027668771f")


class Producer(NamedTuple):
    instance: str  # the installation's name
    version: str  # the program's

    def id(self, *of: object) -> UUID:
        """The id of what is said of these: version 5 in a namespace of drlactors, and of this instance in it."""
        return uuid5(_EXPORTS, "/".join(map(str, (self.instance, *of))))
