"""Logged sessions: their probabilities are exact, they can be played again, and files lose nothing."""

import itertools
import json
import math
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from scipy import integrate, stats

pytest.importorskip("torch")

import telos  # noqa: F401 - registers the environments
from telos.baselines.cli import main
from telos.baselines.evaluation import evaluate
from telos.baselines.input_errors import InputError
from telos.baselines.logging_policies import LOGGING_POLICIES, SlatePolicy, make_logging_policy
from telos.baselines.ope import importance_sampling, per_decision
from telos.baselines.recsys_log import SessionLog, log_sessions, logged_steps, true_value
from telos.baselines.recsys_log_command import LogArgs, log
from telos.baselines.recsys_log_files import PROPENSITY, SLOT_PROPENSITY, read_log, write_log
from telos.wrappers import load_episodes
from telos.wrappers.episodes import as_episode

LTS = {"split": "test", "horizon": 3, "num_items": 4}
SLATE = {"num_items": 12, "num_topics": 3, "slate_size": 3, "user_topics": [1, 2], "horizon": 6, "patience": [1.0, 6.0]}
RETENTION = {"taste": [2.0, 1.0], "slate_size": 2, "horizon": 4}
SCORES = np.array([[0.3, -1.2, 2.0, 0.3, 0.0], [1.0, 1.0, 1.0, -3.0, 700.0]])
FIELDS = ("observations", "actions", "slots", "lengths", "terminated", "truncated", "seeds")


def slate_policy(slots=3, scores=SCORES, **options):
    return SlatePolicy(lambda seen: scores[: len(seen)], spaces.MultiDiscrete([scores.shape[1]] * slots), **options)


def by_hand(scores, slate, epsilon, greedy):
    left, found = list(range(len(scores))), []
    for item in slate:
        most = max(scores[j] for j in left)
        weights = {j: math.exp(scores[j] - most) for j in left}
        base = float(item == max(left, key=lambda j: scores[j])) if greedy else weights[item] / sum(weights.values())
        found.append((1.0 - epsilon) * base + epsilon / len(left))
        left.remove(item)
    return found


def equal(one, other):
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in FIELDS)
    assert one.terms.keys() == other.terms.keys()
    assert all(np.array_equal(one.terms[name], other.terms[name]) for name in one.terms)


def sessions(env, kwargs, policy="softmax-linear", seed=0, **options):
    made = make_logging_policy(policy, env, kwargs, seed=seed, arguments=options.pop("arguments", None))
    return made, SessionLog.joined(list(log_sessions(made, env, kwargs, seed=seed, **options)))


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
@pytest.mark.parametrize("greedy", [False, True])
def test_probabilities_of_all_slates_are_those_of_the_formula(epsilon, greedy):
    slates = np.array(list(itertools.permutations(range(5), 3)))
    for row in (0, 1):
        policy = slate_policy(scores=np.tile(SCORES[row], (len(slates), 1)), epsilon=epsilon, greedy=greedy)
        seen = np.zeros((len(slates), 1))
        slots = policy.propensities(seen, slates)
        assert slots == pytest.approx(np.array([by_hand(SCORES[row], slate, epsilon, greedy) for slate in slates]))
        assert slots.prod(axis=1).sum() == pytest.approx(1.0)
        first = [slots.prod(axis=1)[slates[:, 0] == item].sum() for item in range(5)]
        assert policy.probabilities(seen)[0] == pytest.approx(first)


def test_an_item_twice_has_probability_zero():
    slots = slate_policy(epsilon=0.5).propensities(np.zeros((2, 1)), np.array([[0, 0, 1], [2, 1, 2]]))
    assert (slots[0, 1:] == 0.0).all()
    assert (slots[1] > 0.0).tolist() == [True, True, False]


@pytest.mark.parametrize(("epsilon", "greedy"), [(0.0, False), (0.4, False), (0.4, True)])
def test_draws_have_these_probabilities(epsilon, greedy):
    n, scores = 60_000, np.array([[0.5, -0.5, 1.0, 0.0]])
    policy = slate_policy(2, scores, epsilon=epsilon, greedy=greedy, seed=3)
    slates, slots = policy.draw(np.zeros((n, 1)), np.arange(n), np.zeros(n, np.int64))
    known = list(itertools.permutations(range(4), 2))
    chances = np.array([math.prod(by_hand(scores[0], slate, epsilon, greedy)) for slate in known])
    counts = np.array([(slates == slate).all(axis=1).sum() for slate in known])
    assert stats.chisquare(counts, n * chances).pvalue > 1e-3
    assert np.array_equal(policy.propensities(np.zeros((n, 1)), slates), slots)


def test_many_items_are_exact_too():
    generator = np.random.default_rng(0)
    scores = 40.0 * generator.normal(size=(20, 300))
    policy = slate_policy(50, scores)
    slates, slots = policy.draw(np.zeros((20, 1)), np.arange(20), np.zeros(20, np.int64))
    assert all(len(set(slate)) == 50 for slate in slates.tolist())
    for row in range(20):
        assert slots[row] == pytest.approx(by_hand(scores[row], slates[row].tolist(), 0.0, False), rel=1e-10)


def test_wrong_policies_are_refused():
    for space in (
        spaces.Discrete(3, start=1),
        spaces.MultiDiscrete([3, 4]),
        spaces.MultiDiscrete([2, 2, 2]),
        spaces.Box(0, 1),
    ):
        with pytest.raises(ValueError, match="actions must be an item"):
            SlatePolicy(lambda seen: np.zeros((1, 3)), space)
    with pytest.raises(ValueError, match="epsilon"):
        slate_policy(epsilon=1.5)
    with pytest.raises(ValueError, match="scores must be finite"):
        slate_policy(scores=np.full((2, 5), np.nan)).probabilities(np.zeros((2, 1)))
    with pytest.raises(ValueError, match="3 items from 0 to 4"):
        slate_policy().propensities(np.zeros((2, 1)), np.array([[0, 1, 5], [0, 1, 2]]))
    with pytest.raises(ValueError, match="Did you mean 'softmax-linear'"):
        make_logging_policy("softmax-liner", "LTSRec-v0", {})
    with pytest.raises(ValueError, match="no features of items are known for LoiterChain-v0"):
        make_logging_policy("uniform", "LoiterChain-v0", {})
    with pytest.raises(ValueError, match=r"weights must be of shape \(2, 2\)"):
        make_logging_policy("softmax-linear", "LTSRec-v0", {}, arguments={"weights": [1.0]})
    with pytest.raises(ValueError, match="has no argument 'temprature'"):
        make_logging_policy("softmax-popularity", "LTSRec-v0", {}, arguments={"temprature": 1.0})
    with pytest.raises(ValueError, match="temperature must be above 0"):
        make_logging_policy("softmax-popularity", "LTSRec-v0", {}, arguments={"temperature": 0.0})


@pytest.mark.parametrize("name", LOGGING_POLICIES)
@pytest.mark.parametrize(
    ("env", "kwargs"), [("LTSRec-v0", LTS), ("SlateRec-v0", SLATE), ("RetentionRec-v0", RETENTION)]
)
def test_policies_play_and_are_logged_as_they_are(name, env, kwargs):
    policy, logged = sessions(env, kwargs, name, episodes=30, num_envs=7)
    assert np.array_equal(policy.propensities(logged.seen, logged.actions), logged.slots)
    assert (logged.slots > 0.0).all()
    if logged.actions.ndim == 1:
        rows = np.arange(len(logged.actions))
        assert policy.probabilities(logged.seen)[rows, logged.actions] == pytest.approx(logged.propensities)
    assert len(evaluate(policy, env, kwargs, episodes=5).returns) == 5


@pytest.mark.parametrize(
    ("env", "kwargs"), [("LTSRec-v0", LTS), ("SlateRec-v0", SLATE), ("RetentionRec-v0", RETENTION)]
)
def test_a_log_is_the_same_however_it_is_played_and_can_be_played_again(env, kwargs):
    _, logged = sessions(env, kwargs, episodes=23, seed=5)
    _, other = sessions(env, kwargs, episodes=23, seed=5, num_envs=4, block=9)
    equal(logged, other)
    if env != "LTSRec-v0":
        assert len(set(logged.lengths.tolist())) > 2
    single, ends = gym.make(env, **kwargs), np.cumsum(logged.lengths)
    for k, (start, end) in enumerate(zip(ends - logged.lengths, ends, strict=True)):
        observation, _ = single.reset(seed=int(logged.seeds[k]))
        for row in range(start, end):
            assert np.array_equal(logged.observations[row + k], observation)
            observation, reward, terminated, truncated, info = single.step(logged.actions[row])
            assert logged.rewards[row] == pytest.approx(reward)
            assert {name: values[row] for name, values in logged.terms.items()} == pytest.approx(info["reward_terms"])
            over = row == end - 1
            assert (terminated, truncated) == ((logged.terminated[k], logged.truncated[k]) if over else (False, False))
        assert np.array_equal(logged.observations[end + k], observation)
    picked = logged.pick(slice(3, 7))
    equal(SessionLog.joined([picked, logged.pick(slice(7, 23))]), logged.pick(slice(3, 23)))
    assert picked.seeds.tolist() == logged.seeds[3:7].tolist()
    assert (logged.times == np.concatenate([np.arange(n) for n in logged.lengths])).all()


def test_other_seeds_are_other_sessions():
    (_, one), (_, other) = (sessions("LTSRec-v0", LTS, episodes=20, seed=seed) for seed in (1, 2))
    assert not set(one.seeds.tolist()) & set(other.seeds.tolist())
    assert not np.array_equal(one.actions, other.actions)
    with pytest.raises(ValueError, match="at least 1"):
        sessions("LTSRec-v0", LTS, episodes=0)


def test_the_true_value_is_that_of_the_closed_form():
    """One step of uniform items: mean engagement times mean satisfaction, over the users' two numbers."""
    low, high = 1.01, 2.6

    def satisfaction(u, v):
        return 1.0 / (1.0 + math.exp(-math.log(u) * 0.5 / (1.0 - math.log(v))))

    area = integrate.dblquad(satisfaction, low, high, low, high)[0] / (high - low) ** 2
    items = np.arange(30) / 30
    expected = float((14.0 * items + 4.0 * (1.0 - items)).mean()) * area
    kwargs = {"split": "test", "horizon": 1}
    policy = make_logging_policy("uniform", "LTSRec-v0", kwargs)
    found = true_value(policy, "LTSRec-v0", kwargs, precision=4e-3, least=5000, num_envs=4096, gamma=0.5)
    assert abs(found.value - expected) < 4.0 * found.standard_error
    assert found.relative_error <= 4e-3
    rough = true_value(policy, "LTSRec-v0", kwargs, precision=1e-6, least=100, most=300)
    assert (rough.sessions, rough.relative_error > 1e-6) == (300, True)
    with pytest.raises(ValueError, match="precision"):
        true_value(policy, "LTSRec-v0", kwargs, precision=0.0)


@pytest.mark.parametrize(("env", "kwargs"), [("LTSRec-v0", LTS), ("SlateRec-v0", SLATE)])
def test_another_policy_is_evaluated_from_a_log(env, kwargs):
    _, logged = sessions(env, kwargs, "uniform", episodes=20_000)
    other = make_logging_policy("softmax-popularity", env, kwargs, seed=1)
    truth = true_value(other, env, kwargs, precision=1e-6, least=20_000, most=20_000)
    steps = logged_steps(logged, other)
    for found in (per_decision(steps), importance_sampling(steps)):
        assert abs(found.value - truth.value) < 4.0 * math.hypot(found.standard_error, truth.standard_error)
    assert abs(truth.value - logged.rewards.sum() / len(logged)) > 8.0 * truth.standard_error


def test_what_a_policy_expects_of_items_is_the_mean_over_its_slates():
    per_item, looks = np.random.default_rng(0).normal(size=(5, 2)), np.array([1.0, 0.5, 0.25])
    slates = np.array(list(itertools.permutations(range(5), 3)))
    policy = slate_policy(scores=np.tile(SCORES[0], (5000, 1)))
    chances = policy.propensities(np.zeros((len(slates), 1)), slates).prod(axis=1)
    exact = chances @ (per_item[slates] * looks[:, None]).sum(axis=1)
    drawn = policy.expected(np.zeros((5000, 1)), per_item, looks, draws=4)
    assert drawn.mean(axis=0) == pytest.approx(exact, abs=5.0 * drawn.std() / math.sqrt(5000))
    single = SlatePolicy(lambda seen: SCORES[:1], spaces.Discrete(5))
    assert single.expected(np.zeros((1, 1)), per_item, np.ones(1)) == pytest.approx(
        single.probabilities(np.zeros((1, 1))) @ per_item
    )


@pytest.mark.parametrize("out", ["log.npz", "dataset-v0"])
@pytest.mark.parametrize(("env", "kwargs"), [("LTSRec-v0", LTS), ("SlateRec-v0", SLATE)])
def test_files_lose_nothing(out, env, kwargs, tmp_path):
    pytest.importorskip("minari")
    path = tmp_path / "some" / out
    arguments = tuple(f"{name}={json.dumps(value)}" for name, value in kwargs.items())
    worth = log(
        LogArgs(
            env,
            "softmax-linear",
            path,
            env_arg=arguments,
            episodes=12,
            seed=4,
            precision=0.5,
            policy_arg=("epsilon=0.1",),
        )
    )
    _, expected = sessions(env, kwargs, episodes=12, seed=4, arguments={"epsilon": 0.1})
    found, about = read_log(path)
    equal(found, expected)
    assert about["true_value"]["value"] == worth.value
    assert about["true_value"]["standard_error"] == worth.standard_error
    assert (about["policy"], about["policy_arguments"], about["seed"]) == ("softmax-linear", {"epsilon": 0.1}, 4)
    assert [child.name for child in path.parent.iterdir()] == [out]
    with pytest.raises(InputError, match="there already"):
        log(LogArgs(env, "uniform", path, env_arg=arguments))


def test_datasets_are_minaris_own(tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    _, expected = sessions("SlateRec-v0", SLATE, episodes=6)
    env = gym.make("SlateRec-v0", **SLATE)
    assert write_log(tmp_path / "slates-v1", [expected.pick(slice(0, 4)), expected.pick(slice(4, 6))], env, {}) == (
        6,
        len(expected.actions),
    )
    dataset = minari.load_dataset("slates-v1")
    assert "slates-v1" in minari.list_local_datasets()
    assert dataset.observation_space == env.observation_space
    assert dataset.recover_environment().spec.kwargs == env.spec.kwargs
    assert dataset.total_steps == len(expected.actions)
    ends = np.cumsum(expected.lengths)
    for k, episode in enumerate(dataset.iterate_episodes()):
        rows = slice(ends[k] - expected.lengths[k], ends[k])
        assert np.array_equal(episode.actions, expected.actions[rows])
        assert np.array_equal(episode.rewards, expected.rewards[rows])
        assert np.array_equal(episode.infos[SLOT_PROPENSITY][1:], expected.slots[rows])
        assert np.isnan(episode.infos[PROPENSITY][0])
        ours = as_episode(episode)
        assert ours.terms.keys() == expected.terms.keys()
        assert ours.info(PROPENSITY, 0, None) == expected.propensities[rows.start]
        assert (ours.terminated, ours.truncated) == (expected.terminated[k], expected.truncated[k])


def test_files_are_those_of_save_episodes(tmp_path):
    _, expected = sessions("LTSRec-v0", LTS, episodes=5)
    write_log(tmp_path / "log.npz", [expected], gym.make("LTSRec-v0", **LTS), {"a": 1})
    for k, episode in enumerate(load_episodes(tmp_path / "log.npz")):
        rows = slice(3 * k, 3 * k + 3)
        assert np.array_equal(episode.obs, expected.observations[4 * k : 4 * k + 4])
        assert np.array_equal(episode.actions, expected.actions[rows])
        assert np.array_equal(episode.terms["engagement"], expected.terms["engagement"][rows])
        assert [episode.info(PROPENSITY, t, None) for t in range(3)] == expected.propensities[rows].tolist()


def test_nothing_is_left_of_what_fails(tmp_path):
    pytest.importorskip("minari")
    _, expected = sessions("LTSRec-v0", LTS, episodes=5)

    def broken():
        yield expected
        raise KeyboardInterrupt

    env = gym.make("LTSRec-v0", **LTS)
    for name in ("log.npz", "log-v0"):
        with pytest.raises(KeyboardInterrupt):
            write_log(tmp_path / name, broken(), env, {})
    with pytest.raises(ValueError, match="log-v0"):
        write_log(tmp_path / "log", [expected], env, {})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="no log"):
        read_log(tmp_path / "log")
    np.savez(tmp_path / "other.npz", a=np.ones(1))
    with pytest.raises(ValueError, match="is no log"):
        read_log(tmp_path / "other.npz")


def test_without_minari_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'telos-gym\[minari\]'.*\.npz"):
        log(LogArgs("LTSRec-v0", "uniform", tmp_path / "a-v0", precision=0.0))
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    wrong = ["telos", "recsys", "log", "--env", "LTSRec-v0", "--policy", "softmax", "--out", str(tmp_path / "a-v0")]
    monkeypatch.setattr(sys, "argv", wrong)
    with pytest.raises(SystemExit, match="1"):
        main()
    assert "Did you mean" in capsys.readouterr().err
    with pytest.raises(InputError, match="at least 1"):
        log(LogArgs("LTSRec-v0", "uniform", tmp_path / "a-v0", episodes=0))
