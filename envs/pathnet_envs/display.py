"""Whether there is a screen; asked without loading pygame."""

import os
import sys


def has_display() -> bool:
    """Whether a window can be shown; a driver that SDL_VIDEODRIVER names counts, ``dummy`` too.

    SDL itself would not say: without a display it draws into memory in silence.
    """
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"))
