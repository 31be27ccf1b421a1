"""ThreadVectorEnv: the same as SyncVectorEnv, and what it adds to it."""

import threading
import time
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import iterate

from telos.envs.spaces import UnicodeText
from telos.envs.thread_vector import ThreadVectorEnv

MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]
PATIENCE = 30.0


class Talker(gym.Env):
    """Text and numbers observed; episodes of three steps; waits, raises or counts on demand."""

    observation_space = gym.spaces.Dict({"text": UnicodeText(1000), "turn": gym.spaces.Box(0, 9, (1,), np.int64)})
    action_space = UnicodeText(1000)

    def __init__(self, number=0, gates=None):
        self.number, self.gates = number, gates or {}
        self.turn, self.inside, self.closed, self.threads = 0, 0, False, set()

    def _observe(self, text):
        return {"text": text, "turn": np.array([self.turn])}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.threads.add(threading.get_ident())
        self.turn = 0
        luck = float(self.np_random.random()) if seed is not None else -1.0
        return self._observe("start"), {
            "seed": -1 if seed is None else seed,
            "luck": luck,
            "options": str(options or None),
        }

    def step(self, action):
        assert not self.inside, "two steps at the same time"
        self.inside = True
        try:
            if action.startswith("wait"):
                assert self.gates[action].wait(PATIENCE), "no one opened the gate"
            if action.startswith("fail"):
                raise RuntimeError(f"environment {self.number} fails: {action}")
            self.turn += 1
            terms = {"tool": 0.5, "outcome": float(self.turn == 3)}
            info = {"reward_terms": terms, "word": action, f"only_{self.number}": self.turn}
            return self._observe(action.upper()), sum(terms.values()), self.turn == 3, action == "cut", info
        finally:
            self.inside = False

    def close(self):
        self.closed = True


def talkers(count, mode=AutoresetMode.NEXT_STEP, gates=None):
    return ThreadVectorEnv([partial(Talker, number, gates) for number in range(count)], mode)


@pytest.fixture
def vector():
    """A factory of vector environments of talkers, which are closed at the end; gates are opened first."""
    opened, gates = [], {name: threading.Event() for name in ("wait a", "wait b")}

    def make(count, mode=AutoresetMode.NEXT_STEP):
        envs = talkers(count, mode, gates)
        envs.gates = gates
        opened.append(envs)
        return envs

    yield make
    for gate in gates.values():
        gate.set()
    for envs in opened:
        envs.close()


def same(first, second, where=""):
    """Asserts that two nested results are equal, types and shapes included."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            same(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, tuple | list):
        assert len(first) == len(second), where
        for number, pair in enumerate(zip(first, second, strict=True)):
            same(*pair, f"{where}[{number}]")
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype, where
        assert first.shape == second.shape, where
        if first.dtype == object:
            same(first.tolist(), second.tolist(), where)
        else:
            assert np.array_equal(first, second), where
    else:
        assert first == second, where


# -- equal to SyncVectorEnv ------------------------------------------------------------------------------


SMALL = ["CartPole-v1", "FrozenLake-v1", "Blackjack-v1", "Taxi-v4", "Talker"]


def maker(env_id, number):
    return partial(Talker, number) if env_id == "Talker" else partial(gym.make, env_id, disable_env_checker=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", SMALL)
def test_equals_sync_vector_env(env_id, mode):
    env_id = env_id if env_id == "Talker" or env_id in gym.registry else "Taxi-v3"
    functions = [maker(env_id, number) for number in range(3)]
    envs, model = ThreadVectorEnv(functions, mode), SyncVectorEnv(functions, autoreset_mode=mode)
    assert envs.metadata["autoreset_mode"] is mode
    assert envs.observation_space == model.observation_space
    assert envs.action_space == model.action_space
    assert (envs.num_envs, envs.single_action_space) == (3, model.single_action_space)
    same(envs.reset(seed=5, options={"any": 1}), model.reset(seed=5, options={"any": 1}))
    model.action_space.seed(1)
    ends = 0
    for _ in range(120):
        actions = model.action_space.sample()
        ours, theirs = envs.step(actions), model.step(actions)
        same(ours, theirs)
        ended = theirs[2] | theirs[3]
        ends += int(ended.sum())
        if mode is AutoresetMode.DISABLED and ended.any():
            seeds = [ends + number for number in range(3)]
            same(
                envs.reset(seed=seeds, options={"reset_mask": ended}),
                model.reset(seed=seeds, options={"reset_mask": ended}),
            )
    assert ends > 0, "the comparison never saw an end"
    envs.close()
    model.close()


def test_same_step_keeps_the_final_observation_and_info(vector):
    envs = vector(2, AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    envs.step(("a", "a"))
    obs, _, _, truncated, infos = envs.step(("cut", "b"))
    assert truncated.tolist() == [True, False]
    assert obs["text"] == ("start", "B")
    assert infos["final_obs"][0]["text"] == "CUT"
    assert infos["final_obs"][1] is None
    assert infos["_final_obs"].tolist() == [True, False]
    assert infos["final_info"]["reward_terms"]["tool"][0] == 0.5
    assert infos["_final_info"].tolist() == [True, False]


def test_next_step_ignores_the_action_and_pays_nothing_on_the_reset_step(vector):
    envs = vector(2)
    envs.reset(seed=0)
    for _ in range(3):
        _, _, terminated, _, _ = envs.step(("a", "a"))
    assert terminated.all()
    obs, rewards, terminated, truncated, infos = envs.step(("fail: never run", "a"))
    assert obs["text"] == ("start", "start")
    assert rewards.tolist() == [0.0, 0.0]
    assert not terminated.any()
    assert not truncated.any()
    assert "reward_terms" not in infos


def test_results_of_a_step_are_not_changed_by_the_next(vector):
    envs = vector(2)
    first, infos = envs.reset(seed=0)
    second = envs.step(("a", "b"))
    envs.step(("c", "d"))
    assert first["turn"].tolist() == [[0], [0]]
    assert second[0]["turn"].tolist() == [[1], [1]]
    assert second[0]["text"] == ("A", "B")
    assert second[1].tolist() == [0.5, 0.5]
    assert infos["seed"].tolist() == [0, 1]


def test_sub_environments_step_at_the_same_time(vector):
    envs = vector(2)
    envs.reset()
    # Each of the two goes on only when the other one is there too.
    barrier = threading.Barrier(2, timeout=PATIENCE)
    envs.gates["wait a"].wait = lambda timeout: barrier.wait() >= 0
    envs.step(("wait a", "wait a"))
    assert not barrier.broken


# -- reset ----------------------------------------------------------------------------------------------


def test_seeds_go_up_by_one_or_come_from_the_list(vector):
    envs = vector(3)
    assert envs.reset(seed=7)[1]["seed"].tolist() == [7, 8, 9]
    assert envs.reset(seed=[4, None, 2])[1]["seed"].tolist() == [4, -1, 2]
    assert envs.reset()[1]["seed"].tolist() == [-1, -1, -1]


def test_a_wrong_number_of_seeds_is_refused(vector):
    with pytest.raises(ValueError, match="2 seeds for 3"):
        vector(3).reset(seed=[1, 2])


def test_reset_mask_resets_the_chosen_ones_and_leaves_the_caller_its_options(vector):
    envs = vector(3, AutoresetMode.DISABLED)
    envs.reset(seed=0)
    envs.step(("a", "cut", "c"))
    options = {"reset_mask": np.array([False, True, False]), "any": 1}
    obs, infos = envs.reset(seed=[10, 11, 12], options=options)
    assert obs["text"] == ("A", "start", "C")
    assert obs["turn"].tolist() == [[1], [0], [1]]
    assert infos["_seed"].tolist() == [False, True, False]
    assert infos["seed"][1] == 11
    assert infos["options"][1] == "{'any': 1}"
    assert "reset_mask" in options
    assert envs.step(("a", "a", "a"))[0]["turn"].tolist() == [[2], [1], [2]]


@pytest.mark.parametrize("mask", [[True, False], [False] * 3, [1, 0, 0], [[True, True, True]], [True] * 4])
def test_a_wrong_reset_mask_is_refused(vector, mask):
    with pytest.raises(ValueError, match="reset_mask must be a bool array"):
        vector(3).reset(options={"reset_mask": np.array(mask)})


def test_an_ended_environment_needs_a_reset_when_no_one_else_does_it(vector):
    envs = vector(2, AutoresetMode.DISABLED)
    envs.reset()
    envs.step(("cut", "a"))
    with pytest.raises(gym.error.ResetNeeded, match=r"\[0\]"):
        envs.step(("a", "a"))
    envs.send(("a",), [1])
    assert envs.recv()[5].tolist() == [1]
    envs.reset(options={"reset_mask": np.array([True, False])})
    envs.step(("a", "a"))


# -- send and recv --------------------------------------------------------------------------------------


def test_the_quick_go_on_while_a_straggler_works(vector):
    envs = vector(3)
    envs.reset(seed=0)
    envs.send(("wait a", "one", "two"), range(3))
    got = []
    while len(got) < 2:
        obs, *_, ids = envs.recv(1, timeout=PATIENCE)
        got += zip(ids.tolist(), obs["text"], strict=True)
    assert sorted(got) == [(1, "ONE"), (2, "TWO")]
    for turn in (2, 3):
        envs.send((f"more {turn}",), [2])
        obs, rewards, terminated, truncated, infos, ids = envs.recv(1, timeout=PATIENCE)
        assert ids.tolist() == [2]
        assert obs["turn"].tolist() == [[turn]]
        assert rewards.tolist() == [0.5 + (turn == 3)]
        assert terminated.tolist() == [turn == 3]
        assert truncated.tolist() == [False]
        assert infos["reward_terms"]["outcome"].tolist() == [float(turn == 3)]
        assert infos["only_2"].tolist() == [turn]
    envs.gates["wait a"].set()
    obs, *_, ids = envs.recv(1, timeout=PATIENCE)
    assert (ids.tolist(), obs["text"]) == ([0], ("WAIT A",))


def test_recv_returns_batches_in_ascending_order_of_index(vector):
    envs = vector(4)
    envs.reset()
    envs.send(("d", "b", "a"), [3, 1, 0])
    obs, rewards, terminated, truncated, infos, ids = envs.recv(3, timeout=PATIENCE)
    assert ids.tolist() == [0, 1, 3]
    assert obs["text"] == ("A", "B", "D")
    assert obs["turn"].shape == (3, 1)
    assert rewards.shape == terminated.shape == truncated.shape == infos["reward_terms"]["tool"].shape == (3,)
    assert infos["_only_3"].tolist() == [False, False, True]


def test_send_takes_a_batch_of_a_numeric_action_space():
    envs = ThreadVectorEnv([partial(gym.make, "CartPole-v1")] * 3)
    model = SyncVectorEnv([partial(gym.make, "CartPole-v1")] * 3)
    envs.reset(seed=1)
    model.reset(seed=1)
    expected = model.step(np.array([1, 0, 1]))[0]
    envs.send(np.array([1, 1]), [0, 2])
    envs.send(np.array([0]), [1])
    got = np.zeros_like(expected)
    while envs._pending:
        obs, *_, ids = envs.recv(1, timeout=PATIENCE)
        got[ids] = obs
    assert np.array_equal(got, expected)
    envs.close()
    model.close()


def test_send_to_a_busy_environment_starts_nothing(vector):
    envs = vector(2)
    envs.reset()
    envs.send(("wait a",), [0])
    with pytest.raises(gym.error.AlreadyPendingCallError, match=r"\[0\]"):
        envs.send(("x", "y"), [0, 1])
    with pytest.raises(gym.error.AlreadyPendingCallError):
        envs.step(("x", "y"))
    with pytest.raises(gym.error.AlreadyPendingCallError):
        envs.reset()
    envs.gates["wait a"].set()
    obs, *_, ids = envs.recv(1, timeout=PATIENCE)
    assert (ids.tolist(), obs["turn"].tolist()) == ([0], [[1]])
    with pytest.raises(gym.error.NoAsyncCallError):
        envs.recv(1)
    assert envs.step(("x", "y"))[0]["turn"].tolist() == [[2], [1]]


def test_send_with_the_wrong_number_of_actions_starts_nothing(vector):
    envs = vector(3)
    envs.reset()
    with pytest.raises(ValueError, match="2 actions for 3"):
        envs.send(("a", "b"), range(3))
    with pytest.raises(gym.error.NoAsyncCallError):
        envs.recv(1)


@pytest.mark.parametrize("ids", [[0, 0], [-1, 1], [0, 2]], ids=["twice", "negative", "beyond"])
def test_send_refuses_impossible_indexes(vector, ids):
    envs = vector(2)
    envs.reset()
    with pytest.raises((ValueError, IndexError)):
        envs.send(("a", "b"), ids)
    with pytest.raises(gym.error.NoAsyncCallError):
        envs.recv(1)


@pytest.mark.parametrize("wanted", [0, 2, 3])
def test_recv_of_more_than_is_under_way_is_an_error(vector, wanted):
    envs = vector(3)
    envs.reset()
    envs.send(("a",), [1])
    with pytest.raises(gym.error.NoAsyncCallError, match="1 steps under way"):
        envs.recv(wanted)
    assert envs.recv(1, timeout=PATIENCE)[5].tolist() == [1]


def test_after_a_timeout_everything_can_still_be_received(vector):
    envs = vector(2)
    envs.reset()
    envs.send(("wait a", "quick"), range(2))
    with pytest.raises(TimeoutError):
        envs.recv(2, timeout=0.2)
    assert envs.recv(1, timeout=PATIENCE)[5].tolist() == [1]
    envs.gates["wait a"].set()
    obs, *_, ids = envs.recv(1, timeout=PATIENCE)
    assert (ids.tolist(), obs["text"]) == ([0], ("WAIT A",))


def test_the_timeout_is_that_of_the_whole_call(vector):
    """A stream of early answers must not put off the deadline for the rest."""
    envs = vector(2)
    envs.reset()
    threading.Timer(2.0, envs.gates["wait a"].set).start()
    envs.send(("wait a", "wait b"), range(2))
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        envs.recv(2, timeout=2.5)
    assert time.monotonic() - started < 4.2


# -- errors inside environments, and the end ------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_an_exception_surfaces_and_wedges_no_one(vector, mode):
    envs = vector(3, mode)
    envs.reset()
    with pytest.raises(RuntimeError, match="environment 1 fails: fail now"):
        envs.step(("a", "fail now", "c"))
    assert envs.step(("x", "y", "z"))[0]["text"] == ("X", "Y", "Z")
    with pytest.raises(RuntimeError, match="environment 0 fails"):
        envs.step(("fail", "fail", "z"))
    obs, _ = envs.reset(seed=3)
    assert obs["turn"].tolist() == [[0]] * 3
    assert envs.step(("x", "y", "z"))[0]["turn"].tolist() == [[1]] * 3


def test_an_exception_takes_no_other_result_with_it(vector):
    envs = vector(2)
    envs.reset()
    envs.send(("fail", "good"), range(2))
    with pytest.raises(RuntimeError, match="environment 0 fails"):
        envs.recv(2, timeout=PATIENCE)
    obs, *_, ids = envs.recv(1, timeout=PATIENCE)
    assert (ids.tolist(), obs["text"]) == ([1], ("GOOD",))


def test_an_exception_in_reset_surfaces():
    class Broken(Talker):
        def reset(self, *, seed=None, options=None):
            if seed == 1:
                raise RuntimeError("no luck with 1")
            return super().reset(seed=seed, options=options)

    envs = ThreadVectorEnv([Broken] * 3)
    with pytest.raises(RuntimeError, match="no luck with 1"):
        envs.reset(seed=0)
    assert envs.reset(seed=2)[0]["text"] == ("start",) * 3
    envs.close()


def test_close_waits_for_steps_and_closes_every_environment(vector):
    envs = vector(2)
    envs.reset()
    envs.send(("wait a", "b"), range(2))
    threading.Timer(0.3, envs.gates["wait a"].set).start()
    envs.close()
    assert all(env.closed for env in envs.envs)
    assert [env.turn for env in envs.envs] == [1, 1]
    envs.close()


def test_close_before_reset_and_threads_end():
    before = set(threading.enumerate())
    envs = talkers(3)
    envs.close()
    envs = talkers(3)
    envs.reset()
    envs.close()
    assert set(threading.enumerate()) <= before


def test_a_constructor_that_fails_says_why_and_nothing_else():
    """The half-made object is thrown away without noise: an error in ``__del__`` would fail this test."""

    def bad():
        raise RuntimeError("cannot be made")

    with pytest.raises(RuntimeError, match="cannot be made"):
        ThreadVectorEnv([Talker, bad])
    with pytest.raises(ValueError, match="nonsense"):
        ThreadVectorEnv([Talker], "nonsense")


def test_a_constructor_that_fails_closes_what_it_had_made():
    made = []

    def good():
        made.append(Talker())
        return made[-1]

    def bad():
        raise RuntimeError("cannot be made")

    with pytest.raises(RuntimeError, match="cannot be made"):
        ThreadVectorEnv([good, bad])
    assert [env.closed for env in made] == [True]


def test_mode_can_be_given_by_name():
    envs = ThreadVectorEnv([Talker], "SameStep")
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    envs.close()


def test_tuple_actions_and_iterated_batches_are_the_same(vector):
    envs = vector(2)
    envs.reset()
    actions = tuple(iterate(envs.action_space, ("a", "b")))
    assert envs.step(actions)[0]["text"] == ("A", "B")
