"""What waits between us and the platform: messages on queues, and records that it has not taken yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from locustfiles import kafka_launch, mq_launch, mq_target
from locustfiles.looks import Looks
from locustfiles.plans import Plan


class Backlogs:
    """All that a run has, by the channels that it sends over."""

    def __init__(self, several: Sequence[Looks]) -> None:
        self._several = several

    @classmethod
    def of(cls, plan: Plan, say: Callable[[str], None]) -> Backlogs:
        """Begin to look; `say` is told what cannot be seen. Raises Problems."""
        several: list[Looks] = []
        if mq_target.sends(plan):
            several += [mq_launch.Depths(one, say) for one in plan.mq.everywhere]
        return cls([*several, *kafka_launch.lags(plan, say)])

    def __call__(self) -> dict[str, int]:
        """Return what waits, by the places' names; queues of one name in several regions as one."""
        waits: Counter[str] = Counter()
        for each in self._several:
            waits.update(each())
        return dict(waits)

    def close(self) -> None:
        """Look no more."""
        for each in self._several:
            each.close()
