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
    """One restless bandit; ``paid`` is ``"now"`` (expected reward of state and level) or rewards of next states."""

    def __init__(self, arms, start, horizon, next_rewards=None):
        self.transitions, self.rewards = arms.transitions.tolist(), arms.rewards.tolist()
        self.start, self.horizon, self.next_rewards = start.tolist(), horizon, next_rewards
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
        reward = 0.0
        states = []
        for j, (state, level) in enumerate(zip(self.states, levels, strict=True)):
            u = uniform(self.seed, self.episode, self.time, 1, j)
            states.append(pick(self.transitions[j][level][state], u))
            reward += self.rewards[j][level][state] if self.next_rewards is None else self.next_rewards[j][states[-1]]
        self.states = states
        return states, reward, self.time >= self.horizon
