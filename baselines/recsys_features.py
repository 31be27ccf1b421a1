"""What anyone may know of the items that recommenders choose from, and of the user: nothing hidden.

* ``ItemFeatures`` - features of items, and of observations
* ``item_features`` - those of an environment
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from telos.wrappers.terms import suggestion

__all__ = ["ItemFeatures", "item_features"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """Public features.

    Attributes:
        items: Float64 ``(items, D)``.
        item_names: Of their D columns.
        popularity: How much most users like the item at once, float64 ``(items,)``.
        context: Observations ``(n, ...)`` to what is known of the user, float64 ``(n, U)``; the first column is 1.
        context_names: Of these U columns.
        weights: Of the score ``context @ weights @ item``, float64 ``(U, D)``: a sensible default, ours.
    """

    items: Floats
    item_names: tuple[str, ...]
    popularity: Floats
    context: Callable[[NDArray[Any]], Floats]
    context_names: tuple[str, ...]
    weights: Floats


def item_features(env_id: str, env: gym.Env[Any, Any]) -> ItemFeatures:
    """The public features of an environment's items.

    Raises:
        ValueError: If none are known for it.
    """
    name = env_id.rpartition(":")[2]
    if name not in _MAKERS:
        raise ValueError(
            f"no features of items are known for {env_id}.{suggestion(name, _MAKERS)} {list(_MAKERS)} have"
        )
    return _MAKERS[name](env.unwrapped)


def _of_lts(env: Any) -> ItemFeatures:
    """Clickbait and its square, and the last engagement; the default prefers middling items, whatever is observed."""
    params = env.family.params
    clickbait = np.arange(int(params.num_items)) / int(params.num_items)
    column = int(params.observe_group) + 3 * int(params.observe_user) + 1
    return ItemFeatures(
        items=np.stack([clickbait, clickbait**2], axis=1),
        item_names=("clickbait", "clickbait squared"),
        popularity=clickbait,
        context=lambda seen: np.stack([np.ones(len(seen)), seen[:, column].astype(np.float64) / 10.0], axis=1),
        context_names=("1", "engagement / 10"),
        weights=np.array([[4.0, -5.0], [0.0, 0.0]]),
    )


def _of_slate(env: Any) -> ItemFeatures:
    """Topics and quality; clicks for each look at a topic, and its recent clicks. New items have the mean quality.

    The default prefers popular topics and those that were clicked before, and avoids those that were just clicked.
    """
    topics, quality = env.item_topics.astype(np.float64), env.item_quality.astype(np.float64)
    quality = np.where(np.isnan(quality), 0.0 if np.isnan(quality).all() else np.nanmean(quality), quality)
    number, first = topics.shape[1], len(env.examination)
    liked = np.array(env.family.params.popularity)
    names = [str(topic) for topic in range(number)]
    clicked = np.eye(number, number + 1)
    return ItemFeatures(
        items=np.concatenate([topics, quality[:, None]], axis=1),
        item_names=(*(f"topic {name}" for name in names), "quality"),
        popularity=topics @ liked + quality,
        context=lambda seen: np.concatenate(
            [np.ones((len(seen), 1)), seen[:, first + number : first + 2 * number], seen[:, first : first + number]],
            axis=1,
            dtype=np.float64,
        ),
        context_names=("1", *(f"clicks of topic {name}" for name in names), *(f"recent {name}" for name in names)),
        weights=np.concatenate([[[*(4.0 * liked), 4.0]], 4.0 * clicked, -2.0 * clicked]),
    )


def _of_retention(env: Any) -> ItemFeatures:
    """Topic and clickbait; how much of each topic was shown lately, and clicked on.

    The default prefers topics that were clicked on, less so those that were shown.
    """
    params = env.family.params
    topic, level = np.asarray(params.item_topic), np.asarray(params.item_clickbait)
    number, clickbait = int(topic.max()) + 1, level / max(int(level.max()), 1)
    names = [str(name) for name in range(number)]
    rows = np.eye(number, number + 1)
    return ItemFeatures(
        items=np.concatenate([np.eye(number)[topic], clickbait[:, None]], axis=1),
        item_names=(*(f"topic {name}" for name in names), "clickbait"),
        popularity=clickbait,
        context=lambda seen: np.concatenate(
            [np.ones((len(seen), 1)), seen[:, -2 * number :]], axis=1, dtype=np.float64
        ),
        context_names=("1", *(f"shown of topic {name}" for name in names), *(f"clicked of {name}" for name in names)),
        weights=np.concatenate([np.zeros((1, number + 1)), -0.5 * rows, 4.0 * rows]),
    )


_MAKERS: dict[str, Callable[[Any], ItemFeatures]] = {
    "LTSRec-v0": _of_lts,
    "SlateRec-v0": _of_slate,
    "RetentionRec-v0": _of_retention,
}
