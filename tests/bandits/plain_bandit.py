"""The rules of restless arms once more, in plain Python integers and loops, for comparison."""

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(value):
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def uniform(seed, episode, step, purpose, index):
    key = mix(mix((seed + GOLDEN) & MASK) ^ ((episode * 0x94D049BB133111EB + GOLDEN) & MASK))
    key = mix((key + step * GOLDEN) & MASK)
    counter = (purpose << 40) | index
    return (mix((key + (counter + 1) * GOLDEN) & MASK) >> 11) * 2.0**-53


def pick(probabilities, u):
    """The state that ``u`` falls on."""
    total = 0.0
    for state, probability in enumerate(probabilities[:-1]):
        total += probability
        if u < total:
            return state
    return len(probabilities) - 1


class PlainBandit:
    """One restless bandit, paid for the next states, or, without ``next_rewards``, for state and level.

    ``neighbours`` are lists of arms; ``groups`` are lists of arms that earn at most ``cap`` together.
    """

    def __init__(self, arms, start, horizon, next_rewards=None, contagion=0.0, neighbours=None, groups=(), cap=None):
        self.transitions, self.rewards = arms.transitions.tolist(), arms.rewards.tolist()
        self.start, self.horizon, self.next_rewards = start.tolist(), horizon, next_rewards
        self.contagion, self.neighbours, self.groups, self.cap = contagion, neighbours, groups, cap
        self.episode = -1

    def reset(self, seed=None):
        if seed is not None:
            self.seed, self.episode = seed, -1
        self.episode += 1
        self.time = 0
        self.states = [pick(row, uniform(self.seed, self.episode, 0, 0, j)) for j, row in enumerate(self.start)]
        return self.states

    def step(self, levels):
        self.time += 1
        gains = []
        states = []
        for j, (state, level) in enumerate(zip(self.states, levels, strict=True)):
            after = pick(self.transitions[j][level][state], self.draw(1, j))
            joined = self.neighbours[j] if self.neighbours else ()
            if joined and self.draw(2, j) < self.contagion:
                leader = self.states[joined[int(self.draw(3, j) * len(joined))]]
                after += (leader > after) - (leader < after)
            states.append(after)
            gains.append(self.rewards[j][level][state] if self.next_rewards is None else self.next_rewards[j][after])
        self.states = states
        reward = sum(min(self.cap, sum(gains[j] for j in group)) for group in self.groups) if self.cap else sum(gains)
        return states, reward, self.time >= self.horizon

    def draw(self, purpose, arm):
        return uniform(self.seed, self.episode, self.time, purpose, arm)
