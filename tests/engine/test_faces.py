"""What every simulated environment of the registry must do, whatever its family."""

import copy
import inspect
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import iterate
from simulated import SIMULATED, VARIANTS, WITHOUT_LUCK, arguments_of

import telos  # noqa: F401 - registers the environments

STEPS = 45


each = pytest.mark.parametrize("env_id", [*SIMULATED, *VARIANTS])
registered = pytest.mark.parametrize("env_id", SIMULATED)


def make(env_id, **kwargs):
    env_id, arguments = arguments_of(env_id)
    return gym.make(env_id, **arguments, **kwargs)


def make_vec(env_id, num_envs, **kwargs):
    env_id, arguments = arguments_of(env_id)
    return gym.make_vec(env_id, num_envs=num_envs, **arguments, **kwargs)


def flat(observation):
    """An observation as one array."""
    return (
        np.concatenate([np.ravel(part) for part in observation.values()])
        if isinstance(observation, dict)
        else observation
    )


def actions_of(env_id, num_envs, steps=STEPS):
    """The same actions for every way to play: ``(steps, num_envs, ...)``."""
    space = make(env_id).action_space
    space.seed(3)
    return [np.stack([space.sample() for _ in range(num_envs)]) for _ in range(steps)]


def step_on(env, action):
    """What a step returns, its terms, and what a single environment shows after a reset if its episode is over."""
    returned = env.step(action)
    over = isinstance(env, gym.Env) and (returned[2] or returned[3])
    shown = env.reset()[:1] if over else ()
    return [copy.deepcopy(part) for part in (*returned[:4], *returned[4]["reward_terms"].values(), *shown)]


def play_single(env_id, seed, actions):
    env = make(env_id)
    observation, _ = env.reset(seed=seed)
    rows = [flat(observation).copy()]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        rows.append((flat(observation).copy(), reward, (terminated, truncated), info["reward_terms"]))
        if terminated or truncated:
            observation, _ = env.reset()
            rows.append(flat(observation).copy())
    return rows


def play_vector(env_id, seeds, actions, **kwargs):
    """Rows of (observations, rewards, ends, infos) of a vector environment that resets at once."""
    envs = make_vec(env_id, len(seeds), autoreset_mode=AutoresetMode.SAME_STEP, **kwargs)
    observations, _ = envs.reset(seed=list(seeds))
    rows = [[flat(o).copy() for o in iterate(envs.observation_space, observations)]]
    for action in actions:
        observations, rewards, terminated, truncated, infos = envs.step(action)
        rows.append(
            (
                [flat(o).copy() for o in iterate(envs.observation_space, observations)],
                rewards.copy(),
                list(zip(terminated.tolist(), truncated.tolist(), strict=True)),
                copy.deepcopy(infos),
            )
        )
    return rows


@each
def test_a_row_of_a_batch_is_the_single_environment(env_id):
    """Observations, rewards, terms and ends over several episodes."""
    actions = actions_of(env_id, 3)
    vector = play_vector(env_id, [11, 12, 13], actions)
    for row in range(3):
        single = iter(play_single(env_id, 11 + row, [a[row] for a in actions]))
        assert np.array_equal(next(single), vector[0][row])
        ends = 0
        for observations, rewards, ended, infos in vector[1:]:
            observation, reward, ends_here, terms = next(single)
            assert reward == rewards[row]
            assert ends_here == ended[row]
            over = any(ends_here)
            source = infos["final_info"]["reward_terms"] if over else infos["reward_terms"]
            assert all(source[name][row] == value for name, value in terms.items())
            if over:
                ends += 1
                final = list(iterate(make_vec(env_id, 3).observation_space, infos["final_obs"]))[row]
                assert np.array_equal(flat(final), observation)
                observation = next(single)
            assert np.array_equal(observation, observations[row])
        assert ends >= 2


@each
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_autoreset_is_what_gymnasiums_own_vector_environment_does(env_id, mode):
    actions = actions_of(env_id, 4)
    ours = make_vec(env_id, 4, autoreset_mode=mode, max_episode_steps=7)
    theirs = SyncVectorEnv([lambda: make(env_id, max_episode_steps=7)] * 4, autoreset_mode=mode)
    first = [envs.reset(seed=5)[0] for envs in (ours, theirs)]
    assert np.array_equal(flat(first[0]), flat(first[1]))
    for action in actions:
        left, right = ours.step(action), theirs.step(action)
        assert np.array_equal(flat(left[0]), flat(right[0]))
        for mine, its in zip(left[1:4], right[1:4], strict=True):
            assert np.array_equal(mine, its)
            assert mine.dtype == its.dtype
        assert ("final_obs" in left[4]) == ("final_obs" in right[4])
        if "final_obs" in left[4]:
            done = right[4]["_final_obs"]
            assert np.array_equal(left[4]["_final_obs"], done)
            for over, row, its in zip(
                done, iterate(ours.observation_space, left[4]["final_obs"]), right[4]["final_obs"], strict=True
            ):
                assert not over or np.array_equal(flat(row), flat(its))
        for name in ("reward_terms", "_reward_terms", "expected_reward"):
            assert (name in left[4] and bool(np.any(left[4][f"_{name.lstrip('_')}"]))) == (name in right[4])
        if mode is AutoresetMode.DISABLED and (mask := left[2] | left[3]).any():
            left, right = (envs.reset(options={"reset_mask": mask})[0] for envs in (ours, theirs))
            assert np.array_equal(flat(left), flat(right))


MANY = 200


def play_many(env_id, num_threads):
    """What many environments return: observations, rewards and ends, over a few steps and an autoreset."""
    envs = make_vec(env_id, MANY, num_threads=num_threads, max_episode_steps=3, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.unwrapped.family.work = 10**9  # worth as many threads as there may be
    observations, _ = envs.reset(seed=5)
    rows = [flat(observations).copy()]
    for action in actions_of(env_id, 1, 5):
        observations, rewards, terminated, truncated, _ = envs.step(np.repeat(action, MANY, axis=0))
        rows += [flat(observations).copy(), rewards, terminated, truncated]
    return rows


@each
def test_threads_do_not_change_results(env_id):
    alone = play_many(env_id, 1)
    for threads in (2, 3, 5):
        together = play_many(env_id, threads)
        assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@each
def test_a_reset_mask_touches_only_its_rows(env_id):
    envs = make_vec(env_id, 4)
    envs.reset(seed=1)
    for action in actions_of(env_id, 4, 3):
        before = envs.step(action)[0]
    mask = np.array([False, True, False, True])
    after = envs.reset(options={"reset_mask": mask})[0]
    space = envs.observation_space
    pairs = list(zip(iterate(space, before), iterate(space, after), strict=True))
    assert all(np.array_equal(flat(old), flat(new)) for (old, new), reset in zip(pairs, mask, strict=True) if not reset)
    assert not all(np.array_equal(flat(old), flat(new)) for old, new in pairs)


@registered
def test_a_state_can_be_gone_back_to(env_id):
    actions = actions_of(env_id, 4, 30)
    for env, pick in ((make(env_id).unwrapped, lambda a: a[0]), (make_vec(env_id, 4), lambda a: a)):
        env.reset(seed=1)
        for action in actions[:5]:
            step_on(env, pick(action))
        kept = env.clone_state()
        futures = []
        for _ in range(2):
            env.restore_state(pickle.loads(pickle.dumps(kept)))
            futures.append([step_on(env, pick(action)) for action in actions[5:12]])
        for left, right in zip(*futures, strict=True):
            assert all(np.array_equal(flat(a), flat(b)) for a, b in zip(left, right, strict=True))


@each
def test_environments_pickle_in_mid_episode(env_id):
    env = make(env_id).unwrapped
    env.reset(seed=4)
    actions = [a[0] for a in actions_of(env_id, 1, 6)]
    for action in actions[:3]:
        step_on(env, action)
    twin = pickle.loads(pickle.dumps(env))
    for action in actions[3:]:
        for left, right in zip(step_on(env, action), step_on(twin, action), strict=True):
            assert np.array_equal(flat(left), flat(right))


@registered
def test_resets_without_a_seed_go_on_and_seeds_begin_anew(env_id):
    env = make(env_id)
    action = np.zeros_like(actions_of(env_id, 1, 1)[0][0])

    def episode(**seed):
        seen, over = [flat(env.reset(**seed)[0])], False
        while not over and len(seen) < 20:
            observation, reward, over, _, _ = env.step(action)
            seen += [flat(observation), reward]
        return np.concatenate([np.ravel(part) for part in seen])

    first, second, third = episode(seed=9), episode(), episode()
    alike = np.array_equal(first, second) and np.array_equal(second, third)
    assert alike == (env_id in WITHOUT_LUCK)
    assert np.array_equal(first, episode(seed=9))
    assert np.array_equal(second, episode())


@registered
def test_misuse_is_told(env_id):
    env = make(env_id).unwrapped
    with pytest.raises(gym.error.ResetNeeded):
        env.step(env.action_space.sample())
    with pytest.raises(ValueError, match="takes none"):
        env.reset(seed=1, options={"arm": 3})
    name = next(iter(inspect.signature(type(env)).parameters))
    with pytest.raises(TypeError, match=f"did you mean '{name}'"):
        gym.make(env_id, **{f"{name}s": 3})
    with pytest.raises(ValueError, match="render_mode 'films'"):
        type(env)(render_mode="films")
    envs = make_vec(env_id, 3)
    with pytest.raises(gym.error.ResetNeeded):
        envs.step(envs.action_space.sample())
    with pytest.raises(ValueError, match="2 entries for 3"):
        envs.reset(seed=[1, 2])
    with pytest.raises(ValueError, match="reset_mask must be bool"):
        envs.reset(options={"reset_mask": np.array([1, 0, 1])})
    with pytest.raises(ValueError, match="the only one is 'reset_mask'"):
        envs.reset(options={"mask": 1})
    with pytest.raises(ValueError, match="num_envs must be at least 1"):
        make_vec(env_id, 0)
    envs.reset(seed=1)
    with pytest.raises(ValueError, match="shape"):
        envs.step(envs.action_space.sample()[:2])
    with pytest.raises(ValueError, match="must be integers"):
        envs.step(envs.action_space.sample() * 0.5)
    beyond = envs.action_space.sample().astype(np.int64)
    beyond[2] = 99
    with pytest.raises(ValueError, match="action of environment 2 is not in"):
        envs.step(beyond)
    with pytest.raises(ValueError, match="snapshot"):
        envs.restore_state(make_vec(env_id, 2).clone_state())


@each
def test_kernels_survive_a_fork(env_id):
    expected = play_many(env_id, 2)
    with get_context("fork").Pool(2) as pool:
        for rows in pool.starmap(play_many, [(env_id, 2)] * 2):
            assert all(np.array_equal(a, b) for a, b in zip(expected, rows, strict=True))


@each
def test_kernels_run_from_several_threads_at_once(env_id):
    expected = play_many(env_id, 2)
    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(play_many, [env_id] * 4, [2] * 4):
            assert all(np.array_equal(a, b) for a, b in zip(expected, rows, strict=True))


def nbytes(value):
    """Bytes of all arrays in nested dicts, tuples and lists; an array that stands in two places counts once."""
    seen = {}

    def walk(part):
        if isinstance(part, np.ndarray):
            seen[id(part)] = part.nbytes
        elif isinstance(part, dict):
            for item in part.values():
                walk(item)
        elif isinstance(part, tuple | list):
            for item in part:
                walk(item)

    walk(value)
    return sum(seen.values())


@registered
def test_a_step_allocates_little_beyond_what_it_returns(env_id):
    """No copy of states or observations: at most flags and columns of numbers, a few bytes an environment."""
    num_envs = 2_000
    envs = make_vec(env_id, num_envs)
    envs.reset(seed=0)
    actions = np.zeros(envs.action_space.shape, np.int8)
    envs.step(actions)
    tracemalloc.start()
    try:
        returned = envs.step(actions)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A joint action becomes levels of the arms, int64.
    mapped = 8 * num_envs * envs.family.params.rewards.shape[0] if "CoRMAB" in env_id else 0
    assert peak <= nbytes(returned) + mapped + 120 * num_envs + 200_000
