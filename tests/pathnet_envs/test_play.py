"""Flying by keyboard: names, keys, episodes, and the whole command with keys that a timer presses."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import gymnasium
import pytest

from pathnet_envs import SUB_GOALS
from pathnet_envs.keyboard import Engine, Keyboard, Wish
from pathnet_envs.play import Flight, find_id, play

SCRIPT = Path(sys.executable).with_name("pathnet-rl")
UNSEEN = {**os.environ, "SDL_VIDEODRIVER": "dummy"}


@pytest.fixture
def pygame(monkeypatch):
    """Pygame with a display that nobody sees, and no events from before."""
    import pygame

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.init()
    pygame.event.clear()
    yield pygame
    pygame.display.quit()


def wishes(*parts):
    """Return a reader of so many wishes each, which leaves when there are no more."""
    rest = [wish for wish, times in parts for _ in range(times)]
    return lambda: rest.pop(0) if rest else Wish(leave=True)


NOTHING, UP, LEFT = Wish(), Wish((Engine.MAIN,)), Wish((Engine.LEFT,))


# Names


def test_every_sub_task_is_found_by_its_name_and_by_its_ids():
    for name, goal in SUB_GOALS.items():
        assert find_id(name) == find_id(goal.env_id) == find_id(f"Lander{goal.title}-v0") == goal.env_id
        assert find_id(goal.continuous_env_id) == goal.continuous_env_id


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("hovr", "'hover'"), ("PathNet/LanderHovr-v0", "'PathNet/LanderHover-v0'"), ("LunarLander-v3", "choose one")],
)
def test_another_name_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"{name!r} is no sub-task.*{nearest}.*kill-spin, "):
        find_id(name)


# Keys


def press(pygame, key, kind="KEYDOWN"):
    pygame.event.post(pygame.event.Event(getattr(pygame, kind), key=key))


def test_arrow_keys_are_engines_for_as_long_as_they_are_down(pygame):
    read = Keyboard()
    assert read() == NOTHING
    press(pygame, pygame.K_UP)
    press(pygame, pygame.K_LEFT)
    assert read() == read() == Wish((Engine.MAIN, Engine.LEFT))
    press(pygame, pygame.K_LEFT, "KEYUP")
    press(pygame, pygame.K_RIGHT)
    assert read() == Wish((Engine.MAIN, Engine.RIGHT))
    press(pygame, pygame.K_UP, "KEYUP")
    press(pygame, pygame.K_UP)
    assert read() == Wish((Engine.RIGHT, Engine.MAIN))  # pressed last, named last


def test_other_keys_act_once(pygame):
    read = Keyboard()
    press(pygame, pygame.K_r)
    assert read() == Wish(restart=True)
    press(pygame, pygame.K_ESCAPE)
    assert read() == Wish(leave=True)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert read() == Wish(leave=True)
    press(pygame, pygame.K_x)
    assert read() == NOTHING


# Episodes


@pytest.fixture
def fast(pygame, monkeypatch):
    """No waiting for the next frame."""
    monkeypatch.setattr("pathnet_envs.window.Window.show", lambda window, frame: None)


def test_flights_are_those_of_the_environment(fast):
    env = gymnasium.make("PathNet/LanderKillSpin-v0", level=0.5, reward="native")
    flights = []
    env.reset(seed=3)
    for _ in range(2):
        steps, episode_return, over = 0, 0.0, False
        while not over:
            _, reward, terminated, truncated, info = env.step(2)
            steps, episode_return, over = steps + 1, episode_return + reward, terminated or truncated
        flights.append(Flight(info["is_success"], steps, episode_return))
        env.reset()
    ticks = sum(flight.steps for flight in flights)
    reader = wishes((UP, ticks))
    assert list(play("kill-spin", level=0.5, reward="native", seed=3, read=reader, pause_s=0.0)) == flights


def test_the_engine_pressed_last_fires(fast):
    both = Wish((Engine.MAIN, Engine.LEFT))
    lefts, boths = (list(play("kill-spin", seed=3, read=wishes((w, 100)), pause_s=0.0)) for w in (LEFT, both))
    assert lefts == boths
    assert lefts != list(play("kill-spin", seed=3, read=wishes((UP, 100)), pause_s=0.0))


def test_continuous_twins_fire_all_engines_that_are_pressed(fast, monkeypatch):
    from pathnet_envs.lander import LanderSubTask

    actions, step = [], LanderSubTask.step
    monkeypatch.setattr(
        LanderSubTask, "step", lambda env, action: (actions.append(action.tolist()), step(env, action))[1]
    )
    parts = [(NOTHING, 1), (UP, 1), (Wish((Engine.MAIN, Engine.LEFT)), 1), (Wish((Engine.RIGHT,)), 1)]
    assert list(play("LanderHoverContinuous-v0", seed=0, read=wishes(*parts))) == []
    assert actions == [[0.0, 0.0], [1.0, 0.0], [1.0, -1.0], [0.0, 1.0]]


@pytest.mark.parametrize("name", ["LanderLand-v0", "LanderLandContinuous-v0"])
def test_the_left_key_turns_left(fast, monkeypatch, name):
    from pathnet_envs.lander import LanderSubTask

    spins, step = [], LanderSubTask.step

    def watched(env, action):
        stepped = step(env, action)
        spins.append(stepped[0][5])
        return stepped

    monkeypatch.setattr(LanderSubTask, "step", watched)
    list(play(name, seed=0, read=wishes((LEFT, 10))))
    assert spins[-1] > spins[0] + 0.1


def test_restarting_and_leaving_finish_no_episode(fast):
    parts = [(UP, 5), (Wish(restart=True), 1), (UP, 5)]
    assert list(play("hover", seed=0, read=wishes(*parts))) == []


def test_the_end_of_an_episode_stays_for_a_moment_which_r_and_escape_cut_short(fast):
    first = next(play("kill-spin", seed=3, read=wishes((LEFT, 100))))

    def lasts_s(wish, times, pause_s):
        begin_s = time.monotonic()
        reader = wishes((LEFT, first.steps), (wish, times))
        assert list(play("kill-spin", seed=3, read=reader, pause_s=pause_s)) == [first]
        return time.monotonic() - begin_s

    assert lasts_s(Wish(restart=True), 1, pause_s=30.0) < 15.0
    assert lasts_s(Wish(leave=True), 1, pause_s=30.0) < 15.0
    assert lasts_s(NOTHING, 20, pause_s=0.2) > 0.2


def test_leaving_closes_the_window(pygame):
    assert list(play("hover", seed=0, read=wishes((UP, 3)))) == []
    assert not pygame.display.get_init()


# The command

PRESSING = """
import sys, threading, pygame
from pathnet_rl.cli import main

def press():
    for line in sys.stdin:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=getattr(pygame, line.strip())))

pygame.display.init()
threading.Thread(target=press, daemon=True).start()
sys.argv = ["pathnet-rl", "play", "kill-spin", "--level", "0.5", "--seed", "3", "--reward", "sparse"]
main()
"""


@contextmanager
def started(*command):
    """Start a command with pipes; it ends with the test."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell lets jobs in the background ignore SIGINT; the command must not inherit that here.
    pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, env=UNSEEN, text=True, bufsize=1, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_command_prints_a_line_a_finished_episode_until_escape():
    """Held to the left, the lander turns until it crashes, or its spin to the right is stopped."""
    with started(sys.executable, "-c", PRESSING) as process:
        process.stdin.write("K_LEFT\n")
        for number in (1, 2):
            line = process.stdout.readline()
            outcome = rf"episode {number}: (no success, \d+ steps, return 0|success, \d+ steps, return 1)\.000\n"
            assert re.fullmatch(outcome, line), line
            process.stdin.write("K_r\n")  # no need to wait for the next one
        rest, errors = process.communicate("K_ESCAPE\n", timeout=60)
        assert (process.returncode, rest) == (0, ""), errors
        assert "Traceback" not in errors


def test_ctrl_c_leaves_the_console_script_without_a_traceback():
    with started(SCRIPT, "play", "kill-spin", "--level", "0") as process:
        assert process.stdout.readline().startswith("episode 1: ")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hovr"], "nearest: 'hover'"),
        (["hover", "--level", "2"], "level: 2.0 is outside [0, 1]"),
        (["hover", "--reward", "dense"], "reward: 'dense' is unknown"),
        (["hover", "--seed", "-1"], "--seed"),
    ],
)
def test_bad_arguments_get_one_message(arguments, message):
    command = [SCRIPT, "play", *arguments]
    done = subprocess.run(command, env=UNSEEN, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
