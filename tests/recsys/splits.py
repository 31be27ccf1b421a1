"""A user's trajectory does not depend on the batch that the user is in."""

import numpy as np

SIZES = [(37, 63), (1, 99), (20, 20, 60)]


def assert_splits_change_nothing(make, actions, sizes):
    """Plays 100 users in one batch and in batches of ``sizes``; ``actions`` has a row for each user and step."""

    def trajectories(start, size):
        envs = make(size)
        shown, paid = [envs.reset(seed=5 + start)[0]], []
        for t in range(actions.shape[1]):
            observation, reward, *_ = envs.step(actions[start : start + size, t])
            shown.append(observation)
            paid.append(reward)
        return np.stack(shown, 1), np.stack(paid, 1)

    whole = trajectories(0, len(actions))
    starts = np.cumsum([0, *sizes[:-1]])
    parts = [trajectories(start, size) for start, size in zip(starts, sizes, strict=True)]
    for one, split in zip(whole, zip(*parts, strict=True), strict=True):
        assert np.array_equal(one, np.concatenate(split))
