"""Pictures: the region that the overlay shows, the overlay itself, both render modes, and a video."""

import math
import os
import subprocess
import sys
import time
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.error import Error, ResetNeeded
from gymnasium.utils.env_checker import check_env as check_gymnasium
from hypothesis import assume, given
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as check_stable_baselines

from pathnet_envs import SUB_GOALS, body, overlay
from pathnet_envs.body_state import BodyState
from pathnet_envs.lander import LanderSubTask
from pathnet_envs.region import MOTIONS
from pathnet_envs.scripted import scripted

NAMES = list(SUB_GOALS)
HULL = (128, 102, 230)


@pytest.fixture
def headless(monkeypatch):
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def screen(headless, monkeypatch):
    """A display that nobody sees."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def make(name, **settings):
    return gymnasium.make(SUB_GOALS[name].env_id, **settings).unwrapped


def started(name, *, render_mode="rgb_array", **state):
    env = make(name, render_mode=render_mode)
    env.reset(seed=0, options={"state": state} if state else None)
    return env


def colours(picture, *pixels):
    return [tuple(picture[y, x].tolist()) for x, y in pixels]


# The region


def reached_and_shown(name, motion):
    """Whether the predicate and the region say yes to a motion, at the legs and speed that a landing wants."""
    goal, legs = SUB_GOALS[name], [1.0, 1.0] if SUB_GOALS[name].landing else [0.0, 0.0]
    if goal.landing:
        motion = BodyState(motion.x, motion.y, 0.0, 0.0, motion.angle, motion.spin)
    return goal.reached([*(getattr(motion, quantity) for quantity in MOTIONS), *legs]), goal.region.contains(motion)


@pytest.mark.parametrize("name", NAMES)
@given(scale=st.sampled_from([0.1, 0.3, 1.0]), numbers=st.tuples(*[st.floats(-1.0, 1.0)] * 6))
def test_region_and_predicate_agree(name, scale, numbers):
    middle = {"y": 0.8} if SUB_GOALS[name].region.y else {}
    motion = BodyState(**{q: middle.get(q, 0.0) + scale * n for q, n in zip(MOTIONS, numbers, strict=True)})
    ends = [(quantity, getattr(SUB_GOALS[name].region, quantity) or ()) for quantity in MOTIONS]
    assume(not any(getattr(motion, quantity) in pair for quantity, pair in ends))  # where only the predicate knows
    reached, shown = reached_and_shown(name, motion)
    assert reached == shown


@pytest.mark.parametrize("name", NAMES)
def test_region_and_predicate_agree_at_every_border(name):
    region = SUB_GOALS[name].region
    middle = {"y": 0.8} if region.y else {}
    ranges = [(quantity, getattr(region, quantity)) for quantity in MOTIONS if getattr(region, quantity)]
    assert ranges
    for quantity, (low, high) in ranges:
        for value, expected in ((low - 1e-6, 0), (low + 1e-6, 1), (high - 1e-6, 1), (high + 1e-6, 0)):
            if math.isfinite(value):
                motion = BodyState(**{"y": 0.0, **middle, quantity: value})
                assert reached_and_shown(name, motion) == (bool(expected), bool(expected)), (quantity, value)


# The overlay


@pytest.mark.parametrize("name", NAMES)
def test_the_motion_drawn_is_the_one_observed(name):
    env = make(name, render_mode="rgb_array", level=0.5)
    observation, _ = env.reset(seed=1)
    for action in (0, 1, 2, 3, 2):
        motion = body.motion(env._lander)
        np.testing.assert_allclose([getattr(motion, q) for q in MOTIONS], observation[:6], atol=1e-6)
        observation, *_ = env.step(action)


@pytest.mark.parametrize(("x", "y"), [(-0.6, 1.2), (0.0, 0.7), (0.5, 0.9)])
def test_pixels_lie_where_lunar_lander_draws_its_hull(x, y):
    env = started("go-to-x", x=x, y=y)
    column, row = (round(number) for number in body.pixel(x, y))
    assert colours(env._lander.render(), (column, row), (column - 13, row), (column + 13, row - 5)) == [HULL] * 3
    assert colours(env.render(), (column, row)) == [overlay.WHITE]


@pytest.mark.parametrize(
    ("name", "inside", "outside", "border", "clear"),
    [
        ("hover", {"y": 0.7}, {"y": 1.2}, [(210, 120), (389, 120), (300, 82), (300, 181)], (150, 120)),
        ("go-to-altitude", {"y": 0.8}, {"y": 0.5}, [(100, 102), (500, 141)], (100, 200)),
        ("go-to-x", {"y": 1.0}, {"x": 0.5}, [(255, 50), (344, 50)], (200, 150)),
        ("brake-fall", {"y": 0.5}, None, [(100, 271), (500, 271)], (100, 200)),
        ("land", {"y": 0.5}, {"x": 0.5}, [(240, 303), (359, 306)], (200, 150)),
    ],
)
def test_the_region_is_drawn_in_its_place_and_tells_whether_the_lander_is_in_it(
    name, inside, outside, border, clear
):
    for state, colour in ((inside, overlay.REACHED), (outside, overlay.WANTED)):
        if state is not None:
            picture = started(name, **state).render()
            assert colours(picture, *border) == [colour] * len(border)
            assert colours(picture, clear) == [(0, 0, 0)]


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("upright", {"angle": 0.1}, {"angle": 0.5}),
        ("hover", {"angle": -0.3}, {"angle": -0.5}),
        ("land", {"angle": 0.2}, {"angle": 0.3}),
    ],
)
def test_the_dial_shows_the_band_of_the_angle(name, inside, outside):
    x, y = overlay.DIAL_PX
    for state, colour in ((inside, overlay.REACHED), (outside, overlay.WANTED)):
        assert colour in colours(started(name, **state).render(), (x - 1, y - 18), (x + 1, y - 18))
    assert colours(started("kill-spin").render(), (x + 8, y - 12)) == [overlay.DARK]  # no angle is wanted there


def test_gauges_point_where_the_lander_goes():
    """Left for a spin to the left, up for climbing."""
    x, y = overlay.DIAL_PX
    row, column = y + overlay.BELOW_DIAL_PX, x - overlay.BESIDE_DIAL_PX

    def white(name, pixels, **state):
        return overlay.WHITE in colours(started(name, **state).render(), *pixels)

    left, right = [(c, row) for c in range(x - 34, x - 10)], [(c, row) for c in range(x + 10, x + 34)]
    assert white("kill-spin", left, spin=0.3) and not white("kill-spin", right, spin=0.3)
    assert white("kill-spin", right, spin=-0.3) and not white("kill-spin", left, spin=-0.3)
    assert white("go-to-x", right, vx=0.3) and not white("go-to-x", left, vx=0.3)
    up, down = [(column, r) for r in range(y - 34, y - 10)], [(column, r) for r in range(y + 10, y + 34)]
    assert white("brake-fall", up, vy=0.3) and not white("brake-fall", down, vy=0.3)


def filled_px(picture, top, colour):
    row = picture[top + 4, overlay.MARGIN_PX + 1 : overlay.MARGIN_PX + overlay.BAR_PX[0] - 1]
    return int((row == colour).all(axis=1).sum())


def test_the_hold_fills_its_bar():
    env = started("hover", y=0.75)
    filled = []
    for _ in range(10):
        env.step(2)
        filled.append(filled_px(env.render(), overlay.HOLD_TOP_PX, overlay.REACHED))
    wanted = [max(0, round(overlay.BAR_PX[0] * hold / 75) - 1) for hold in range(1, 11)]
    assert filled == wanted


def test_success_fills_the_bar_though_the_lander_only_rested():
    goal, motion = SUB_GOALS["land"], BodyState(y=0.0)
    sky = np.zeros((400, 600, 3), dtype=np.uint8)
    picture = overlay.draw(sky, overlay.Scene(goal, 1.0, hold=4, is_success=True, fuel=None, motion=motion))
    assert filled_px(picture, overlay.HOLD_TOP_PX, overlay.REACHED) == overlay.BAR_PX[0] - 2
    assert not sky.any()  # the frame that was given stays as it is


def test_the_fuel_bar_empties_and_is_only_where_there_is_a_tank():
    env = started("land-fuel")
    full = filled_px(env.render(), overlay.FUEL_TOP_PX, overlay.FUEL)
    for _ in range(50):
        env.step(2)
    assert full == overlay.BAR_PX[0] - 2
    assert filled_px(env.render(), overlay.FUEL_TOP_PX, overlay.FUEL) == pytest.approx(0.5 * full, abs=1)
    assert filled_px(started("land").render(), overlay.FUEL_TOP_PX, overlay.FUEL) == 0


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_the_level_is_written(level):
    pictures = []
    for shown in (level, 1.0):
        env = make("land", render_mode="rgb_array", level=shown)  # the same start at every level
        env.reset(seed=0)
        pictures.append(env.render())
    rows, columns, _ = np.nonzero(pictures[0] != pictures[1])
    assert len(rows) and rows.max() < 30 and columns.max() < 150


@pytest.mark.parametrize("name", NAMES)
def test_the_overlay_keeps_to_its_corners_and_its_region(name):
    """The lander's own picture stays as it is, but for borders, dot and pad."""
    env = started(name, x=0.0, y=0.8)
    stock, picture = env._lander.render(), env.render()
    changed = (stock != picture).any(axis=2)
    if SUB_GOALS[name].region.x is None and SUB_GOALS[name].region.y is None:
        changed[:100, :180] = changed[:100, 450:] = False
        assert not changed.any()
    hull = (stock == HULL).all(axis=2)
    assert changed[hull].mean() < 0.15


# The modes


@pytest.mark.parametrize("name", NAMES)
def test_rendering_every_frame_changes_nothing(name):
    policy = scripted(name)
    actions = np.random.default_rng(0).integers(4, size=60).tolist()
    plain, pictured = make(name, reward="native"), make(name, reward="native", render_mode="rgb_array")
    for _ in range(2):
        observations = [env.reset(seed=4)[0] for env in (plain, pictured)]
        for tick in range(400):
            assert observations[0].tobytes() == observations[1].tobytes()
            pictured.render()
            action = actions[tick] if tick < len(actions) else policy(observations[0])
            steps = [env.step(action) for env in (plain, pictured)]
            assert steps[0][1:] == steps[1][1:]
            observations = [step[0] for step in steps]
            if steps[0][2] or steps[0][3]:
                break


@pytest.mark.parametrize("display", ["headless", "screen"])
@pytest.mark.parametrize("name", ["kill-spin", "hover", "land-fuel"])
def test_checkers_pass_without_a_warning_with_and_without_a_display(name, display, request):
    request.getfixturevalue(display)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make(name, render_mode="rgb_array")
        check_gymnasium(env)
        check_stable_baselines(env, warn=True, skip_render_check=False)
        env.close()


def test_rgb_array_gives_pictures_of_their_own():
    env = started("hover")
    first = env.render()
    assert (first.shape, first.dtype, first.flags.c_contiguous) == ((400, 600, 3), np.uint8, True)
    kept = first.copy()
    env.step(2)
    assert (env.render() != first).any()
    assert (first == kept).all()


def test_a_picture_before_the_first_reset_is_refused():
    with pytest.raises(ResetNeeded, match="call reset"):
        LanderSubTask("hover", render_mode="rgb_array").render()


def test_human_shows_the_picture_by_itself_at_the_pace_of_the_simulation(screen):
    import pygame

    human, array = make("hover", render_mode="human"), make("hover", render_mode="rgb_array")

    def on_screen():
        return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)

    observations = [env.reset(seed=0)[0] for env in (human, array)]
    assert (on_screen() == array.render()).all()
    assert human.render() is None
    begin_s = time.monotonic()
    for action in (2, 2, 1, 3, 0) * 4:
        observations = [env.step(action)[0] for env in (human, array)]
        assert observations[0].tobytes() == observations[1].tobytes()
        assert (on_screen() == array.render()).all()
    assert time.monotonic() - begin_s > 19 * 0.019
    human.close()
    human.close()
    assert not pygame.display.get_init()


def test_a_window_survives_what_other_environments_do(screen):
    import pygame

    first, second = (started("hover", render_mode="human") for _ in range(2))
    second.close()
    first.step(0)
    pygame.quit()  # as LunarLander's own close does
    first.step(0)
    assert pygame.display.get_surface().get_size() == (600, 400)
    first.close()


def test_without_a_display_human_is_refused_in_one_sentence(headless):
    with pytest.raises(Error, match="needs a display.*render_mode='rgb_array'"):
        gymnasium.make("PathNet/LanderHover-v0", render_mode="human")
    env = make("hover", render_mode="rgb_array")
    assert env.metadata["render_modes"] == ["rgb_array"]
    assert LanderSubTask.metadata["render_modes"] == ["human", "rgb_array"]


def test_a_display_that_does_not_open_is_refused_too(headless, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "no_such_driver")
    env = make("hover", render_mode="human")
    with pytest.raises(Error, match=r"none could be opened \(.*render_mode='rgb_array'"):
        env.reset(seed=0)
    env.close()


def test_what_draws_is_loaded_only_for_pictures():
    code = (
        "import sys, gymnasium, pathnet_envs\n"
        "def loaded(): return [name for name in ('overlay', 'window') if f'pathnet_envs.{name}' in sys.modules]\n"
        "env = gymnasium.make('PathNet/LanderHover-v0', render_mode='rgb_array')\n"
        "env.reset(seed=0), env.step(2)\n"
        "print(loaded())\n"
        "env.render()\n"
        "print('overlay' in loaded())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["[]", "True"]


# The video


@pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning"
)  # imageio-ffmpeg leaves its pipes to the collector
def test_record_video_writes_every_frame_of_an_episode(tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    policy = scripted("kill-spin")
    env = gymnasium.wrappers.RecordVideo(
        gymnasium.make("PathNet/LanderKillSpin-v0", render_mode="rgb_array"),
        str(tmp_path / "video"),
        episode_trigger=lambda episode: True,
    )
    observation, _ = env.reset(seed=3)
    pictures = [env.unwrapped.render()]
    over = False
    while not over:
        observation, _, terminated, truncated, _ = env.step(policy(observation))
        pictures.append(env.unwrapped.render())
        over = terminated or truncated
    env.close()
    assert os.listdir(tmp_path / "video") == ["rl-video-episode-0.mp4"]
    frames = imageio_ffmpeg.read_frames(str(tmp_path / "video" / "rl-video-episode-0.mp4"))
    about = next(frames)
    assert (about["size"], about["fps"]) == ((600, 400), 50.0)
    shown = [np.frombuffer(frame, dtype=np.uint8).reshape(400, 600, 3) for frame in frames]
    assert len(shown) == len(pictures)
    for frame, picture in zip(shown, pictures, strict=True):
        assert np.abs(frame.astype(int) - picture).mean() < 5.0  # the codec loses some
