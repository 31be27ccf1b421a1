"""The four coupled bandits: rules against a plain rendering, feasibility, instances from a file."""

import gymnasium as gym
import numpy as np
import pytest
from plain_bandit import PlainBandit, play_beside

import telos  # noqa: F401 - registers the environments
from telos.baselines.bandit_evaluation import evaluate_policy
from telos.baselines.policies.bandits import GreedyMyopic, Myopic, Null, Prices, Random, Sampling
from telos.envs.bandits.optimum import finite_horizon_optimum
from telos.envs.bandits.relaxation import hull_bound

PROBLEMS = ("Intervention", "Path", "Matching", "Capacity")
each = pytest.mark.parametrize("problem", PROBLEMS)


def make(problem, **kwargs):
    return gym.make(f"CoRMAB{problem}-v0", **kwargs)


@each
def test_trajectories_equal_those_of_a_plain_rendering(problem):
    env = make(problem, instance_seed=20, horizon=8)
    family = env.unwrapped.family
    instance = family.instance
    plain = PlainBandit(instance.arms, family.start, 8, instance.next_state_rewards)
    env.action_space.seed(1)
    for before, levels, _, info in play_beside(env, plain, env.action_space.sample):
        arms = np.arange(len(levels))
        assert info["expected_reward"] == pytest.approx(instance.arms.rewards[arms, levels, before].sum())


@each
def test_an_infeasible_action_is_refused_mended_or_ignored(problem):
    env = make(problem)
    env.reset(seed=0)
    everything = np.ones(env.action_space.n, np.int8)
    assert not env.unwrapped.feasible(everything)
    assert everything not in env.action_space
    with pytest.raises(ValueError, match=r"infeasible action of environment 0: \w+"):
        env.step(everything)
    ignoring = make(problem, invalid="noop")
    ignoring.reset(seed=0)
    assert ignoring.step(everything)[4]["acted_on"] == 0


@pytest.mark.parametrize("problem", ["Path", "Matching", "Capacity"])
def test_projection_agrees_on_as_many_arms_as_any_feasible_action(problem):
    env = make(problem, num_arms=8, budget=2, invalid="project", horizon=1000)
    every = env.unwrapped.enumerate()
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        wanted = rng.integers(2, size=8).astype(np.int8)
        most = (every & wanted).sum(axis=1).max() if not env.unwrapped.feasible(wanted) else wanted.sum()
        assert env.step(wanted)[4]["acted_on"] >= most


@each
def test_an_instance_can_be_kept_in_a_file(problem, tmp_path):
    env = make(problem, instance_seed=4)
    path = tmp_path / "instance.npz"
    env.unwrapped.family.instance.save(path)
    again = make(problem, instance=str(path))
    assert again.unwrapped.family.instance.digest() == env.unwrapped.family.instance.digest()
    other = PROBLEMS[PROBLEMS.index(problem) - 1]
    with pytest.raises(ValueError, match=f"is of kind '{problem.lower()}'"):
        make(other, instance=str(path))


@each
def test_instances_differ_by_their_seed_and_not_by_the_episodes_seed(problem):
    digests = {seed: make(problem, instance_seed=seed).unwrapped.family.instance.digest() for seed in (1, 2)}
    assert digests[1] != digests[2]
    env = make(problem, instance_seed=1)
    env.reset(seed=99)
    assert env.unwrapped.family.instance.digest() == digests[1]


@each
def test_policies_rank_as_they_must(problem):
    """Null below random, everything below the bound, prices at the top."""
    envs = gym.make_vec(f"CoRMAB{problem}-v0", num_envs=200, instance_seed=21)
    family = envs.unwrapped.family
    arms, feasible_set = family.instance.arms, family.instance.feasible
    bound = hull_bound(arms, feasible_set, 20, family.start)
    policies = {
        "null": Null(feasible_set),
        "random": Random(feasible_set),
        "sampling": Sampling(arms, feasible_set),
        "greedy": GreedyMyopic(arms, feasible_set),
        "myopic": Myopic(arms, feasible_set),
        "prices": Prices(arms, feasible_set, bound),
    }
    scores = {name: evaluate_policy(envs, policy, 20, seed=5) for name, policy in policies.items()}
    top = bound.value / 20
    assert all(score.mean <= top + 4 * score.error for score in scores.values())
    assert scores["prices"].mean >= 0.95 * top
    assert scores["null"].mean < scores["random"].mean < scores["prices"].mean
    assert all(scores["prices"].mean >= scores[name].mean for name in ("sampling", "greedy", "myopic"))


@pytest.mark.parametrize("problem", ["Path", "Matching", "Capacity"])
def test_prices_are_nearly_optimal_on_small_instances(problem):
    envs = gym.make_vec(f"CoRMAB{problem}-v0", num_envs=4000, num_arms=5, budget=2, horizon=8, instance_seed=2)
    family = envs.unwrapped.family
    arms, feasible_set = family.instance.arms, family.instance.feasible
    best = finite_horizon_optimum(arms, feasible_set, 8, initial=family.start).expected
    bound = hull_bound(arms, feasible_set, 8, family.start)
    assert bound.value >= best - 1e-9
    score = evaluate_policy(envs, Prices(arms, feasible_set, bound), 8, seed=0)
    assert 8 * score.mean <= best + 4 * 8 * score.error
    assert 8 * score.mean >= 0.985 * best - 4 * 8 * score.error
