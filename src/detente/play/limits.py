"""Limits on how often somebody may ask for something."""

from collections.abc import Callable
from dataclasses import dataclass, field

MOST_BODY_BYTES = 64 * 1024
MOST_STREAMS = 3
MOST_KEYS = 10_000


@dataclass
class RateLimit:
    """At most so many requests in so many seconds, for each key.

    A key may use up its allowance at once; it comes back evenly with time.

    Attributes:
        count: How many.
        seconds: In how long.
        clock: Seconds that only grow.

    Example:
        >>> now = [0.0]
        >>> limit = RateLimit(2, 1.0, lambda: now[0])
        >>> [limit.wait_for("ann") for _ in range(3)]
        [0.0, 0.0, 0.5]
        >>> now[0] = 0.5
        >>> limit.wait_for("ann")
        0.0
    """

    count: int
    seconds: float
    clock: Callable[[], float]
    _used: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait_for(self, key: str, *, take: bool = True) -> float:
        """Take one request from the allowance of a key: 0 if there was one, else the seconds until there is.

        Args:
            key: Whose allowance.
            take: Whether to use it up; otherwise it is only looked at.
        """
        now = self.clock()
        used, then = self._used.get(key, (0.0, now))
        used = max(0.0, used - (now - then) * self.count / self.seconds)
        if used > self.count - 1:
            return (used - (self.count - 1)) * self.seconds / self.count
        if not take:
            return 0.0
        if len(self._used) >= MOST_KEYS:
            self._forget(now)
        self._used[key] = (used + 1, now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Drop the keys whose allowance is whole again, so that strangers cannot fill the memory."""
        self._used = {key: (used, then) for key, (used, then) in self._used.items() if now - then < self.seconds}
