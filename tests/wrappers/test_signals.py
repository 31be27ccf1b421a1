"""Signals and functions named by strings."""

from __future__ import annotations

import numpy as np
import pytest
from agents_env import TeamEnv
from episodes import InfoEnv, transition
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from telos import wrappers
from telos.wrappers.arrays import arrays_of
from telos.wrappers.infos import VectorInfo
from telos.wrappers.signals import Signal, evaluate, function_name, load_function, side_by_side


class Infos:
    def __init__(self, values):
        self.values = values

    def get(self, key, default):
        return np.asarray(self.values) if key == "belief" else np.full(len(self.values), default)


class Judges:
    @staticmethod
    def strict(step):
        return np.arange(len(step.active))


def wide(step):
    return np.ones((len(step.active), 4))


def short(step):
    return np.ones(len(step.active) - 1)


def words(step):
    return ["good"] * len(step.active)


def test_terms_functions_and_infos():
    step = transition(3, terms={"tool": np.array([1, 2, 3])}, info=Infos([0.5, 0.25, 0.0]))
    tool = Signal("X", "heads", "tool")
    assert (tool.term, tool(step).tolist(), tool(step).dtype) == ("tool", [1.0, 2.0, 3.0], np.float64)
    judge = Signal("X", "heads", Judges.strict)
    assert (judge.term, judge.name) == (None, f"{__name__}:Judges.strict")
    assert judge(step).tolist() == Signal("X", "heads", judge.name)(step).tolist() == [0.0, 1.0, 2.0]
    assert Signal("X", "heads", wide)(step).shape == (3, 4)
    assert Signal("X", "heads", "info:belief")(step).tolist() == [0.5, 0.25, 0.0]


def test_infos_may_hold_arrays_of_objects():
    boxed = np.empty(2, object)
    boxed[:] = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    assert Signal("X", "heads", "info:belief")(transition(2, info=Infos(boxed))).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_infos_are_needed_only_where_they_are_asked_for():
    signal = Signal("X", "belief", "info:belief")
    infos = Infos([np.nan, 1.0, np.nan])
    with pytest.raises(ValueError, match=r"X: info\['belief'\] is missing \(or NaN\) in row 0"):
        signal(transition(3, info=infos))
    asleep = np.array([False, True, True])
    with pytest.raises(ValueError, match="in row 2"):
        signal(transition(3, info=infos, active=asleep))
    broken = np.array([True, True, False])
    assert signal(transition(3, info=infos, active=asleep, trainable=broken))[1] == 1.0
    assert signal(transition(3, info=infos), rows=np.array([False, True, False]))[1] == 1.0


@pytest.mark.parametrize("value", [True, 1, 1.0, np.float32(1), np.ones(2)], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)
def test_a_vector_in_which_one_environment_lacks_the_key(value, mode):
    """The first two steps of one, the last of the other."""
    full = [{"cost": value}] * 3
    costs = {"cost": "info:cost"}
    whole = SyncVectorEnv([lambda: InfoEnv(full)] * 2, autoreset_mode=mode)
    envs = wrappers.vector.SafetyCost(whole, costs=costs)
    envs.reset()
    for _ in range(3):
        paid = envs.step(np.zeros(2, int))[1]
    assert paid.tolist() == [-np.sum(value)] * 2
    for infos in ([{"cost": value}, {}, {}], [{"cost": value}, {"cost": value}, {}]):
        part = SyncVectorEnv([lambda: InfoEnv(full), lambda infos=infos: InfoEnv(infos)], autoreset_mode=mode)
        envs = wrappers.vector.SafetyCost(part, costs=costs)
        envs.reset()
        for _ in range(sum(map(len, infos))):
            envs.step(np.zeros(2, int))
        with pytest.raises(ValueError, match=r"info\['cost'\] is missing \(or NaN\) in row 1"):
            envs.step(np.zeros(2, int))


def test_agents_of_which_one_lacks_the_key():
    boxed = np.empty(2, object)
    boxed[:] = [np.array([1.0, 2.0]), np.nan]
    with pytest.raises(ValueError, match="missing"):
        Signal("X", "heads", "info:belief")(transition(2, info=Infos(boxed)))
    boxed[1] = "good"
    with pytest.raises(ValueError, match="numbers of one shape"):
        Signal("X", "heads", "info:belief")(transition(2, info=Infos(boxed)))


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("values", "default", "expected"),
    [
        ([3, 4], np.nan, "float64"),
        ([True, False], np.nan, "float64"),
        ([3, 4], -1, "int64"),
        ([True, False], True, "bool"),
        ([2**53 - 1, 0], np.nan, "float64"),
        ([[1, 2], [3, 4]], np.nan, "float64"),
        ([0.5, 0.25], np.nan, "float64"),
    ],
)
@pytest.mark.parametrize("final", [False, True])
def test_missing_infos_fit_in_beside_the_others(library, values, default, expected, final):
    make, number, xp = np.asarray, np.asarray, arrays_of(np.zeros(1))
    if library == "torch":
        torch = pytest.importorskip("torch")
        make, number, xp = lambda v: torch.as_tensor(np.asarray(v)), torch.Tensor.numpy, arrays_of(torch.zeros(1))
    part = {"n": make(values), "_n": make([True, False])}
    infos = {"final_info": part, "_final_info": make([True, False])} if final else part
    got = VectorInfo(infos, 2, xp).get("n", default)
    assert str(got.dtype).removeprefix("torch.") == expected
    assert np.array_equal(number(got), [values[0], np.full(np.shape(values[0]), default)], equal_nan=True)
    nothing = VectorInfo(infos, 2, xp).get("m", default)
    assert np.array_equal(number(nothing), [default] * 2, equal_nan=True)


def test_missing_infos_fit_in_beside_objects():
    infos = {"judge": np.array(["good", None], object), "_judge": np.array([True, False])}
    assert VectorInfo(infos, 2).get("judge", None).tolist() == ["good", None]
    assert VectorInfo({}, 2).get("judge", None).tolist() == [None, None]


class Graded(InfoEnv):
    """Ends at once, with a nested info; ``resolved`` is left out where it is None."""

    def __init__(self, resolved):
        super().__init__([{"grade": {"tests": {"passed": 2}} | ({} if resolved is None else {"resolved": resolved})}])


class GradedTeam(TeamEnv):
    """Agents with nested infos."""

    def step(self, actions):
        results = super().step(actions)
        for agent, info in results[4].items():
            info["grade"] = {"resolved": agent == "agent_1", "tests": {"passed": 2}}
        return results


COSTS = {"costs": {"solved": "info:grade.resolved", "passed": "info:grade.tests.passed"}}


@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)
def test_a_dotted_path_leads_into_nested_infos(mode):
    for resolved in (True, False):
        env = wrappers.SafetyCost(Graded(resolved), **COSTS)
        env.reset()
        assert env.step(0)[1] == -2.0 - resolved
    envs = SyncVectorEnv([lambda: Graded(True), lambda: Graded(False)], autoreset_mode=mode)
    envs = wrappers.vector.SafetyCost(envs, **COSTS)
    envs.reset()
    assert envs.step(np.zeros(2, int))[1].tolist() == [-3.0, -2.0]
    envs = SyncVectorEnv([lambda: Graded(True), lambda: Graded(None)], autoreset_mode=mode)
    envs = wrappers.vector.SafetyCost(envs, **COSTS)
    envs.reset()
    with pytest.raises(ValueError, match=r"info\['grade.resolved'\] is missing \(or NaN\) in row 1"):
        envs.step(np.zeros(2, int))
    team = wrappers.parallel.SafetyCost(GradedTeam(), **COSTS)
    team.reset(seed=0)
    infos = team.step(dict.fromkeys(team.agents, 0))[4]
    assert [info["reward_terms"]["cost.solved"] for info in infos.values()] == [0.0, -1.0, 0.0]


def test_a_plain_key_comes_before_a_path():
    env = InfoEnv([{"a.b": 1.0, "a": {"b": 5.0, "c.d": 7.0}}])
    costs = {"plain": "info:a.b", "mixed": "info:a.c.d"}
    for envs in (wrappers.SafetyCost(env, costs), wrappers.vector.SafetyCost(SyncVectorEnv([lambda: env]), costs)):
        envs.reset()
        terms = envs.step(0 if envs.unwrapped is env else np.zeros(1, int))[4]["reward_terms"]
        assert (terms["cost.plain"], terms["cost.mixed"]) == (-1.0, -7.0)
    for path in ("a.x", "x.b", "a.b.c", "a."):
        missing = wrappers.SafetyCost(env, {"cost": f"info:{path}"})
        missing.reset()
        with pytest.raises(ValueError, match="is missing"):
            missing.step(0)


@pytest.mark.parametrize(("function", "match"), [(short, "first axis must be the 3 row"), (words, "must hold numbers")])
def test_bad_results_are_reported(function, match):
    with pytest.raises(ValueError, match=match):
        Signal("X", "heads", function)(transition(3))


def test_functions_are_found_by_name_and_back():
    assert load_function("X", "potential", "numpy:linalg.norm") is np.linalg.norm
    assert function_name("X", "potential", short) == f"{__name__}:short"
    with pytest.raises(ValueError, match="top level of a module"):
        function_name("X", "potential", lambda obs: obs)
    for name in ("numpy:nothing", "no_such_module:f", ":f", "numpy:"):
        with pytest.raises(ValueError, match=r'X: potential=.*as "module:function"'):
            load_function("X", "potential", name)


def test_evaluate_wants_one_number_each():
    assert evaluate("X", "f", lambda obs: obs[:, 0], np.array([[1, 2], [3, 4]]), 2).tolist() == [1.0, 3.0]
    with pytest.raises(ValueError, match=r"shape \(2, 2\), not \(2,\)"):
        evaluate("X", "f", lambda obs: obs, np.zeros((2, 2)), 2)


def test_side_by_side():
    assert side_by_side(np.array([1, 2]), np.array([[True, False], [False, True]])).tolist() == [[1, 1, 0], [2, 0, 1]]
    for batch in (("12", "3"), {"a": np.zeros(2)}):
        with pytest.raises(ValueError, match="give a function that makes features"):
            side_by_side(np.zeros(2), batch)
