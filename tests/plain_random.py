"""The engine's random numbers once more, in plain Python integers, for comparison."""

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(value):
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def uniform(seed, episode, step, purpose, index=0):
    key = mix(mix((seed + GOLDEN) & MASK) ^ ((episode * 0x94D049BB133111EB + GOLDEN) & MASK))
    key = mix((key + step * GOLDEN) & MASK)
    counter = (purpose << 40) | index
    return (mix((key + (counter + 1) * GOLDEN) & MASK) >> 11) * 2.0**-53
