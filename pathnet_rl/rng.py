"""Random generators derived from (seed, index, purpose): no draw depends on the order of another's."""

import zlib

import numpy as np
import torch


def seed_sequence(seed: int, index: int, purpose: str) -> np.random.SeedSequence:
    """Name one stream of random numbers.

    Args:
        seed: The run's seed, non-negative.
        index: Which of several alike (a replica, a sub-task, a lane), non-negative.
        purpose: What the numbers are for, such as ``"replay"``; a word of its own for every use.

    Example:
        >>> a, b = (seed_sequence(0, 1, purpose).generate_state(1)[0] for purpose in ("replay", "lanes"))
        >>> bool(a == b)
        False
    """
    return np.random.SeedSequence((seed, index, zlib.crc32(purpose.encode())))


def numpy_generator(seed: int, index: int, purpose: str) -> np.random.Generator:
    """Return the NumPy generator of this stream."""
    return np.random.default_rng(seed_sequence(seed, index, purpose))


def torch_generator(seed: int, index: int, purpose: str) -> torch.Generator:
    """Return the Torch generator of this stream; it draws on the CPU, so that every device sees the same."""
    state = seed_sequence(seed, index, purpose).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) % 2**63)


def state_of(generator: torch.Generator) -> list[int]:
    """Return where a Torch generator stands as plain data; see :func:`set_state`."""
    return generator.get_state().tolist()


def set_state(generator: torch.Generator, state: list[int]) -> None:
    """Let a generator go on from where :func:`state_of` found one."""
    generator.set_state(torch.tensor(state, dtype=torch.uint8))


def episode_seeds(seed: int, index: int, purpose: str, episodes: int) -> list[int]:
    """Return one environment seed an episode; a longer list begins with the shorter one.

    Example:
        >>> episode_seeds(0, 0, "evaluate", 3) == episode_seeds(0, 0, "evaluate", 5)[:3]
        True
    """
    return numpy_generator(seed, index, purpose).integers(0, 2**31 - 1, size=episodes).tolist()
