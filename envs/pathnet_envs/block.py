"""Block: some lanes of a vector, stepped one after another in one process."""

from collections.abc import Sequence
from typing import Any

from gymnasium.vector import AutoresetMode

from pathnet_envs.board import Board
from pathnet_envs.lander import LanderSubTask


class Block:
    """The lanes ``first`` to ``first + lanes - 1``, which write into their rows of the board.

    Args:
        board: Where the lanes write, and find their actions.
        first: Row of the first lane.
        lanes: How many.
        mode: When an ended lane begins its next episode.
        settings: Arguments of :class:`LanderSubTask`, the same for every lane.
    """

    def __init__(self, board: Board, first: int, lanes: int, mode: AutoresetMode, settings: dict[str, Any]) -> None:
        self.board, self.mode = board, mode
        self.rows = range(first, first + lanes)
        self.envs = [LanderSubTask(**settings) for _ in range(lanes)]

    def reset(self, seeds: Sequence[int | None], options: dict[str, Any] | None, chosen: Sequence[bool]) -> None:
        """Begin an episode in the chosen lanes; all three have an entry for every lane of the block."""
        for row, env, seed, is_chosen in zip(self.rows, self.envs, seeds, chosen, strict=True):
            if is_chosen:
                self._begin(row, env, seed, options)

    def step(self) -> None:
        """Step every lane once with the action on the board, or begin its next episode where that is due."""
        board = self.board
        for row, env in zip(self.rows, self.envs, strict=True):
            if self.mode == AutoresetMode.NEXT_STEP and (board.terminated[row] or board.truncated[row]):
                self._begin(row, env)
                continue
            action = board.action[row] if env.continuous else int(board.action[row])
            observation, reward, terminated, truncated = env.advance(action)
            board.observation[row], board.reward[row] = observation, reward
            board.terminated[row], board.truncated[row] = terminated, truncated
            _tell(env, board.info, board.has_fuel, row)
            if self.mode == AutoresetMode.SAME_STEP and (terminated or truncated):
                board.final_observation[row] = observation
                _tell(env, board.final_info, board.final_has_fuel, row)
                observation, _ = env.reset()
                board.observation[row] = observation
                _tell(env, board.info, board.has_fuel, row)

    def _begin(
        self, row: int, env: LanderSubTask, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> None:
        board = self.board
        board.observation[row], _ = env.reset(seed=seed, options=options)
        board.reward[row], board.terminated[row], board.truncated[row] = 0.0, False, False
        _tell(env, board.info, board.has_fuel, row)

    def call(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> list[Any]:
        """Call a method of every lane, or return an attribute that is none."""
        found = [getattr(env, name) for env in self.envs]
        return [each(*arguments, **keywords) if callable(each) else each for each in found]

    def set_attr(self, name: str, values: Sequence[Any]) -> None:
        """Set an attribute of every lane to its own value."""
        for env, value in zip(self.envs, values, strict=True):
            env.set_wrapper_attr(name, value)

    def close(self) -> None:
        """Close the lanes."""
        for env in self.envs:
            env.close()


def _tell(env: LanderSubTask, info: dict[str, Any], has_fuel: Any, row: int) -> None:
    """Write down a lane's info."""
    info["is_success"][row], info["hold"][row] = env.is_success, env.hold
    info["native_return"][row] = env.native_return
    has_fuel[row] = env.tank is not None
    info["fuel"][row] = env.tank.left if env.tank is not None else 0.0
