"""The example of the contributing guide works as it stands there."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from telos.envs.engine.rules import rule

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def corridor(tmp_path):
    """The example as a module of its own."""
    (source,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert source.count("\n") <= 85
    path = tmp_path / "corridor_of_the_guide.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


def test_it_is_a_gymnasium_environment(corridor):
    check_env(corridor.CorridorEnv(length=4), skip_render_check=True)


def test_the_turn_at_the_start_pays_at_the_end(corridor):
    env = corridor.CorridorEnv(length=4)
    for right in (True, False):
        (_, sign), _ = env.reset(seed=3)
        total = 0.0
        terminated = False
        first = sign if right else 1 - sign
        while not terminated:
            observation, reward, terminated, _, info = env.step(int(first))
            assert sum(info["reward_terms"].values()) == reward
            assert observation[1] == -1
            total += reward
        assert total == pytest.approx(0.96 if right else -0.04)


@rule
def observe_place_only(i, state, params, observation):
    observation[i, 0] = state.place[i]
    observation[i, 1] = -1


def test_rules_may_depend_on_the_arguments(corridor):
    class Corridor(corridor.Corridor):
        def __init__(self, length: int = 10, blind: bool = False) -> None:
            super().__init__(length)
            if blind:
                self.observe_rule = observe_place_only

    class Env(corridor.CorridorEnv):
        family_type = Corridor

    shown = [[Env(blind=blind).reset(seed=seed)[0][1] for seed in range(20)] for blind in (False, True, False)]
    assert set(shown[0]) == {0, 1}
    assert set(shown[1]) == {-1}
    assert shown[2] == shown[0]


def test_its_vector_face_agrees(corridor):
    envs = corridor.CorridorVectorEnv(num_envs=50, length=3, autoreset_mode=AutoresetMode.SAME_STEP)
    first, _ = envs.reset(seed=5)
    assert set(first[:, 1]) == {0, 1}
    single = corridor.CorridorEnv(length=3)
    assert all(np.array_equal(single.reset(seed=5 + i)[0], first[i]) for i in range(50))
    for _ in range(2):
        envs.step(first[:, 1])
    observations, rewards, terminated, _, infos = envs.step(first[:, 1])
    assert terminated.all()
    assert np.allclose(rewards, 0.99)
    assert (infos["final_info"]["reward_terms"]["goal"] == 1.0).all()
    assert (observations[:, 0] == 0).all()
