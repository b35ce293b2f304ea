"""LanderVector: many lanes of a sub-task in one Gymnasium vector, in one process or several."""

import contextlib
import multiprocessing
import pickle
import select
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from pathnet_envs.block import Block
from pathnet_envs.board import SharedMemory
from pathnet_envs.checks import whole_within
from pathnet_envs.lander import LanderSubTask
from pathnet_envs.reset_options import read_options

# Messages between our own processes; all others are pickled, and no pickle is this short.
STEP, END = b"", b"end"
MOST_PROCESSES = 64
WATCHED_S = 1e-3
"""How long a process watches its pipe before it sleeps; to wake it takes 50 us, a quarter of its part of a step."""


class LanderVector(VectorEnv[Any, Any, Any]):
    """Lanes of :class:`pathnet_envs.lander.LanderSubTask`; what ``gymnasium.make_vec(id)`` makes by default.

    It shows what ``gymnasium.vector.SyncVectorEnv`` shows of the same seeds and actions, to the bit, in every
    autoreset mode and with any number of processes; only faster. Spaces, reward, start and end are those of the
    single environment, batched. ``set_attr("level", [...])`` and ``set_attr("sub_goal", [...])`` give every lane
    its own, from its next reset on.

    Args:
        num_envs: Lanes.
        processes: Processes that share them evenly; this one steps its part too.
        autoreset_mode: When an ended lane begins anew: ``NextStep``, ``SameStep`` or ``Disabled``.
        context: How further processes start, as for ``multiprocessing.get_context``; None is Python's default.
        settings: Arguments of the single environment.

    Raises:
        ValueError: For arguments that are none of these.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        processes: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        context: str | None = None,
        **settings: Any,
    ) -> None:
        num_envs = whole_within("num_envs", num_envs, 1)
        processes = whole_within("processes", processes, 1, min(num_envs, MOST_PROCESSES))
        if settings.get("render_mode") == "human":
            raise ValueError("render_mode: 'human' shows one environment, not a vector; give 'rgb_array'")
        self.num_envs, self.autoreset_mode = num_envs, AutoresetMode(autoreset_mode)
        one = LanderSubTask(**settings)  # checks the settings before any process starts
        self.metadata = {**one.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = one.render_mode
        self.single_observation_space, self.single_action_space = one.observation_space, one.action_space
        self.observation_space = batch_space(one.observation_space, num_envs)
        self.action_space = batch_space(one.action_space, num_envs)
        self._continuous = one.continuous
        chosen = multiprocessing.get_context(context)
        inputs = one.observation_space.shape
        assert inputs is not None
        memory = SharedMemory.allocate(chosen, num_envs, inputs[0], continuous=one.continuous)
        self._board = memory.board()
        edges = np.linspace(0, num_envs, processes + 1).round().astype(int).tolist()
        self._spans = [slice(*edge) for edge in zip(edges[:-1], edges[1:], strict=True)]
        self._own = Block(self._board, 0, edges[1], self.autoreset_mode, settings)
        self._others = [
            RemoteBlock(chosen, memory, span, self.autoreset_mode, settings) for span in self._spans[1:]
        ]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode in every lane, or in those of ``options["reset_mask"]``.

        Args:
            seed: Lane i gets ``seed + i``, or the i-th of a sequence.
            options: Those of the single environment, for all lanes, and ``reset_mask`` ``(lanes,)`` bool.

        Returns:
            Observations ``(lanes, inputs)`` float32 and infos.

        Raises:
            ValueError: For options that are none of these.
        """
        options = dict(options or {})
        mask = _mask(options.pop("reset_mask", None), self.num_envs)
        read_options(options)  # before any lane changes
        seeds = self._seeds(seed)
        self._everywhere("reset", [(seeds[span], options, mask[span].tolist()) for span in self._spans])
        return self._board.observation.copy(), self._infos(mask)

    def step(
        self, actions: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Step every lane by one tick of 20 ms.

        Args:
            actions: ``(lanes,)`` integers, or ``(lanes, 2)`` throttles.

        Returns:
            Observations, rewards, terminated, truncated and infos, a row a lane.

        Raises:
            InvalidAction: If any action is not in the space; then no lane has moved.
            ResetNeeded: If a lane has ended and nothing restarts it; then no lane has moved either.
        """
        board = self._board
        self._refuse_ended()
        board.action[:] = self._checked(np.asarray(actions))
        for block in self._others:
            block.step()
        self._own.step()
        for block in self._others:
            block.receive()
        infos = self._infos(np.ones(self.num_envs, dtype=bool))
        if self.autoreset_mode == AutoresetMode.SAME_STEP:
            self._add_final(infos)
        return (
            board.observation.copy(),
            board.reward.copy(),
            board.terminated.copy(),
            board.truncated.copy(),
            infos,
        )

    def _everywhere(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method of every block with its own arguments; an error is raised once all have answered."""
        for block, each in zip(self._others, arguments[1:], strict=True):
            block.send(method, *each)
        answers: list[Any] = []
        for answer in (
            lambda: getattr(self._own, method)(*arguments[0]),
            *(block.receive for block in self._others),
        ):
            try:
                answers.append(answer())
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised below
                answers.append(error)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _refuse_ended(self) -> None:
        if self.autoreset_mode == AutoresetMode.DISABLED:
            ended = np.flatnonzero(self._board.terminated | self._board.truncated)
            if len(ended):
                raise ResetNeeded(f"lane {ended[0]} has ended; reset it, with options={{'reset_mask': ...}}")

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        seeds: list[int | None] = (
            [seed + lane for lane in range(self.num_envs)] if isinstance(seed, int) else list(seed)
        )
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed: has {len(seeds)} entries; give one number, or {self.num_envs}")
        return seeds

    def _checked(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Return the actions if every one is valid."""
        shape = (self.num_envs, 2) if self._continuous else (self.num_envs,)
        low, high, kinds, words = (
            (-1, 1, "fiu", "numbers from -1 to 1") if self._continuous else (0, 3, "iu", "integers from 0 to 3")
        )
        if actions.shape != shape or actions.dtype.kind not in kinds:
            raise InvalidAction(f"actions: {actions.dtype} of shape {actions.shape}; give {shape} {words}")
        valid = (actions >= low) & (actions <= high)  # false for not-a-numbers
        if not valid.all():
            lane = int(np.argwhere(~valid)[0][0])
            raise InvalidAction(f"actions: lane {lane}: {actions[lane]!r} is invalid; give {words}")
        return actions

    def _infos(self, told: NDArray[np.bool_]) -> dict[str, Any]:
        return _masked(self._board.info, told, self._board.has_fuel)

    def _add_final(self, infos: dict[str, Any]) -> None:
        """Add what the ended lanes last showed, as Gymnasium's own vectors do."""
        board, ended = self._board, self._board.terminated | self._board.truncated
        if not ended.any():
            return
        final = np.full(self.num_envs, None, dtype=object)
        for lane in np.flatnonzero(ended):
            final[lane] = board.final_observation[lane].copy()
        infos["final_obs"], infos["_final_obs"] = final, ended.copy()
        infos["final_info"] = _masked(board.final_info, ended, board.final_has_fuel)
        infos["_final_info"] = ended.copy()

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every lane, or return an attribute of every lane."""
        answers = self._everywhere("call", [(name, args, kwargs)] * len(self._spans))
        return tuple(result for block in answers for result in block)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of every lane."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute: one value for all lanes, or a list or tuple with one a lane.

        Raises:
            ValueError: If there are more or fewer values than lanes, or the lanes refuse one.
        """
        each = list(values) if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise ValueError(f"{name}: {len(each)} values for {self.num_envs} lanes; give one, or one a lane")
        self._everywhere("set_attr", [(name, each[span]) for span in self._spans])

    def render(self) -> tuple[Any, ...]:
        """Return a frame of every lane."""
        return self.call("render")

    @property
    def np_random_seed(self) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The seed of every lane's generator."""
        return self.get_attr("np_random_seed")

    def close_extras(self, **kwargs: Any) -> None:
        """Close the lanes and end the other processes."""
        del kwargs
        self._own.close()
        for block in self._others:
            block.close()

    def __del__(self) -> None:
        """Leave no process behind."""
        for block in getattr(self, "_others", ()):
            block.close()


class RemoteBlock:
    """A :class:`Block` in a process of its own."""

    def __init__(
        self, context: Any, memory: SharedMemory, span: slice, mode: AutoresetMode, settings: dict[str, Any]
    ) -> None:
        self._lanes = f"lanes {span.start} to {span.stop - 1}"
        self._connection, remote = context.Pipe()
        arguments = (self._connection, remote, memory, span, mode, settings)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        remote.close()
        self._watch = _watcher(self._connection)

    def step(self) -> None:
        """Let it step; :meth:`receive` waits for it."""
        self._connection.send_bytes(STEP)

    def send(self, method: str, *arguments: Any) -> None:
        """Let it call a method of its block; :meth:`receive` returns what that gave."""
        self._connection.send((method, arguments))

    def receive(self) -> Any:
        """Return what the last call gave, or raise what it raised."""
        try:
            self._watch()
            message = self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise gymnasium.error.Error(
                f"the process of {self._lanes} has ended by itself (status {self._process.exitcode}); "
                "close this vector and make it anew"
            ) from error
        if message == STEP:
            return None
        result = pickle.loads(message)
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):  # it is gone already
            # A process forked later may hold a copy of this end: closing it would not be noticed.
            self._connection.send_bytes(END)
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()


def _serve(
    other_end: Connection,
    connection: Connection,
    memory: SharedMemory,
    span: slice,
    mode: AutoresetMode,
    settings: Any,
) -> None:
    """Do what the other end asks for, until it is closed, or its process is gone."""
    other_end.close()  # a copy kept open here would hide that
    block = Block(memory.board(), span.start, span.stop - span.start, mode, settings)
    watch = _watcher(connection)
    while True:
        try:
            watch()
            message = connection.recv_bytes()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        if message == END:
            return
        try:
            if message == STEP:
                block.step()
                connection.send_bytes(STEP)
                continue
            method, arguments = pickle.loads(message)
            connection.send(getattr(block, method)(*arguments))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other end raises it
            connection.send(error)


def _watcher(connection: Connection) -> Callable[[], None]:
    """Return what waits awake until there is a message, or for ``WATCHED_S``."""
    if not hasattr(select, "poll"):  # Windows: sleep at once
        return lambda: None
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)

    def watch() -> None:
        until = time.perf_counter() + WATCHED_S
        while not poller.poll(0) and time.perf_counter() < until:
            pass

    return watch


def _mask(mask: Any, lanes: int) -> NDArray[np.bool_]:
    """Return which lanes a reset is for."""
    if mask is None:
        return np.ones(lanes, dtype=bool)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (lanes,) or not mask.any():
        raise ValueError(
            f"reset options: reset_mask: {mask!r}; give a bool array of shape ({lanes},), not all False"
        )
    return mask


def _masked(info: dict[str, NDArray[Any]], told: NDArray[np.bool_], has_fuel: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the infos of the lanes that tell them, each key with the mask of who does."""
    everybody, infos = bool(told.all()), dict[str, Any]()
    for name, values in info.items():
        if name == "fuel":
            continue
        infos[name] = values.copy() if everybody else np.where(told, values, np.zeros_like(values))
        infos[f"_{name}"] = told.copy()
    fueled = told & has_fuel
    if fueled.any():
        infos["fuel"], infos["_fuel"] = np.where(fueled, info["fuel"], 0.0), fueled
    return infos
