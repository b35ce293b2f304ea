"""Success rates with their intervals, and those of the baselines that ship with the package.

``python -m pathnet_envs.baselines`` measures them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import sqrt
from typing import Any

TWO_SIDED_95 = 1.959964
"""Standard deviations of a normal distribution to either side that hold 95% of it."""
SHIPPED = "baselines.json"


@dataclass(frozen=True)
class SuccessRate:
    """How many of a policy's episodes succeeded.

    Raises:
        ValueError: If there is no episode, or there are more successes than episodes.
    """

    successes: int
    episodes: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.episodes or self.episodes < 1:
            raise ValueError(
                f"success rate: {self.successes} of {self.episodes} episodes; give 1 episode or more,"
                " and 0 to as many successes"
            )

    @property
    def rate(self) -> float:
        """Share of successes."""
        return self.successes / self.episodes

    @property
    def interval(self) -> tuple[float, float]:
        """The rate's 95% interval (Wilson 1927), which stays inside [0, 1] and is no point at its ends.

        Example:
            >>> low, high = SuccessRate(5, 10).interval
            >>> round(low, 3), round(high, 3)
            (0.237, 0.763)
        """
        pull = TWO_SIDED_95**2 / self.episodes
        centre = (self.rate + pull / 2) / (1 + pull)
        margin = sqrt(pull * (self.rate * (1 - self.rate) + pull / 4)) / (1 + pull)
        return max(0.0, centre - margin), min(1.0, centre + margin)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON says it, rate and interval to four digits."""
        return {
            "successes": self.successes,
            "episodes": self.episodes,
            "rate": round(self.rate, 4),
            "interval": [round(end, 4) for end in self.interval],
        }


@dataclass(frozen=True)
class Baselines:
    """What no learner is needed for in one sub-task; discrete actions, held-out seeds.

    Attributes:
        random: Uniformly random actions at level 1.
        no_op: Never firing an engine, at level 1.
        best_constant: Always the same action, the best of the four on these episodes, at level 1.
        best_constant_action: Which one; the first of equals.
        scripted: The hand-written controller of :mod:`pathnet_envs.scripted`, at level 1.
        random_at_level_0: Uniformly random actions from the easiest starts.
    """

    random: SuccessRate
    no_op: SuccessRate
    best_constant: SuccessRate
    best_constant_action: int
    scripted: SuccessRate
    random_at_level_0: SuccessRate

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Baselines":
        """Return what :meth:`to_dict` described."""
        return cls(**{name: _read(value) for name, value in entry.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON says it."""
        return {
            name: value.to_dict() if isinstance(value, SuccessRate) else value for name, value in vars(self).items()
        }


def shipped_baselines() -> dict[str, Baselines]:
    """Return the baselines that were measured for this version, by sub-goal.

    Example:
        >>> shipped_baselines()["land"].random
        SuccessRate(successes=0, episodes=300)
    """
    measured = json.loads(files("pathnet_envs").joinpath(SHIPPED).read_text(encoding="utf-8"))
    return {name: Baselines.from_dict(entry) for name, entry in measured["sub_goals"].items()}


def _read(value: Any) -> Any:
    return SuccessRate(value["successes"], value["episodes"]) if isinstance(value, Mapping) else value
