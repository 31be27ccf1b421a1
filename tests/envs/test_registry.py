"""What every registered environment must do: one parametrised walk over the table.

A new environment needs a row in ``CASES`` and nothing else.
"""

import functools
import inspect
import json
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import telos
from telos.envs.recsys.logged.example import example_root
from telos.envs.registry import ENVIRONMENTS

SECTIONS = [
    *("Description", "Action Space", "Observation Space", "Rewards", "Reward terms", "Starting State"),
    *("Episode End", "Termination", "Truncation", "Info", "Arguments", "Vectorized environment", "Determinism"),
    *("Baselines", "Licence and data source", "References", "Version History"),
]


@dataclass(frozen=True)
class Case:
    """One way to make an environment, and what to do in it.

    Attributes:
        kwargs: Arguments of ``gym.make``.
        script: Sensible actions that lead to an end.
        sampled: How many further episodes of sampled actions are played.
        volatile: Keys of ``info`` that the docstring calls non-deterministic.
        needs_docker: Whether it needs a Docker engine.
        truncates: Whether it has a budget of steps of its own.
    """

    kwargs: dict[str, Any]
    script: list[Any]
    sampled: int = 2
    volatile: frozenset[str] = field(default_factory=frozenset)
    needs_docker: bool = False
    truncates: bool = True


SWE_SCRIPT = [
    "git log --format=%s && git status --short && ls -A",
    "cd /tmp && export WHERE=here",
    'echo "$WHERE in $PWD"; cd /testbed',
    "python3 -c \"print(set('abcdefgh'), hash('x'), {b'a', b'b'})\"",
    "<view path='.'/>",
    '<search pattern="^def |^class "/>',
    '<search pattern="(unclosed"/>',
    "python3 -m pytest -q -p no:cacheprovider tests | grep -v ' in '",
    "<view path='README.md' start='1' end='5'/>",
    "<edit path='notes/new file.txt'><old></old><new>first\nsecond</new></edit>",
    "<edit path='notes/new file.txt'><old>second</old><new>third</new></edit>",
    "<edit path='notes/new file.txt'><old>absent</old><new>third</new></edit>",
    "<oops/>",
    "exit 3",
    "cat notes/*; false",
    "seq 100000",
    "printf '\\377\\0\\n' | tee bytes.bin",
    "git add -A && git commit -qm work && git show --stat --format=%an",
    "<submit/>",
]
SWE = {"max_turns": 25, "command_timeout": 30.0}
CASES = {
    "SWEDocker-v0": {
        kind: Case(
            {**SWE, "sandbox": kind},
            SWE_SCRIPT,
            sampled=1,
            volatile=frozenset({"timing", "resources"}),
            needs_docker=kind == "docker",
        )
        for kind in ("bubblewrap", "docker")
    },
    "SWETools-v0": {
        "": Case(
            {**SWE, "sandbox": "bubblewrap", "candidates": 4},
            [0, 4, 6, 7, 8] + [0, 1] * 10,
            sampled=3,
            volatile=frozenset({"timing", "resources"}),
        )
    },
    **{
        env_id: {"": Case({"instance_seed": 3}, [[0] * entries], sampled=3, truncates=False)}
        for env_id, entries in {
            "RestlessBandit-v0": 20,
            "CoRMABIntervention-v0": 10,
            "CoRMABPath-v0": 20,
            "CoRMABMatching-v0": 20,
            "CoRMABCapacity-v0": 20,
        }.items()
    },
    "LTSRec-v0": {
        name: Case({"horizon": 40, "sim_noise": 1.0, **kwargs}, script, truncates=False)
        for name, kwargs, script in (
            ("", {}, [0, 29] * 20),
            ("continuous", {"action": "continuous", "observe_user": True, "observe_time": True}, [[0.5]] * 40),
        )
    },
    "DriverProgram-v0": {
        "": Case({"horizon": 45}, [[0.5, 0.4], [-1.0, -1.0], [1.0, 1.0]] * 15, truncates=False),
        "grid": Case({"action": "grid", "observe_driver": True}, [0, 20, 36] * 10, truncates=False),
    },
    "LoggedRec-v0": {
        name: Case({"data_root": example_root(), "days": 3, **kwargs}, script, sampled=6, truncates=False)
        for name, kwargs, script in (("", {}, [0, 7, 3] * 50), ("slates", {"slate": 2}, [[0, 7], [3, 4]] * 50))
    },
    "RetentionRec-v0": {"": Case({}, [[0, 4, 7, 10, 14], [1, 1, 1, 2, 2]] * 80, truncates=False)},
    "SlateRec-v0": {
        name: Case({"horizon": 40, "patience": [6.0, 9.0], **kwargs}, [list(range(10))] * 9, sampled=9, truncates=False)
        for name, kwargs in (("", {}), ("bored of all", {"boredom": "all", "new_items": 0.5}))
    },
    "Crafter-v0": {"": Case({"size": [24, 24], "length": 30, "goal": "collect_sapling"}, [5] * 30, sampled=6)},
    "LoiterChain-v0": {"": Case({"horizon": 15}, [0] * 5, sampled=8, truncates=False)},
    "StepChain-v0": {"": Case({"max_steps": 12}, [0] * 4 + [2], sampled=20, truncates=False)},
    "DeepSea-v0": {
        name: Case({"instance_seed": 3, "stochastic": stochastic}, [0] * 10, sampled=5, truncates=False)
        for name, stochastic in {"": False, "stochastic": True}.items()
    },
    "RandomMDP-v0": {"": Case({"instance_seed": 3}, [0] * 100, truncates=False)},
    "FourRooms-v0": {"": Case({"slip": 0.2}, [0, 1] * 30, truncates=False)},
}
FIRST = [(env_id, next(iter(cases.values()))) for env_id, cases in CASES.items()]
ALL = [
    pytest.param(env_id, case, id=f"{env_id}-{name}") for env_id, cases in CASES.items() for name, case in cases.items()
]
each_environment = pytest.mark.parametrize("env_id", ENVIRONMENTS)
each_first_case = pytest.mark.parametrize(("env_id", "case"), FIRST, ids=[env_id for env_id, _ in FIRST])
each_case = pytest.mark.parametrize(("env_id", "case"), ALL)


@functools.cache
def no_docker():
    """Why the engine cannot be used, or an empty text."""
    from telos.envs.swe.errors import SandboxUnavailableError
    from telos.envs.swe.image import image_is_current

    try:
        return "" if image_is_current() else "the base image is missing or old: `telos swe build-image`"
    except SandboxUnavailableError as error:
        return str(error)


def require(case):
    """Skips a case that cannot run here, unless the run must not skip any."""
    if case.needs_docker and no_docker() and os.environ.get("TELOS_REQUIRE_DOCKER") != "1":
        pytest.skip(no_docker())


def python(code, *, hash_seed="random", **settings):
    """Runs Python code in a fresh process and returns what it printed."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False, **settings
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- registration ---------------------------------------------------------------------------------------


def test_every_environment_has_a_case():
    assert CASES.keys() == ENVIRONMENTS.keys()


@each_environment
def test_registration_is_idempotent(env_id):
    before = gym.spec(env_id)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        telos.register_environments()
        telos.register_environments()
    assert gym.spec(env_id) is before


@each_environment
def test_entry_points_are_strings_and_budgets_are_the_environments_own(env_id):
    spec = gym.spec(env_id)
    assert isinstance(spec.entry_point, str)
    assert isinstance(spec.vector_entry_point, str)
    assert spec.max_episode_steps is None
    assert ENVIRONMENTS[env_id].summary.count("\n") == 0


@each_environment
def test_spec_survives_json_and_pickle(env_id):
    spec = gym.spec(env_id)
    assert EnvSpec.from_json(spec.to_json()) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec


@each_first_case
def test_the_spec_of_an_instance_makes_its_like(env_id, case):
    env = gym.make(env_id, **case.kwargs)
    spec = env.spec
    env.close()
    assert spec.kwargs.items() >= case.kwargs.items()
    for again in (EnvSpec.from_json(spec.to_json()), pickle.loads(pickle.dumps(spec))):
        twin = gym.make(again)
        assert type(twin.unwrapped) is type(env.unwrapped)
        assert twin.observation_space == env.observation_space
        assert twin.action_space == env.action_space
        twin.close()


@each_first_case
def test_make_with_the_package_before_the_id(env_id, case):
    env = gym.make(f"telos:{env_id}", **case.kwargs)
    assert env.spec.id == env_id
    env.close()


@each_first_case
def test_make_in_a_spawned_process(env_id, case):
    """A worker that has imported nothing: the prefix alone must register the environments."""
    code = (
        "import sys, gymnasium; assert 'telos' not in sys.modules\n"
        f"env = gymnasium.make('telos:{env_id}', **{case.kwargs!r})\n"
        "obs, info = env.reset(seed=1)\n"
        "assert obs in env.observation_space\n"
        "env.close()"
    )
    worker = multiprocessing.get_context("spawn").Process(target=exec, args=(code, {}))
    worker.start()
    worker.join(120)
    assert worker.exitcode == 0


def test_importing_telos_loads_nothing_heavy():
    heavy = {"torch", "docker", "numba", "pytest", "_pytest", "requests", "matplotlib", "rich", "tyro"}
    code = "import gymnasium, sys; before = set(sys.modules); import telos; print(*(set(sys.modules) - before))"
    loaded = {name.partition(".")[0] for name in python(code).split()}
    assert "telos" in loaded
    assert not heavy & loaded


def test_importing_telos_prints_nothing():
    assert python("import telos") == ""


# -- Gymnasium's own checks -----------------------------------------------------------------------------


def shows_windows(env):
    """What has pictures for people shows them in a window; else there are words, which are printed."""
    return {"human", "rgb_array"} <= set(env.metadata["render_modes"])


@each_case
def test_check_env_without_a_warning(env_id, case, monkeypatch):
    require(case)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(env_id, **case.kwargs)
        try:
            check_env(env.unwrapped, skip_render_check=shows_windows(env) and find_spec("pygame") is None)
        finally:
            env.close()


@each_first_case
def test_nondeterministic_is_declared_only_with_a_reason(env_id, case):
    """Gymnasium compares ``info`` too, so a deterministic environment can have nothing volatile in it."""
    declared = gym.spec(env_id).nondeterministic
    assert declared == bool(case.volatile)


@each_first_case
def test_closing_twice(env_id, case):
    env = gym.make(env_id, **case.kwargs)
    env.reset(seed=0)
    env.close()
    env.close()


@each_first_case
def test_step_before_reset_is_an_error(env_id, case):
    env = gym.make(env_id, **case.kwargs).unwrapped
    with pytest.raises(gym.error.ResetNeeded):
        env.step(case.script[0])
    env.close()


@each_first_case
def test_every_render_mode(env_id, case, capsys, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    modes = gym.make(env_id, **case.kwargs)
    modes.close()
    assert modes.metadata["render_modes"]
    for mode in modes.metadata["render_modes"]:
        if mode == "human" and shows_windows(modes):
            pytest.importorskip("pygame")
        env = gym.make(env_id, render_mode=mode, **case.kwargs)
        assert env.render_mode == mode
        env.reset(seed=0)
        capsys.readouterr()
        env.step(case.script[0])
        shown, printed = env.render(), capsys.readouterr().out
        if mode == "human":
            assert shown is None
            assert bool(printed) != shows_windows(env)
        else:
            assert shown is not None
            assert not printed
        env.close()


@each_first_case
@pytest.mark.filterwarnings("ignore")
def test_an_unknown_render_mode_is_refused(env_id, case):
    with pytest.raises(ValueError, match="render_mode"):
        gym.make(env_id, render_mode="hologram", **case.kwargs)


@each_first_case
@pytest.mark.parametrize("mode", AutoresetMode)
def test_make_vec_gives_the_native_vector_environment(env_id, case, mode):
    # Not through `vector_kwargs`, which Gymnasium refuses for a native vector environment.
    envs = gym.make_vec(env_id, num_envs=2, autoreset_mode=mode, **case.kwargs)
    module, _, name = ENVIRONMENTS[env_id].vector_entry_point.partition(":")
    assert (type(envs.unwrapped).__module__, type(envs.unwrapped).__name__) == (module, name)
    assert envs.num_envs == 2
    assert envs.metadata["autoreset_mode"] is mode
    single = gym.make(env_id, **case.kwargs)
    assert envs.single_observation_space == single.observation_space
    assert envs.single_action_space == single.action_space
    assert envs.spec.id == env_id
    single.close()
    envs.close()
    envs.close()


# -- roll-outs ------------------------------------------------------------------------------------------

ROLLOUT = """
import json, sys
import gymnasium as gym
import numpy as np
import telos

def plain(value):
    if isinstance(value, dict):
        return [[key, plain(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(plain, value)]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, value.tolist()]
    return [type(value).__name__, value if isinstance(value, (str, type(None))) else repr(value)]

case = json.loads(sys.stdin.read())
env = gym.make(case["id"], **case["kwargs"])
env.action_space.seed(5)
steps = []
for episode in range(1 + case["sampled"]):
    obs, info = env.reset(seed=11 if episode == 0 else None)
    steps.append([None, plain(obs), None, False, False, info])
    script = iter(case["script"] if episode == 0 else ())
    ended = False
    while not ended:
        action = next(script, None)
        while action is None or (isinstance(action, str) and episode and "&" in action):
            # In a shell, what runs in the background writes when it likes.
            action = env.action_space.sample()
        obs, reward, terminated, truncated, info = env.step(action)
        steps.append([plain(action), plain(obs), reward, terminated, truncated, info])
        ended = terminated or truncated
env.close()
for step in steps:
    info = step[-1]
    step[-1] = {"keys": list(info), "terms": info.get("reward_terms"), "rest": {
        key: plain(value) for key, value in info.items() if key not in case["volatile"]}}
print(json.dumps(steps, default=float))
"""


@functools.cache
def rollout(env_id, name, hash_seed):
    """One scripted and some sampled episodes, in a process of their own."""
    case = CASES[env_id][name]
    setting = {"id": env_id, "kwargs": case.kwargs, "script": case.script, "sampled": case.sampled}
    setting["volatile"] = sorted(case.volatile)
    return json.loads(python(ROLLOUT, hash_seed=hash_seed, input=json.dumps(setting)))


def named(case):
    return next((env_id, name) for env_id, cases in CASES.items() for name, item in cases.items() if item is case)


@each_case
def test_two_processes_with_different_hash_seeds_agree(env_id, case):
    require(case)
    env_id, name = named(case)
    first, second = rollout(env_id, name, "1"), rollout(env_id, name, "4242")
    assert len(first) == len(second)
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        assert one == other, f"step {number}, action {one[0]}"


@each_first_case
def test_a_rollout_is_long_and_sees_both_kinds_of_end(env_id, case):
    steps = rollout(*named(case), "1")
    assert len(steps) > 40
    assert any(terminated for *_, terminated, _, _ in steps)
    assert any(truncated for *_, truncated, _ in steps) == case.truncates


@each_case
def test_reward_is_exactly_the_sum_of_its_terms(env_id, case):
    require(case)
    rewards = set()
    for action, _, reward, _, _, info in rollout(*named(case), "1"):
        if action is not None:
            assert sum(info["terms"].values()) == reward
            rewards.add(reward)
    assert len(rewards) > 1, "nothing but one value of the reward was seen"


# -- documentation --------------------------------------------------------------------------------------


def docstring(env_id):
    """The docstring of an environment and its sections: heading to text."""
    module, _, name = ENVIRONMENTS[env_id].entry_point.partition(":")
    text = inspect.cleandoc(getattr(__import__(module, fromlist=[name]), name).__doc__)
    parts = re.split(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return text, dict(zip(parts[1::2], parts[2::2], strict=True))


@each_environment
def test_docstring_has_every_section_in_the_fixed_order(env_id):
    _, sections = docstring(env_id)
    assert [heading for heading in sections if heading in SECTIONS] == SECTIONS
    empty = [heading for heading, text in sections.items() if not text.strip() and heading != "Episode End"]
    assert not empty


@each_case
def test_docstring_names_every_info_key_and_term_that_a_rollout_shows(env_id, case):
    require(case)
    _, sections = docstring(env_id)
    steps = rollout(*named(case), "1")
    keys = {key for *_, info in steps for key in info["keys"]}
    terms = {term for *_, info in steps for term in info["terms"] or ()}
    assert {key for key in keys if f"`{key}`" not in sections["Info"]} == set()
    assert {term for term in terms if f"`{term}`" not in sections["Reward terms"]} == set()
    assert "outcome" in sections["Reward terms"]


@each_first_case
def test_docstring_says_what_is_not_deterministic(env_id, case):
    _, sections = docstring(env_id)
    assert all(f'info["{key}"]' in sections["Determinism"] for key in case.volatile)


@each_environment
def test_docstring_names_every_argument_with_its_default(env_id):
    module, _, name = ENVIRONMENTS[env_id].entry_point.partition(":")
    _, sections = docstring(env_id)
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", sections["Arguments"], flags=re.MULTILINE))
    parameters = inspect.signature(getattr(__import__(module, fromlist=[name]), name)).parameters
    # Arguments that are handed on are documented where they go.
    own = [parameter for parameter in parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    wanted = {parameter.name: parameter.default for parameter in own if parameter.name != "render_mode"}
    assert rows.keys() == wanted.keys()
    for parameter, default in wanted.items():
        # Strings are quoted in the table as in JSON.
        written = json.dumps(default) if isinstance(default, str) else str(default)
        assert rows[parameter].strip("`") == written, parameter


@each_environment
def test_source_of_an_environment_is_in_the_package(env_id):
    for entry in (ENVIRONMENTS[env_id].entry_point, ENVIRONMENTS[env_id].vector_entry_point):
        module, _, name = entry.partition(":")
        source = inspect.getsourcefile(getattr(__import__(module, fromlist=[name]), name))
        assert Path(source).is_relative_to(Path(telos.__file__).parent)
