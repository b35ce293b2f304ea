"""Training: an agent learns the sub-tasks of a curriculum in order, listeners hear of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pathnet_rl.agent import Agent
from pathnet_rl.checkpoint import (
    LEARNED,
    CheckpointError,
    Stored,
    all_checkpoints,
    checkpoints,
    files_to_begin_with,
    newest_whole,
    whole_ones,
)
from pathnet_rl.curriculum import Curriculum
from pathnet_rl.device import make_reproducible
from pathnet_rl.durable import NO_ROOM, remove_directory
from pathnet_rl.listener import Listener
from pathnet_rl.records import GenerationRecord, Record, SubTaskRecord
from pathnet_rl.run import CONFIG, RECORDS, RecordFile, Run, RunError
from pathnet_rl.saving import Pace, Saver


def build_agent(run: Run, device: str) -> Agent:
    """Make the agent that the run's curriculum names, in a process set up for it."""
    make_reproducible(device)
    curriculum = run.curriculum
    return curriculum.agent.build(curriculum.network, curriculum.search, seed=curriculum.seed, device=device)


def load_agent(run: Run, device: str) -> tuple[Agent, list[str]]:
    """Return the run's agent with everything it has learned, from the newest checkpoint that is whole.

    Returns:
        The agent, and a line for each newer checkpoint that is damaged.

    Raises:
        CheckpointError: If there are checkpoints, but none is whole.
    """
    stored, damages = newest_whole(run.directory)
    if stored is None and damages:
        raise CheckpointError("\n".join([*damages, f"{run.directory}: no checkpoint is whole; train anew"]))
    agent = build_agent(run, device)
    if stored is not None:
        _restore(agent, stored)
    return agent, damages


def _restore(agent: Agent, stored: Stored) -> None:
    try:
        agent.restore(stored.checkpoint)
    except Exception as error:  # agents of others raise what they like
        why = f"not of this run's agent, or of another version of it: {' '.join(repr(error).split())}"
        raise CheckpointError(f"{stored.directory} is whole, but {why}") from error


@dataclass(frozen=True)
class Start:
    """Where a training goes on.

    Attributes:
        stored: The checkpoint; None for the beginning.
        words: What a person should know of it, a line each.
    """

    stored: Stored | None = None
    words: tuple[str, ...] = ()


def find_start(run: Run) -> Start:
    """Find out where to go on, and remove newer checkpoints that are damaged; the run must be locked.

    Raises:
        CheckpointError: If there are checkpoints, but none that can be gone on from.
    """
    stored, damages = newest_whole(run.directory, needed=(CONFIG, RECORDS))
    if stored is None and damages:
        remedy = f"{run.directory} cannot be resumed: no checkpoint is whole; train anew with --fresh"
        raise CheckpointError("\n".join([*damages, remedy]))
    words = [f"{damage}; the one before is used" for damage in damages]
    if stored is None:
        return Start(None, ("there is no checkpoint yet; starting from the beginning",))
    kept = all_checkpoints(run.directory)
    for directory in kept[kept.index(stored.directory) + 1 :]:
        remove_directory(directory)
    length_bytes = stored.manifest.run_files[RECORDS].bytes
    if name := run.stopped_at(length_bytes):
        words.append(f"{run.stopped_because(name)}: nothing is left to train")
    elif run.is_finished(length_bytes):
        words.append(f"finished after {stored.manifest.env_steps:,} environment steps: nothing is left to train")
    else:
        words.append(f"going on after {stored.manifest.env_steps:,} environment steps, from {stored.directory}")
    if changed := run.changed_versions():
        words.append(f"begun with {', '.join(changed)}: what follows may differ from an uninterrupted run")
    return Start(stored, tuple(words))


@dataclass(frozen=True)
class Beginning:
    """What a new run begins with: what another one has learned, as if it had been learned here.

    Attributes:
        stored: The other run's checkpoint.
        learned: Those that it kept at the ends of sub-tasks, up to there.
        records: Its records up to there.
        words: What a person should know of it, a line each.
    """

    stored: Stored
    learned: tuple[Stored, ...]
    records: bytes
    words: tuple[str, ...]

    def files(self, first: dict[str, bytes]) -> dict[str, bytes]:
        """Add the records and the checkpoints to the first files of the new run."""
        return files_to_begin_with(self.stored, self.learned, {**first, RECORDS: self.records})


def find_beginning(earlier: Run, curriculum: Curriculum) -> Beginning:
    """Return what a run had learned before the first sub-task that differs in another curriculum; it is only read.

    Raises:
        CheckpointError: If it had learned nothing yet, no checkpoint from then is whole, or it stopped for good.
        RunError: If it has learned, or will, all of that curriculum.
    """
    stored, damages = _whole_or_refused(earlier, "it has learned nothing yet")
    shared, what = earlier.shared_with(curriculum), f"beginning with what {earlier.directory} has learned"
    records = earlier.records_of_first(shared, stored.manifest.run_files[RECORDS].bytes)
    if stored.manifest.records > records:
        before = f"before {earlier.curriculum.tasks[shared].name}"
        what = f"beginning with what {earlier.directory} had learned {before}"
        nothing = f"it kept nothing from {before}, as runs of `train` do"
        stored, damages = _whole_or_refused(earlier, nothing, f" from {before}", records)
    length_bytes = stored.manifest.run_files[RECORDS].bytes
    if name := earlier.stopped_at(length_bytes):
        why = f"{name} was not mastered (on_fail: stop), so nothing comes after it"
        remedy = "to try it again give it another budget_env_steps, advance or on_fail"
        raise CheckpointError(f"{earlier.directory} cannot be continued: {why}; {remedy}")
    if shared == len(curriculum.tasks):
        remedy = f"add or change one, or pathnet-rl resume {earlier.directory}"
        raise RunError(f"{earlier.directory} has all these sub-tasks: {remedy}")
    words = [*(f"{damage}; the one before is used" for damage in damages), what]
    if changed := earlier.changed_versions():
        words.append(f"which was begun with {', '.join(changed)}: training all of it now may lead elsewhere")
    kept = checkpoints(earlier.directory, LEARNED)
    learned, _ = whole_ones([each for each in kept if int(each.name) <= stored.manifest.records])
    with (earlier.directory / RECORDS).open("rb") as written:
        return Beginning(stored, tuple(learned), written.read(length_bytes), tuple(words))


def _whole_or_refused(
    earlier: Run, nothing: str, which: str = "", at_most_records: int | None = None
) -> tuple[Stored, list[str]]:
    stored, damages = newest_whole(earlier.directory, (CONFIG, RECORDS), at_most_records)
    if stored is None:
        why = f"no checkpoint{which} is whole" if damages else nothing
        raise CheckpointError("\n".join([*damages, f"{earlier.directory} cannot be continued: {why}"]))
    return stored, damages


def train(
    run: Run, listeners: Sequence[Listener], *, device: str, start: Start | None = None, pace: Pace | None = None
) -> list[SubTaskRecord]:
    """Learn every sub-task of the run's curriculum that is not learned yet; the run must be locked.

    Whatever ends the training early, an interrupt included, the agent is saved as it was last copied: after the
    last record, or an earlier one where copying had used up its share of the time (:mod:`pathnet_rl.saving`).

    Args:
        run: What is trained.
        listeners: Are told of everything, from the beginning of the run.
        device: Torch device.
        start: Where to go on; by default at the beginning.
        pace: How often to write checkpoints.

    Returns:
        The finished sub-tasks, in order.

    Raises:
        CheckpointError: If the checkpoint to go on from is of another agent.
        OSError: If there is no room; the last checkpoint is whole.
    """
    agent, stored = build_agent(run, device), start.stored if start else None
    keep_bytes = 0
    if stored is not None:
        _restore(agent, stored)
        keep_bytes = stored.manifest.run_files[RECORDS].bytes
    records = RecordFile(run, keep_bytes)
    saver = Saver(run.directory, agent, records, pace or Pace())
    try:
        return _learn(run, agent, records, listeners, saver)
    except BaseException as error:
        if not (isinstance(error, OSError) and error.errno in NO_ROOM):  # another write would fail as well
            saver.save()
        raise
    finally:
        for listener in listeners:
            listener.end()
        records.close()


def _learn(
    run: Run, agent: Agent, records: RecordFile, listeners: Sequence[Listener], saver: Saver
) -> list[SubTaskRecord]:
    curriculum, finished = run.curriculum, dict[str, SubTaskRecord]()
    for listener in listeners:
        listener.begin(curriculum.name, curriculum.tasks, curriculum.network)
    for record in records.earlier:
        _tell(listeners, record, finished)
    for task in curriculum.tasks:
        if task.name not in finished:
            for record in agent.learn_task(task):
                records.append(record)
                _tell(listeners, record, finished)
                saver.after(record)
        if task.on_fail == "stop" and not finished[task.name].mastered:
            break
    return list(finished.values())


def _tell(listeners: Sequence[Listener], record: Record, finished: dict[str, SubTaskRecord]) -> None:
    if isinstance(record, SubTaskRecord):
        finished[record.task] = record
    for listener in listeners:
        if isinstance(record, GenerationRecord):
            listener.generation(record)
        else:
            listener.sub_task(record)
