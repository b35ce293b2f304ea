import gzip
import struct

import numpy as np
import pytest

from pathnet_rl.study.digits import DigitsError, load_digits, make_tasks, salt_and_pepper, split
from pathnet_rl.study.settings import DigitsSettings


def idx_bytes(array, magic):
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


def write_idx(folder, images=30, zipped=False):
    """Write four small files in the classic format."""
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        pixels = rng.integers(256, size=(images, 28, 28), dtype=np.uint8)
        labels = (np.arange(images) % 10).astype(np.uint8)
        for name, content in (
            (f"{part}-images-idx3-ubyte", idx_bytes(pixels, 2051)),
            (f"{part}-labels-idx1-ubyte", idx_bytes(labels, 2049)),
        ):
            file = folder / (f"{name}.gz" if zipped else name)
            file.write_bytes(gzip.compress(content) if zipped else content)


def test_the_embedded_digits_are_mnist():
    digits = load_digits(DigitsSettings())
    assert digits.images.shape == (5000, 784) and digits.images.max() == 255
    assert np.bincount(digits.labels).tolist() == [500] * 10
    ones, zeros = digits.images[digits.labels == 1], digits.images[digits.labels == 0]
    assert ones.mean() < 0.6 * zeros.mean()  # a one has less ink than a zero
    assert zeros.reshape(-1, 28, 28)[:, 14, 14].mean() < ones.reshape(-1, 28, 28)[:, 14, 14].mean()


def test_the_split_is_disjoint_complete_and_stratified():
    digits = load_digits(DigitsSettings())
    train, test = split(digits, 0.2, seed=0)
    assert len(np.intersect1d(train, test)) == 0 and len(train) + len(test) == 5000
    assert np.bincount(digits.labels[test]).tolist() == [100] * 10
    assert not np.array_equal(split(digits, 0.2, seed=1)[0], train)


def test_a_task_holds_its_digits_as_classes():
    ((first, second),) = make_tasks(DigitsSettings(), [[[3, 4], [7, 1, 2]]], seed=0)
    assert (first.train_images, len(first.test_classes)) == (800, 200)
    assert first.train_pixels.shape == (800, 784)
    assert second.test_classes.unique().tolist() == [0, 1, 2]
    digits = load_digits(DigitsSettings())
    threes = digits.images[digits.labels == 3]
    assert (first.train_pixels[first.train_classes == 0][0].numpy() == threes).all(axis=1).any()


def test_salt_and_pepper_changes_the_share_that_is_asked_for():
    images = np.full((200, 784), 100, dtype=np.uint8)
    noisy = salt_and_pepper(images, 0.3, seed=0)
    black, white = (noisy == 0).mean(), (noisy == 255).mean()
    assert abs(black - 0.15) < 0.01 and abs(white - 0.15) < 0.01
    assert (images == 100).all()
    assert salt_and_pepper(images, 0.0, seed=0) is images


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_are_read(tmp_path, zipped):
    write_idx(tmp_path, zipped=zipped)
    digits = load_digits(DigitsSettings(idx=str(tmp_path)))
    assert digits.images.shape == (60, 784)
    assert digits.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def damage(file, how):
    content = bytearray(file.read_bytes())
    if how == "missing":
        file.unlink()
    elif how == "truncated":
        file.write_bytes(content[:-5])
    elif how == "header":
        file.write_bytes(content[:3])
    elif how == "magic":
        file.write_bytes(b"\0\0\0\7" + content[4:])
    elif how == "label":
        content[-1] = 11
        file.write_bytes(content)
    elif how == "size":
        content[11] = 27
        file.write_bytes(content)
    elif how == "gzip":
        file.write_bytes(gzip.compress(bytes(content))[:-20])


@pytest.mark.parametrize(
    ("name", "how", "words"),
    [
        ("train-images-idx3-ubyte", "missing", "no such file, with or without .gz"),
        ("train-images-idx3-ubyte", "truncated", "where its header says"),
        ("t10k-labels-idx1-ubyte", "truncated", "where its header says"),
        ("train-images-idx3-ubyte", "header", "less than its header's 16"),
        ("train-labels-idx1-ubyte", "magic", "magic number 7, not 2049"),
        ("t10k-labels-idx1-ubyte", "label", "label 29 is 11, not a digit"),
        ("train-images-idx3-ubyte", "size", "not .28, 28."),
        ("train-images-idx3-ubyte", "gzip", "cannot be read"),
    ],
)
def test_damaged_idx_files_are_named(tmp_path, name, how, words):
    write_idx(tmp_path)
    damage(tmp_path / name, how)
    with pytest.raises(DigitsError, match=words) as caught:
        load_digits(DigitsSettings(idx=str(tmp_path)))
    assert name in str(caught.value)


def test_a_digit_without_images_is_named(tmp_path):
    write_idx(tmp_path, images=5)
    with pytest.raises(DigitsError, match="digit 9 has no training image"):
        make_tasks(DigitsSettings(idx=str(tmp_path)), [[[0, 9], [1, 2]]], seed=0)
