import numpy as np
import pytest
from make_records import random_finished, sub_task
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyBboxPatch

from pathnet_rl.picture import OPEN, PictureFiles, colour_of, draw_path, rgb_pixels
from pathnet_rl.settings import NetworkSettings


def squares(figure, layers, modules):
    """Return each module's colour, ``[layer][module]``."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    assert len(patches) == layers * modules
    colours = [patch.get_facecolor() for patch in patches]
    return [colours[layer * modules : (layer + 1) * modules] for layer in range(layers)]


@pytest.mark.parametrize(("layers", "modules", "count"), [(3, 40, 8), (3, 10, 2), (6, 12, 5)])
def test_every_module_has_the_colour_of_whoever_froze_it(layers, modules, count):
    finished = random_finished(count, modules, layers)
    owners = [{} for _ in range(layers)]
    for record in finished:
        for layer, newly in enumerate(record.newly_frozen):
            owners[layer].update(dict.fromkeys(newly, record.task_index))
    for layer, colours in enumerate(squares(draw_path(layers, modules, finished), layers, modules)):
        for module, colour in enumerate(colours):
            owner = owners[layer].get(module)
            assert colour == to_rgba(OPEN if owner is None else colour_of(owner))


def test_the_lines_join_all_active_modules_of_neighbouring_layers():
    figure = draw_path(3, 10, [sub_task(path=((1, 4), (0,), (7, 8, 9)))])
    lines = [line for line in figure.axes[0].lines if line.get_marker() == "None"]
    assert len(lines) == 2 + 2 * 1 + 1 * 3 + 3
    ends = {tuple(np.round(line.get_xdata(), 6)) for line in lines}
    assert {(1, 0), (4, 0), (0, 7), (0, 8), (0, 9)} <= ends


def test_reused_modules_carry_a_dot_and_new_ones_none():
    first = sub_task("hover", 0, path=((1,), (2,), (3,)))
    second = sub_task("land", 1, path=((1, 5), (2,), (4,)), newly=((5,), (), (4,)))
    dots = [line for line in draw_path(3, 10, [first, second]).axes[0].lines if line.get_marker() == "o"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots] == [(1, 0.0), (2, 3.0)]


def test_files_are_written_and_equal_for_equal_records(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        files = PictureFiles(tmp_path / folder)
        files.begin("lander", [], NetworkSettings(modules=10))
        for record in random_finished(2, 10):
            files.sub_task(record)
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["kill_spin.png", "upright.png"]
    assert (tmp_path / "one" / "upright.png").read_bytes() == (tmp_path / "two" / "upright.png").read_bytes()


def test_pixels_are_rgb():
    pixels = rgb_pixels(draw_path(3, 10, random_finished(1, 10)))
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no finished sub-task"):
        draw_path(3, 10, [])
