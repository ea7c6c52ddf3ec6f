"""How far a consumer may be ahead of its reader."""

from collections import deque


class Credit:
    """Messages requested and messages handed over and not given back are never more than ``limit`` together.

    Bytes are bounded too, loosely: nothing is requested while more than ``limit_bytes`` are with the reader. Thousands
    of messages of the largest size allowed would otherwise take gigabytes.
    """

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self.limit = limit
        self.limit_bytes = limit_bytes
        self.requested = 0
        self.ahead_bytes = 0
        self._ahead: deque[int] = deque()  # sizes, oldest first

    def to_request(self) -> int:
        """How many to ask for now: the free part, once it is worth a request, so that few requests stand at a time."""
        free = self.limit - self.requested - len(self._ahead)
        worth_it = free >= max(1, self.limit // 4) or (self.requested == 0 and free > 0)
        return free if worth_it and self.ahead_bytes < self.limit_bytes else 0

    def arrived(self) -> None:
        """One of the requested messages is here."""
        self.requested = max(0, self.requested - 1)

    def handed_over(self, size_bytes: int) -> None:
        self._ahead.append(size_bytes)
        self.ahead_bytes += size_bytes

    def given_back(self, messages: int) -> None:
        for _ in range(min(messages, len(self._ahead))):
            self.ahead_bytes -= self._ahead.popleft()

    def faults(self) -> list[str]:
        found = []
        if self.requested + len(self._ahead) > self.limit:
            found.append(f"{self.requested} requested and {len(self._ahead)} ahead are more than {self.limit}")
        if self.ahead_bytes != sum(self._ahead) or self.requested < 0:
            found.append("the sums are wrong")
        return found
