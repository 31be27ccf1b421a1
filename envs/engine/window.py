"""A window for ``render_mode="human"``."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

__all__ = ["Window", "open_display"]


def open_display() -> None:
    """Starts pygame's display in a way that leaves signals alone.

    Raises:
        pygame.error: If there is none.
    """
    import pygame

    # SDL would turn SIGTERM into an event that nobody reads, in this process and in those that are forked from it.
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
    pygame.display.init()


class Window:
    """One window on the screen, which opens with its first image. pygame is imported then.

    Args:
        title: What stands above it.
        frames_per_second: Images a second at most: showing one waits until it is time.
    """

    def __init__(self, title: str, frames_per_second: float) -> None:
        self._title, self._frames_per_second = title, frames_per_second
        self._window: Any = None
        self._clock: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy opens a window of its own."""
        return vars(self) | {"_window": None, "_clock": None}

    def show(self, image: NDArray[np.uint8]) -> None:
        """Shows an image, uint8 ``(height, width, 3)``.

        Raises:
            DependencyNotInstalled: Without pygame-ce.
        """
        try:
            import pygame
            from pygame import Window as PygameWindow
        except ImportError as error:
            raise DependencyNotInstalled(
                "render_mode='human' needs pygame-ce (pygame itself has no windows of one's own): "
                "pip install 'telos-gym[play]'"
            ) from error
        size = image.shape[1], image.shape[0]
        if self._window is None:
            open_display()
            self._window, self._clock = PygameWindow(self._title, size), pygame.time.Clock()
        elif self._window.size != size:
            self._window.size = size
        pygame.event.pump()
        pygame.surfarray.blit_array(self._window.get_surface(), image.swapaxes(0, 1))
        self._window.flip()
        self._clock.tick(self._frames_per_second)

    def __enter__(self) -> Self:
        """Returns the window."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Closes the window, if it is open."""
        if self._window is not None:
            self._window.destroy()
            self._window = None
