"""Training: an agent learns the sub-tasks of a curriculum in order, listeners hear of it."""

from collections.abc import Sequence

import torch
from safetensors import SafetensorError

from pathnet_rl.agent import Agent
from pathnet_rl.listener import Listener
from pathnet_rl.records import GenerationRecord, SubTaskRecord
from pathnet_rl.run import Run, RunError


class DeviceError(Exception):
    """A device that is not there; the message says what is."""


def choose_device(asked: str) -> str:
    """Return the Torch device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        DeviceError: If ``cuda`` is asked for and there is none; nothing falls back in silence.
    """
    available = torch.cuda.is_available()
    if asked == "auto":
        return "cuda" if available else "cpu"
    if asked == "cuda" and not available:
        raise DeviceError("--device cuda: Torch sees no CUDA device here; use --device cpu or auto")
    return asked


def build_agent(run: Run, device: str) -> Agent:
    """Make the agent that the run's curriculum names."""
    # Modules are small: a second thread gains nothing on one path and under 20% on eight, and would take the
    # core that another seed could use (tests/benchmarks/update_cost.py).
    torch.set_num_threads(1)
    curriculum = run.curriculum
    return curriculum.agent.build(curriculum.network, curriculum.search, seed=curriculum.seed, device=device)


def load_agent(run: Run, device: str) -> Agent:
    """Return the run's agent with everything it has learned.

    Raises:
        RunError: If its files are missing or damaged.
    """
    agent = build_agent(run, device)
    try:
        agent.load(run.directory)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise RunError(f"{run.directory}: the saved agent cannot be read ({error}); train again") from error
    return agent


def train(run: Run, listeners: Sequence[Listener], *, device: str) -> list[SubTaskRecord]:
    """Learn every sub-task of the run's curriculum and save the agent after each.

    Whatever ends the training early, an interrupt included, what there is by then is saved.

    Returns:
        The finished sub-tasks, in order.
    """
    curriculum, finished = run.curriculum, list[SubTaskRecord]()
    agent = build_agent(run, device)
    for listener in listeners:
        listener.begin(curriculum.name, curriculum.tasks, curriculum.network)
    try:
        for task in curriculum.tasks:
            for record in agent.learn_task(task):
                if isinstance(record, SubTaskRecord):
                    finished.append(record)
                    agent.save(run.directory)
                _tell(listeners, record)
            if task.on_fail == "stop" and not finished[-1].mastered:
                break
    finally:
        agent.save(run.directory)
        for listener in listeners:
            listener.end()
    return finished


def _tell(listeners: Sequence[Listener], record: GenerationRecord | SubTaskRecord) -> None:
    for listener in listeners:
        if isinstance(record, GenerationRecord):
            listener.generation(record)
        else:
            listener.sub_task(record)
