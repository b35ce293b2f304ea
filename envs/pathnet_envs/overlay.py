"""The overlay on LunarLander's picture: where the sub-goal wants the lander, and how far the episode has come.

Left: the sub-goal's name, the level, the hold and the fuel. Right: an attitude dial and a gauge for each speed
that the sub-goal limits. In the scene: the wanted region, for the hull's centre, which is marked by a dot. What
is blue is not as wanted, what is green is.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pygame
from pygame import Rect, Surface

from pathnet_envs import body
from pathnet_envs.body_state import BodyState
from pathnet_envs.region import Region
from pathnet_envs.sub_goal import SubGoal
from pathnet_envs.window import Frame

Colour = tuple[int, int, int]
WHITE, GREY, DARK = (255, 255, 255), (150, 150, 150), (40, 40, 40)
WANTED, REACHED, FUEL = (86, 180, 233), (110, 225, 110), (230, 159, 0)
TINT = 0.25
"""Brightness of a region's inside; the lighter of it and the picture shows, so that it lies behind the lander."""

MARGIN_PX = 10
BAR_PX, HOLD_TOP_PX, FUEL_TOP_PX = (110, 8), 32, 47
PAD_DEPTH_PX = 8
DIAL_PX, DIAL_RADIUS_PX = (554, 40), 26
GAUGE_PX = (72, 8)
LEVEL_GAUGES = (("spin", 180), ("vx", 0))
"""Quantity and degrees by which its gauge is turned; a spin to the left is positive."""
BELOW_DIAL_PX, ROW_PX, BESIDE_DIAL_PX = 43, 14, 42
FULL_SCALE = 0.5
"""Speed in observation units at the end of a gauge, where a faster one stays."""


@dataclass(frozen=True)
class Scene:
    """What the overlay shows.

    Attributes:
        goal: The sub-goal.
        level: Difficulty of the start in [0, 1].
        hold: Consecutive steps with the goal reached.
        is_success: Whether the hold is full, or what counts as that.
        fuel: Share of the tank that is left; None where there is no tank.
        motion: The lander's, in observation units.
    """

    goal: SubGoal
    level: float
    hold: int
    is_success: bool
    fuel: float | None
    motion: BodyState


def draw(frame: Frame, scene: Scene) -> Frame:
    """Return LunarLander's picture, (400, 600, 3), with the overlay."""
    picture = np.array(frame, order="C")
    height, width, _ = picture.shape
    surface = pygame.image.frombuffer(picture.data, (width, height), "RGB")  # draws into the array
    region = scene.goal.region
    if region is not None:
        _draw_place(surface, region, scene)
        _draw_motion(surface, region, scene.motion)
    _draw_progress(surface, scene)
    return picture


def _draw_place(surface: Surface, region: Region, scene: Scene) -> None:
    """Tint where the lander shall be, and draw the borders of it that are in the picture."""
    if region.x is None and region.y is None:
        return
    colour = _colour(region.allows("x", scene.motion) and region.allows("y", scene.motion))
    place = _place(region, surface.get_rect())
    if scene.goal.landing:
        ground = round(body.pixel(0.0, 0.0)[1] + body.LEG_DOWN)
        pygame.draw.rect(surface, colour, (place.left, ground, place.width, PAD_DEPTH_PX))
    else:
        if region.x is not None or place.top >= 0:  # else it would be the whole sky
            surface.fill([round(TINT * part) for part in colour], place, pygame.BLEND_MAX)
        pygame.draw.rect(surface, colour, place, width=1)
    pygame.draw.circle(surface, WHITE, body.pixel(scene.motion.x, scene.motion.y), 2)


def _place(region: Region, picture: Rect) -> Rect:
    """Return the region in pixels; where it has no end it ends just outside the picture."""
    left, right, bottom, top = -1, picture.width + 1, picture.height + 1, -1
    if region.x is not None:
        left, right = (round(body.pixel(x, 0.0)[0]) for x in region.x)
    if region.y is not None:
        bottom, top = (round(min(max(body.pixel(0.0, y)[1], top), bottom)) for y in region.y)
    return Rect(left, top, right - left, bottom - top)


def _draw_motion(surface: Surface, region: Region, motion: BodyState) -> None:
    """Draw the instruments that the sub-goal is flown by."""
    if region.angle is not None or region.spin is not None:
        _draw_dial(surface, region, motion)
    x, y = DIAL_PX
    row_y = y + BELOW_DIAL_PX
    for quantity, degrees in LEVEL_GAUGES:
        if getattr(region, quantity) is not None:
            _draw_gauge(surface, region, motion, quantity, degrees, (x, row_y))
            row_y += ROW_PX
    if region.vy is not None:
        _draw_gauge(surface, region, motion, "vy", 90, (x - BESIDE_DIAL_PX, y))


def _draw_dial(surface: Surface, region: Region, motion: BodyState) -> None:
    """Draw where the lander's top points to, and between which angles it shall."""
    pygame.draw.circle(surface, DARK, DIAL_PX, DIAL_RADIUS_PX)
    if region.angle is not None:
        low, high = region.angle
        rim = [_on_dial(low + (high - low) * step / 8, DIAL_RADIUS_PX) for step in range(9)]
        pygame.draw.polygon(surface, _colour(region.allows("angle", motion)), [DIAL_PX, *rim])
    pygame.draw.circle(surface, GREY, DIAL_PX, DIAL_RADIUS_PX, width=1)
    pygame.draw.line(surface, WHITE, DIAL_PX, _on_dial(motion.angle, DIAL_RADIUS_PX - 2), width=2)


def _on_dial(angle: float, radius: float) -> tuple[float, float]:
    return DIAL_PX[0] - radius * math.sin(angle), DIAL_PX[1] - radius * math.cos(angle)


def _draw_gauge(  # noqa: PLR0913, PLR0917
    surface: Surface, region: Region, motion: BodyState, quantity: str, degrees: int, place: tuple[int, int]
) -> None:
    """Draw a scale with zero in its middle, the wanted range on it, and the value as a marker."""
    width, height = GAUGE_PX
    gauge = Surface((width, height + 4), pygame.SRCALPHA)
    scale = Rect(0, 2, width, height)
    pygame.draw.rect(gauge, DARK, scale)
    low, high, marker = (_along(scale, value) for value in (*getattr(region, quantity), getattr(motion, quantity)))
    pygame.draw.rect(gauge, _colour(region.allows(quantity, motion)), (low, 2, high - low, height))
    pygame.draw.rect(gauge, GREY, scale, width=1)
    pygame.draw.rect(gauge, WHITE, (marker - 1, 0, 2, height + 4))
    gauge = pygame.transform.rotate(gauge, degrees)
    box = gauge.get_rect(center=place)
    surface.blit(gauge, box)
    _write(surface, quantity, (box.left - 5, box.centery), right=True)


def _along(scale: Rect, value: float) -> int:
    share = min(max(value / FULL_SCALE, -1.0), 1.0)
    return scale.centerx + round(share * (scale.width / 2 - 1))


def _draw_progress(surface: Surface, scene: Scene) -> None:
    """Write name and level, and draw the bars of hold and fuel."""
    right = _write(surface, scene.goal.name, (MARGIN_PX, 16), height_px=24)
    _write(surface, f"level {scene.level:.2f}", (right + 8, 17), colour=GREY)
    hold, wanted = min(scene.hold, scene.goal.hold_steps), scene.goal.hold_steps
    share = 1.0 if scene.is_success else hold / wanted
    words = "success" if scene.is_success else f"hold {hold}/{wanted}"
    _draw_bar(surface, HOLD_TOP_PX, share, REACHED, words)
    if scene.fuel is not None:
        _draw_bar(surface, FUEL_TOP_PX, scene.fuel, FUEL, f"fuel {scene.fuel:.0%}")


def _draw_bar(surface: Surface, top_px: int, share: float, colour: Colour, words: str) -> None:
    bar = Rect((MARGIN_PX, top_px), BAR_PX)
    pygame.draw.rect(surface, DARK, bar)
    pygame.draw.rect(surface, colour, (bar.topleft, (round(bar.width * share), bar.height)))
    pygame.draw.rect(surface, GREY, bar, width=1)
    _write(surface, words, (bar.right + 6, bar.centery))


def _write(
    surface: Surface,
    words: str,
    place: tuple[int, int],
    *,
    height_px: int = 17,
    colour: Colour = WHITE,
    right: bool = False,
) -> int:
    """Write beside a place, which is the middle of the text's left end or of its right; return its right end."""
    text = _text(words, height_px, colour)
    box = text.get_rect(midright=place) if right else text.get_rect(midleft=place)
    surface.blit(text, box)
    return box.right


@lru_cache(maxsize=512)
def _text(words: str, height_px: int, colour: Colour) -> Surface:
    """Return written words; they are kept, since a font would not survive another environment's pygame.quit()."""
    pygame.font.init()
    return pygame.font.Font(None, height_px).render(words, True, colour)


def _colour(as_wanted: bool) -> Colour:
    return REACHED if as_wanted else WANTED
