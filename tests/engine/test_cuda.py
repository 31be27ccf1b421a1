"""``device="cuda"``: in Numba's simulator on every machine, and on a GPU where there is one."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import team
import vector_trajectory
from gymnasium import spaces
from simulated import SIMULATED, VARIANTS, arguments_of, class_of

from telos.envs.engine.arrays import arrays_on
from telos.envs.engine.faces import make_family
from telos.envs.registry import ENVIRONMENTS

torch = pytest.importorskip("torch")
TEAMS = {
    "one agent": ("team:TeamVectorEnv", {"num_agents": 1}),
    "team": ("team:TeamParallelVectorEnv", {"num_agents": 3}),
}


def vector_face(case):
    """Entry point and arguments."""
    env_id, arguments = arguments_of(case)
    return ENVIRONMENTS[env_id].vector_entry_point, arguments


def rules_of(entry_point, arguments):
    """What is compiled for a family with these arguments, and whether it is for the host only."""
    family = make_family(class_of(entry_point).family_type, arguments)
    return (family.step_rule, family.observe_rule, "cuda" in family.devices)


EVERY = {case: vector_face(case) for case in [*SIMULATED, *VARIANTS]} | TEAMS
#: Families with the same rules are tested once.
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
CASES = {rules_of(*of_case): case for case, of_case in EVERY.items()}.values()
HOST_ONLY = sorted({entry for entry, _ in EVERY.values() if "cuda" not in class_of(entry).family_type.devices})


@pytest.mark.parametrize("case", CASES)
def test_the_vector_face_agrees_in_the_simulator(case, capsys):
    entry_point, arguments = EVERY[case]
    vector_trajectory.main(entry_point, arguments, "cpu")
    expected = capsys.readouterr().out
    done = subprocess.run(
        [sys.executable, vector_trajectory.__file__, entry_point, json.dumps(arguments), "cuda"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "true" in expected
    assert done.stdout == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("case", CASES)
def test_the_vector_face_agrees_on_a_gpu(case, capsys):
    outputs = []
    for device in ("cpu", "cuda"):
        vector_trajectory.main(*EVERY[case], device)
        outputs.append(capsys.readouterr().out)
    assert NUMBER.sub("", outputs[0]) == NUMBER.sub("", outputs[1])
    # A GPU's exponentials and logarithms differ in the last bits.
    np.testing.assert_allclose(*(np.array(NUMBER.findall(out), float) for out in outputs), rtol=1e-6, atol=1e-12)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_gpu_is_told():
    with pytest.raises(RuntimeError, match="needs an NVIDIA GPU"):
        team.TeamVectorEnv(2, num_agents=1, device="cuda")


def test_a_missing_pytorch_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'telos-gym\[baselines\]'"):
        arrays_on("cuda")


def test_an_unknown_device_is_told():
    with pytest.raises(ValueError, match="Team runs on cpu and cuda, not on device='tpu'"):
        team.TeamVectorEnv(2, num_agents=1, device="tpu")


def test_a_family_for_the_host_says_so(monkeypatch):
    monkeypatch.setattr(team.Team, "devices", ("cpu",))
    with pytest.raises(ValueError, match="Team runs on cpu, not on device='cuda'"):
        team.TeamVectorEnv(2, num_agents=1, device="cuda")


@pytest.mark.parametrize("entry_point", HOST_ONLY)
def test_registered_families_for_the_host_say_so(entry_point):
    with pytest.raises(ValueError, match="runs on cpu, not on device='cuda'"):
        class_of(entry_point)(2, device="cuda")


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_actions_are_checked_wherever_they_are(array):
    family = team.Team(num_agents=2)
    good = array([[0, 1], [2, 0]])
    assert family.check_actions(good, None) is good
    assert family.check_actions(array([[True, False]]), None).shape == (1, 2)
    for bad in (3, -1):
        with pytest.raises(ValueError, match=rf"environment 1 is not in Discrete\(3\): \[{bad} +0\]"):
            family.check_actions(array([[0, 1], [bad, 0]]), None)
    with pytest.raises(ValueError, match="must be integers"):
        family.check_actions(array([[0.0, 1.0]]), None)
    with pytest.raises(ValueError, match=r"must have shape \('num_envs', 2\), got \(1, 3\)"):
        family.check_actions(array([[0, 1, 2]]), None)
    uneven = team.Team(num_agents=1)
    uneven.action_space = spaces.MultiDiscrete([2, 300], start=[0, 5])
    assert len(uneven.check_actions(array([[[1, 304]], [[0, 5]]]), None)) == 2
    # Also where a bound does not fit the type of the actions.
    small = array(np.array([[[1, 100]]], np.int8))
    assert uneven.check_actions(small, None) is small
    for bad in ([2, 5], [0, 4], [0, 305]):
        with pytest.raises(ValueError, match="environment 1 is not in MultiDiscrete"):
            uneven.check_actions(array([[[0, 5]], [bad]]), None)
