"""The catalogue: items with topics, and topics that differ in how many users like them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ITEM_TOPICS", "Catalogue", "make_catalogue"]

#: Topics that an item has at most (SARDINE: two or three).
ITEM_TOPICS = 3


class Catalogue(NamedTuple):
    """N items and T topics.

    Attributes:
        topics: Int16 ``(N, 3)``, the topics of an item by falling weight: the first is its main topic.
        weights: Float32 ``(N, 3)``, unit vectors; 0 where an item has fewer than three topics.
        quality: Float32 ``(N,)``, normal.
        new: Bool ``(N,)``, items of which the quality is not known.
        popularity: Float64 ``(T,)``, weights that sum to 1; the first topic is the most popular.
    """

    topics: NDArray[np.int16]
    weights: NDArray[np.float32]
    quality: NDArray[np.float32]
    new: NDArray[np.bool_]
    popularity: NDArray[np.float64]

    @property
    def matrix(self) -> NDArray[np.float32]:
        """How much each item is about each topic, ``(N, T)``."""
        matrix = np.zeros((len(self.topics), len(self.popularity)), np.float32)
        rows = np.arange(len(self.topics))[:, None]
        np.add.at(matrix, (rows, self.topics), self.weights)
        return matrix


def make_catalogue(
    seed: int, num_items: int, num_topics: int, quality_std: float, new_items: float, popularity_exponent: float
) -> Catalogue:
    """Draws items as SARDINE does: two or three topics, uniform weights, scaled to length 1.

    Args:
        seed: Of the draw; equal arguments make equal catalogues.
        num_items: At least 1.
        num_topics: At least 2.
        quality_std: Standard deviation of the quality (ours; SARDINE's items have none).
        new_items: Share of the items that are new, rounded to items.
        popularity_exponent: A topic of rank r has popularity ``r ** -popularity_exponent`` (ours; 0 is SARDINE's).
    """
    rng = np.random.default_rng(seed)
    most = min(ITEM_TOPICS, num_topics)
    topics = rng.random((num_items, num_topics)).argsort(axis=1)[:, :most]
    weights = 1.0 - rng.random((num_items, most))  # in (0, 1]
    weights[np.arange(most) >= rng.integers(2, most + 1, size=(num_items, 1))] = 0.0
    order = (-weights).argsort(axis=1)
    topics, weights = np.take_along_axis(topics, order, axis=1), np.take_along_axis(weights, order, axis=1)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    popularity = np.arange(1, num_topics + 1) ** -float(popularity_exponent)
    new = np.zeros(num_items, np.bool_)
    new[rng.permutation(num_items)[: round(new_items * num_items)]] = True
    return Catalogue(
        topics=np.pad(topics, ((0, 0), (0, ITEM_TOPICS - most))).astype(np.int16),
        weights=np.pad(weights, ((0, 0), (0, ITEM_TOPICS - most))).astype(np.float32),
        quality=(quality_std * rng.standard_normal(num_items)).astype(np.float32),
        new=new,
        popularity=popularity / popularity.sum(),
    )
