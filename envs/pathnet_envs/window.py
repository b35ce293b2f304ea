"""Window: shows frames on the screen, at the pace of the simulation."""

import numpy as np
import pygame
from gymnasium.error import Error
from numpy.typing import NDArray

from pathnet_envs.display import has_display

Frame = NDArray[np.uint8]
"""A picture, (height, width, 3), red, green and blue."""
REMEDY = "run it where there is one, or choose render_mode='rgb_array'"


class Window:
    """A window that opens with its first frame; pygame has one a process, so a second one shows in the same.

    Args:
        title: Shown in its bar.
        frames_per_s: Pace at which :meth:`show` returns.

    Raises:
        Error: If there is no display.
    """

    def __init__(self, title: str, frames_per_s: int) -> None:
        if not has_display():
            raise Error(
                f"render_mode: 'human' needs a display, and neither DISPLAY nor WAYLAND_DISPLAY names one; {REMEDY}"
            )
        self.title, self.frames_per_s = title, frames_per_s
        self._clock: pygame.time.Clock | None = None

    def show(self, frame: Frame) -> None:
        """Show a frame, and wait until the next one is due."""
        screen = pygame.display.get_surface() if pygame.display.get_init() else None
        if screen is None or self._clock is None:  # not opened yet, or closed by another environment
            screen, self._clock = self._open((frame.shape[1], frame.shape[0])), pygame.time.Clock()
        pygame.surfarray.blit_array(screen, frame.swapaxes(0, 1))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self.frames_per_s)

    def close(self) -> None:
        """Close it; the next frame would open it again."""
        if self._clock is not None:
            pygame.display.quit()  # the window alone: other environments may still draw
            self._clock = None

    def _open(self, size: tuple[int, int]) -> pygame.Surface:
        try:
            pygame.display.init()
            screen = pygame.display.set_mode(size)
        except pygame.error as error:
            raise Error(
                f"render_mode: 'human' needs a display, and none could be opened ({error}); {REMEDY}"
            ) from error
        pygame.display.set_caption(self.title)
        return screen
