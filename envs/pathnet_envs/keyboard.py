"""Keyboard: what the person at the window wants."""

from dataclasses import dataclass
from enum import IntEnum

import pygame

from pathnet_envs.actions import MAIN_ENGINE, TURN_LEFT, TURN_RIGHT


class Engine(IntEnum):
    """An engine, by the action that fires it; a side engine is named after the way it turns the lander."""

    LEFT = TURN_LEFT
    MAIN = MAIN_ENGINE
    RIGHT = TURN_RIGHT


ENGINES = {pygame.K_LEFT: Engine.LEFT, pygame.K_UP: Engine.MAIN, pygame.K_RIGHT: Engine.RIGHT}


@dataclass(frozen=True)
class Wish:
    """What the keys say at one tick.

    Attributes:
        engines: Those whose keys are down, in the order in which they were pressed.
        restart: Whether a new episode is asked for.
        leave: Whether it is enough.
    """

    engines: tuple[Engine, ...] = ()
    restart: bool = False
    leave: bool = False


class Keyboard:
    """Arrow keys fire the engines, R restarts, Escape or closing the window leaves; it needs an open window."""

    def __init__(self) -> None:
        self._down: list[Engine] = []

    def __call__(self) -> Wish:
        """Read what has happened since the last call."""
        restart = leave = False
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                leave = True
            elif event.type in {pygame.KEYDOWN, pygame.KEYUP} and event.key in ENGINES:
                self._press(ENGINES[event.key], event.type == pygame.KEYDOWN)
            elif event.type == pygame.KEYDOWN:
                restart = restart or event.key == pygame.K_r
                leave = leave or event.key == pygame.K_ESCAPE
        return Wish(tuple(self._down), restart, leave)

    def _press(self, engine: Engine, down: bool) -> None:
        if engine in self._down:
            self._down.remove(engine)
        if down:
            self._down.append(engine)
