"""Where a data set has support.

* ``KernelSupport`` - a level set of a Gaussian kernel density
"""

from __future__ import annotations

from typing import Any

import numpy as np

from telos.wrappers.terms import Array

__all__ = ["KernelSupport"]

_BLOCK = 1_000_000
"""Distances to hold in memory at a time."""


class KernelSupport:
    """The points at which a Gaussian kernel density is at least a quantile of that at its own data.

    Features are scaled to [-1, 1] by the range of the data; one that never varies is 0 at its value, and far away
    elsewhere.

    Args:
        owner: Who asks, for messages.
        data: Shape ``(N, d)``, N >= 2.
        quantile: Share of the data to leave outside, in [0, 1). Data that are equally dense are all inside.
        bandwidth: Standard deviation of the kernel, after scaling.

    Raises:
        ValueError: If the data are not two or more rows of finite numbers.
    """

    def __init__(self, owner: str, data: Any, quantile: float, bandwidth: float) -> None:
        self._owner = owner
        try:
            rows = np.asarray(data, np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{owner}: data must be rows of numbers: {error}.") from error
        if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
            raise ValueError(f"{owner}: data has shape {rows.shape}; it must be 2 or more rows of finite numbers.")
        low, high = rows.min(axis=0), rows.max(axis=0)
        self._middle = (low + high) / 2
        self._half = np.where(high > low, (high - low) / 2, 1e-6)
        self._bandwidth = bandwidth
        self._points = (rows - self._middle) / self._half
        self.threshold = float(np.quantile(self.log_density(rows), quantile, method="lower"))

    def log_density(self, features: Array) -> Array:
        """Returns the log-density of points up to a constant, shape ``(n,)``.

        Args:
            features: Shape ``(n, d)``, unscaled.

        Raises:
            ValueError: If d is not that of the data.
        """
        width = self._points.shape[1]
        if features.ndim != 2 or features.shape[1] != width:
            raise ValueError(f"{self._owner}: features have shape {features.shape}, but the data have {width} numbers.")
        scaled = (features - self._middle) / self._half
        density: Array = np.empty(len(scaled))
        block = max(1, _BLOCK // (len(self._points) * width))
        for start in range(0, len(scaled), block):
            part = scaled[start : start + block, None] - self._points
            exponent = -0.5 * (part**2).sum(axis=2) / self._bandwidth**2
            peak = exponent.max(axis=1)
            density[start : start + block] = peak + np.log(np.exp(exponent - peak[:, None]).sum(axis=1))
        density -= np.log(len(self._points))
        return density

    def contains(self, features: Array) -> Array:
        """Returns which points are supported, shape ``(n,)``, bool."""
        inside: Array = self.log_density(features) >= self.threshold - 1e-12
        return inside
