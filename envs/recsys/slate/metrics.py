"""What a recommender does to the catalogue: coverage and inequality of exposure, counted as slates go by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CatalogueMetrics"]


class CatalogueMetrics:
    """Counts how often items are shown; coverage and Gini coefficient of the whole stream of slates.

    A batch of slates costs its own size in time and memory; besides, one number an item is kept. Slates that were not
    shown (with next-step autoreset, the actions of the step that begins an episode) are to be left out.

    Args:
        num_items: Items of the catalogue.
        place_weights: What a showing at each place of a slate counts, float64 ``(slate_size,)``, such as
            ``env.unwrapped.examination``; None counts 1 everywhere.

    Raises:
        ValueError: If ``num_items`` is below 1, or a weight is negative.
    """

    def __init__(self, num_items: int, place_weights: NDArray[np.float64] | None = None) -> None:
        if num_items < 1:
            raise ValueError(f"num_items must be at least 1, got {num_items}")
        self._weights = None if place_weights is None else np.asarray(place_weights, np.float64)
        if self._weights is not None and (self._weights.ndim != 1 or not (self._weights >= 0.0).all()):
            raise ValueError(f"place_weights must be one number for each place, none negative; got {place_weights}")
        self._exposure = np.zeros(num_items)

    @property
    def exposure(self) -> NDArray[np.float64]:
        """What each item got so far, float64 ``(num_items,)``. A copy."""
        return self._exposure.copy()

    @property
    def coverage(self) -> float:
        """Share of the items that were shown at all (with a weight above 0)."""
        return float((self._exposure > 0.0).mean())

    @property
    def gini(self) -> float:
        """Gini coefficient of the exposure: 0 if all items got the same or nothing was shown, near 1 if one got all."""
        total, count = self._exposure.sum(), len(self._exposure)
        if total == 0.0:
            return 0.0
        ranks = np.arange(1, count + 1)
        return float((2.0 * ranks - count - 1.0) @ np.sort(self._exposure) / (count * total))

    def update(self, slates: Any) -> None:
        """Counts slates.

        Args:
            slates: Integers ``(..., slate_size)``: one slate, or a batch as a vector environment takes it; NumPy's
                array or a PyTorch tensor, which is counted where it is.

        Raises:
            ValueError: If the slates have another size than the weights, or an item is not in the catalogue.
        """
        if isinstance(slates, (list, tuple)):
            slates = np.asarray(slates)
        count = len(self._exposure)
        if self._weights is not None and tuple(slates.shape[-1:]) != self._weights.shape:
            raise ValueError(f"slates must have shape (..., {len(self._weights)}), got {tuple(slates.shape)}")
        if 0 in slates.shape:
            return
        if slates.min() < 0 or slates.max() >= count:
            raise ValueError(
                f"items must be at least 0 and below num_items={count}, got {slates.min()} to {slates.max()}"
            )
        weights: Any = self._weights
        if isinstance(slates, np.ndarray):
            weights = None if weights is None else np.broadcast_to(weights, slates.shape).ravel()
            self._exposure += np.bincount(slates.ravel(), weights, count)
            return
        import torch

        if weights is not None:
            weights = torch.as_tensor(weights, device=slates.device).expand(slates.shape).reshape(-1)
        self._exposure += torch.bincount(slates.reshape(-1), weights, count).cpu().numpy()
