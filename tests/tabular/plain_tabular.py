"""The rules of the tabular environments once more, in plain Python and without tables, for comparison."""

import numpy as np
from plain_random import uniform


class Plain:
    """An environment; subclasses give ``begin(u)`` and ``move(action, u) -> terms, over``, and keep ``self.state``."""

    horizon = None

    def reset(self, seed=None):
        if seed is not None:
            self.seed, self.episode = seed, -1
        self.episode += 1
        self.time = 0
        self.begin(uniform(self.seed, self.episode, 0, 0))
        return self.state

    def step(self, action):
        self.time += 1
        terms, over = self.move(action, uniform(self.seed, self.episode, self.time, 1))
        return self.state, terms, over or self.time == self.horizon


class PlainLoiterChain(Plain):
    horizon = 20

    def begin(self, u):
        self.state = 0

    def move(self, action, u):
        self.state += action == 0
        arrived = self.state == 5
        return {"outcome": float(arrived), "process": 0.5 if action else 0.6}, arrived


class PlainStepChain(Plain):
    horizon = 24

    def begin(self, u):
        self.state, self.solved, self.right = 0, 0, True

    def move(self, action, u):
        if action == 2:
            self.state = 9
            score = 0.96 + (0.03 if u >= 0.5 else -0.03)
            return {"outcome": float(self.right and self.solved == 4), "process": score}, True
        if action == 1 or self.solved == 4:
            return {"outcome": 0.0, "process": 0.96 + (0.03 if u >= 0.5 else -0.03)}, False
        correct = u < 0.85
        upper_half = u >= 0.425 if correct else u >= 0.925
        self.solved += 1
        self.right = self.right and correct
        self.state = self.solved if self.right else 4 + self.solved
        return {"outcome": 0.0, "process": (0.8 if correct else 0.3) + (0.03 if upper_half else -0.03)}, False


class PlainDeepSea(Plain):
    def __init__(self, size, stochastic, instance_seed):
        self.size, self.stochastic = size, stochastic
        self.rights = np.random.default_rng(instance_seed).integers(2, size=(size, size)).tolist()

    def begin(self, u):
        self.row = self.column = self.state = 0

    def move(self, action, u):
        right, last = action == self.rights[self.row][self.column], self.size - 1
        terms = {"treasure": float(right and self.column == last), "move": -0.01 / self.size if right else 0.0}
        blown = False
        if self.stochastic:
            moved = (1.0 - 1.0 / self.size) if right else 1.0
            blown = u >= moved
            high = u >= (moved + (1.0 - moved) / 2 if blown else moved / 2)
            corner = self.row == last and self.column in (0, last)
            terms["noise"] = (1.0 if high else -1.0) if corner else 0.0
        if right and not blown:
            self.column = min(self.column + 1, last)
        elif not right:
            self.column = max(self.column - 1, 0)
        self.row += 1
        over = self.row == self.size
        self.state = self.size**2 if over else self.row * self.size + self.column
        return terms, over


class PlainFourRooms(Plain):
    def __init__(self, goal=(7, 9)):
        # Walls around 11 by 11, a wall across each way, and four gaps.
        free = {(r, c) for r in range(1, 12) for c in range(1, 12) if c != 6 and not (r == 6 and c < 6)}
        free -= {(7, c) for c in range(7, 12)}
        self.free = sorted(free | {(3, 6), (10, 6), (6, 2), (7, 9)})
        self.goal = goal
        self.starts = [cell for cell in self.free if cell != goal]

    def begin(self, u):
        self.cell = self.starts[int(u * len(self.starts))]
        self.state = self.free.index(self.cell)

    def move(self, action, u):
        shares = [1 / 9] * 4
        shares[action] = 2 / 3
        direction = next(k for k in range(4) if u < sum(shares[: k + 1]) or k == 3)
        down, right = ((-1, 0), (0, 1), (1, 0), (0, -1))[direction]
        wanted = self.cell[0] + down, self.cell[1] + right
        if wanted in self.free:
            self.cell = wanted
        self.state = self.free.index(self.cell)
        return {"goal": float(self.cell == self.goal)}, self.cell == self.goal
