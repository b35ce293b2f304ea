"""Region: the ranges in which a sub-goal wants the lander, as data, so that they can be drawn."""

from dataclasses import dataclass

from pathnet_envs.body_state import BodyState

Range = tuple[float, float]
"""From, to; an end may be infinite."""
MOTIONS = ("x", "y", "vx", "vy", "angle", "spin")
"""The fields of :class:`Region`, which are those of :class:`BodyState`, in the order of an observation."""


@dataclass(frozen=True)
class Region:
    """Ranges in observation units; None is anywhere.

    It shows what a sub-goal's predicate asks for, and does not decide: whether the very ends belong to it, the
    contacts of the legs and the speed of a landing are the predicate's alone.

    Attributes:
        x: 10 m a unit.
        y: 6.667 m a unit.
        vx: 5 m/s a unit.
        vy: 7.5 m/s a unit.
        angle: Radians.
        spin: 2.5 rad/s a unit.
    """

    x: Range | None = None
    y: Range | None = None
    vx: Range | None = None
    vy: Range | None = None
    angle: Range | None = None
    spin: Range | None = None

    def allows(self, quantity: str, motion: BodyState) -> bool:
        """Whether one quantity, one of :data:`MOTIONS`, is in its range.

        Example:
            >>> Region(spin=(-0.1, 0.1)).allows("spin", BodyState(spin=0.2))
            False
        """
        wanted: Range | None = getattr(self, quantity)
        return wanted is None or wanted[0] <= getattr(motion, quantity) <= wanted[1]

    def contains(self, motion: BodyState) -> bool:
        """Whether every quantity is in its range."""
        return all(self.allows(quantity, motion) for quantity in MOTIONS)
