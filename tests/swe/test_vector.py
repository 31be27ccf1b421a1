"""SWEDocker-v0 in parallel: the vector face is the single face, several times."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

COUNTS = {"bubblewrap": 4, "docker": 2}
KWARGS = {"limits": {"memory": 384 << 20, "disk": 64 << 20, "pids": 128}, "command_timeout": 30.0}
SCRIPT = ["echo $((6 * 7))", "<oops/>", '<search pattern="^def "/>', "echo more >> README.md", "<submit/>"]


@pytest.fixture(scope="module")
def single(sandbox_kind):
    env = gym.make("SWEDocker-v0", sandbox=sandbox_kind, max_turns=20, **KWARGS)
    yield env
    env.close()


@pytest.fixture
def make(sandbox_kind):
    """Makes vector environments that are closed at the end."""
    made = []

    def make_vec(mode=AutoresetMode.NEXT_STEP, **kwargs):
        kwargs = {"max_turns": 20, **KWARGS, **kwargs}
        count = COUNTS[sandbox_kind]
        made.append(
            gym.make_vec("SWEDocker-v0", num_envs=count, sandbox=sandbox_kind, warm=1, autoreset_mode=mode, **kwargs)
        )
        return made[-1]

    yield make_vec
    for envs in made:
        envs.close()


def row(batch, i):
    """Entry ``i`` of a batched observation."""
    return {key: value[i] for key, value in batch.items()}


def of_row(value, i):
    """Entry ``i`` of what a batched info has under a key."""
    if isinstance(value, dict):
        return {name: of_row(part, i) for name, part in value.items() if name[0] != "_"}
    return value[i]


def same(first, second):
    assert first.keys() == second.keys()
    for key in first:
        assert np.array_equal(first[key], second[key]), key


def test_environment_i_is_a_single_one_with_seed_plus_i(make, single):
    envs = make()
    count = envs.num_envs
    obs, infos = envs.reset(seed=20)
    assert obs in envs.observation_space
    steps = [envs.step((action,) * count) for action in SCRIPT]
    for i in range(count):
        alone, info = single.reset(seed=20 + i)
        assert infos["task"][i] == info["task"]
        same(row(obs, i), alone)
        for action, (batch, rewards, terminated, truncated, many) in zip(SCRIPT, steps, strict=True):
            alone, reward, *ends, info = single.step(action)
            same(row(batch, i), alone)
            assert [rewards[i], terminated[i], truncated[i]] == [reward, *ends]
            for key in info.keys() - {"timing", "resources"}:
                assert of_row(many[key], i) == info[key], key
                assert many[f"_{key}"][i]
    assert steps[-1][2].all()
    assert len(set(infos["task"])) > 1


def test_next_step(make):
    envs = make(AutoresetMode.NEXT_STEP, max_turns=2)
    count = envs.num_envs
    envs.reset(seed=0)
    envs.step(("true",) * count)
    obs, _, terminated, truncated, infos = envs.step(("<submit/>",) + ("true",) * (count - 1))
    assert terminated.tolist() == [True] + [False] * (count - 1)
    assert truncated.tolist() == [False] + [True] * (count - 1)
    assert infos["outcome_level"].tolist() == [1] + [0] * (count - 1)
    assert obs["turn"].ravel().tolist() == [2] * count
    obs, rewards, terminated, truncated, infos = envs.step(("exit 1 # never run",) * count)
    assert obs["turn"].ravel().tolist() == [0] * count
    assert obs["result"] == ("ready",) * count
    assert rewards.tolist() == [0.0] * count
    assert not (terminated | truncated).any()
    assert "reward_terms" not in infos
    assert envs.step(("true",) * count)[0]["turn"].ravel().tolist() == [1] * count


def test_same_step(make):
    envs = make(AutoresetMode.SAME_STEP, max_turns=2)
    count = envs.num_envs
    envs.reset(seed=0)
    envs.step(("<submit/>",) + ("true",) * (count - 1))
    obs, rewards, _, truncated, infos = envs.step(("echo one",) + ("echo last",) * (count - 1))
    assert truncated.tolist() == [False] + [True] * (count - 1)
    assert obs["turn"].ravel().tolist() == [1] + [0] * (count - 1)
    assert obs["output"] == ("one\n",) + ("",) * (count - 1)
    assert infos["final_obs"][0] is None
    assert infos["final_obs"][1]["output"] == "last\n"
    assert infos["final_info"]["outcome_level"][1] == 0
    assert np.allclose(rewards, [0.1] + [-0.9] * (count - 1))


def test_disabled(make, easy_task):
    envs = make(AutoresetMode.DISABLED, max_turns=2)
    count = envs.num_envs
    envs.reset(seed=0)
    envs.step(("<submit/>",) + ("true",) * (count - 1))
    with pytest.raises(gym.error.ResetNeeded):
        envs.step(("true",) * count)
    mask = np.arange(count) == 0
    obs, infos = envs.reset(options={"reset_mask": mask, "task": easy_task.id})
    assert infos["task"][0] == easy_task.id
    assert infos["_task"].tolist() == mask.tolist()
    assert obs["turn"].ravel().tolist() == [0] + [1] * (count - 1)
    assert envs.step(("true",) * count)[3].tolist() == [False] + [True] * (count - 1)


def test_stragglers_do_not_hold_up_the_others(make):
    envs = make(command_timeout=8.0)
    last = envs.num_envs - 1
    envs.reset(seed=1)
    # The straggler waits for a file that nobody makes, as long as the others need; then it is let go by its deadline.
    envs.send(("while [ ! -e /tmp/go ]; do sleep 0.1; done", *["echo quick"] * last), range(envs.num_envs))
    received = set()
    while len(received) < last:
        obs, *_, ids = envs.recv(1, timeout=20)
        assert set(obs["output"]) == {"quick\n"}
        received |= set(ids.tolist())
    assert received == set(range(1, last + 1))
    for turn in (2, 3, 4):
        envs.send(("echo again",), [last])
        obs, *_, ids = envs.recv(1, timeout=20)
        assert (ids.tolist(), obs["turn"].ravel().tolist(), obs["output"]) == ([last], [turn], ("again\n",))
    with pytest.raises(gym.error.AlreadyPendingCallError):
        envs.send(("true",), [0])
    obs, *_, ids = envs.recv(1, timeout=60)
    assert (ids.tolist(), obs["exit_code"].ravel().tolist()) == ([0], [124])


def test_environments_are_apart(make):
    envs = make()
    envs.reset(seed=2)
    envs.step(tuple(f"export WHO={i}; echo {i} > /tmp/who; echo {i} > who" for i in range(envs.num_envs)))
    obs, *_ = envs.step(("echo $WHO $(cat /tmp/who) $(cat who)",) * envs.num_envs)
    assert obs["output"] == tuple(f"{i} {i} {i}\n" for i in range(envs.num_envs))


def test_options_reach_every_environment(make, easy_task):
    envs = make()
    _, infos = envs.reset(options={"task": easy_task.id})
    assert set(infos["task"]) == {easy_task.id}
    with pytest.raises(ValueError, match="unknown task"):
        envs.reset(options={"task": "no such task"})
    assert envs.reset(seed=0)[0]["turn"].sum() == 0


@pytest.mark.parametrize("sandbox_kind", ["bubblewrap"], indirect=True)
def test_wrong_arguments_surface_once(sandbox_kind):
    with pytest.raises(ValueError, match="Did you mean 'builtin'"):
        gym.make_vec("SWEDocker-v0", num_envs=2, sandbox=sandbox_kind, tasks="bultin")
    with pytest.raises(ValueError, match="num_envs must be at least 1"):
        gym.make_vec("SWEDocker-v0", num_envs=0, sandbox=sandbox_kind)
