"""Wrappers as text."""

from __future__ import annotations

import json

import gymnasium as gym
import pytest
from agents_env import TeamEnv
from gymnasium.vector import SyncVectorEnv
from reward_envs import TermsEnv, rollout, same

from telos import wrappers
from telos.wrappers.gating import AccumulatedRewardTransform, GatedRewardTransform
from telos.wrappers.registry import TRANSFORMS
from telos.wrappers.specs import parse, parse_arguments, parse_stack, wrap


@pytest.mark.parametrize("name", ["GatedReward", "gated_reward", "gated-reward", "gated", " Gated-Reward "])
def test_any_form_of_a_name(name):
    assert parse(name) == (GatedRewardTransform, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("threshold=0.5,low_cap=0.3", {"threshold": 0.5, "low_cap": 0.3}),
        ("threshold=1e-1, low-cap=none", {"threshold": 0.1, "low_cap": None}),
        ("threshold=inf", {"threshold": float("inf")}),
        ("threshold=1e+2", {"threshold": 100.0}),
        ("strict=yes,pay=hindsight", {"strict": True, "pay": "hindsight"}),
        ("strict=False", {"strict": False}),
        ("outcome=solved-tests", {"outcome": "solved-tests"}),
        ("weights.tool=0.3,weights.unit-tests=2", {"weights": {"tool": 0.3, "unit-tests": 2.0}}),
        ('weights={"tool": 0.3, "a+b": -1},strict=1', {"weights": {"tool": 0.3, "a+b": -1}, "strict": True}),
        ('priorities.outcome=2,gates={"outcome": 0.5}', {"priorities": {"outcome": 2}, "gates": {"outcome": 0.5}}),
    ],
)
def test_values_have_the_types_of_the_fields(text, expected):
    made, arguments = parse(f"gated:{text}")
    assert made is GatedRewardTransform
    assert arguments == expected
    assert [type(value) for value in arguments.values()] == [type(value) for value in expected.values()]


def test_stacks_are_read_from_the_innermost_out():
    expected = [
        (AccumulatedRewardTransform, {"weights": {"tool": 2.0}}),
        (GatedRewardTransform, {"threshold": 100.0}),
        (AccumulatedRewardTransform, {}),
    ]
    assert parse_stack("accumulated:weights.tool=2 + gated:threshold=1e+2+accumulated") == expected
    assert parse_stack("accumulated:weights.tool=2", "gated:threshold=+100", "accumulated") == expected
    assert parse_stack() == []


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("gatd", r"no wrapper 'gatd'\. Did you mean 'gated.*There are: accumulated_reward, gated_reward"),
        ("gated:treshold=1", r"GatedReward has no argument 'treshold'\. Did you mean 'threshold'\?.*low_cap"),
        ("gated:threshold", r"'threshold' is no argument; write name=value"),
        ("gated:threshold=high", "threshold='high' must be a number"),
        ("gated:strict=maybe", "strict='maybe' must be true or false"),
        ("gated:pay=terminl", "'terminl' is not one of 'terminal', 'hindsight'; did you mean 'terminal'"),
        ("gated:threshold=1,threshold=2", "'threshold' is given twice"),
        ("gated:threshold.x=1", "threshold is no mapping"),
        ("gated:weights=0.3", "must be JSON such as"),
        ("gated:weights.tool=much", r"weights\.tool='much' must be a number"),
        ("gated:priorities.tool=1.5", r"priorities\.tool='1\.5' must be a whole number"),
        ("", "no wrapper ''"),
    ],
)
def test_mistakes_are_explained(spec, match):
    with pytest.raises(ValueError, match=match):
        parse(spec)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20", 20),
        ("10_000", 10_000),
        ("-1e-1", -0.1),
        ("2.0", 2.0),
        ("inf", float("inf")),
        ("true", True),
        ("False", False),
        ("none", None),
        ("None", None),
        ("ring", "ring"),
        ("a=b", "a=b"),
        ("", ""),
        ('"20"', "20"),
        ("[1, 2.5]", [1, 2.5]),
        ('{"a": 1}', {"a": 1}),
    ],
)
def test_arguments_without_types_are_read_as_what_they_look_like(text, value):
    (read,) = parse_arguments([f" some-name = {text}"]).items()
    assert read == ("some_name", value)
    assert type(read[1]) is type(value)


def test_arguments_are_told_apart():
    assert parse_arguments(["size=20", "kind=ring"]) == {"size": 20, "kind": "ring"}
    assert parse_arguments([]) == {}
    for wrong in ("size", "=20", ""):
        with pytest.raises(ValueError, match="is no argument; write name=value"):
            parse_arguments(["kind=ring", wrong])
    with pytest.raises(ValueError, match="'some_name' is given twice"):
        parse_arguments(["some-name=1", "some_name=1"])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_wrapper_is_found_by_its_name(name):
    assert parse(name)[0] is TRANSFORMS[name].load()


@pytest.mark.parametrize(
    ("name", "kwargs"), [(name, dict(example)) for name, entry in TRANSFORMS.items() for example in entry.examples]
)
def test_every_example_can_be_written_as_text(name, kwargs):
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in kwargs.items()}
    made, arguments = parse(f"{name}:" + ",".join(f"{key}={text}" for key, text in texts.items()) if kwargs else name)
    assert made(**arguments).arguments == made(**kwargs).arguments


def test_wrap_takes_environments_of_every_kind():
    spec = "accumulated:weights.tool=2+gated:threshold=0.5"
    env = wrap(TermsEnv(), spec)
    by_hand = wrappers.GatedReward(wrappers.AccumulatedReward(TermsEnv(), {"tool": 2.0}), threshold=0.5)
    assert str(env) == str(by_hand)
    assert same(rollout(env, [1, 1, 2]), rollout(by_hand, [1, 1, 2]))
    assert isinstance(wrap(SyncVectorEnv([TermsEnv] * 2), spec), wrappers.vector.GatedReward)
    assert isinstance(wrap(TeamEnv(), spec), wrappers.parallel.GatedReward)
    plain = gym.make("CartPole-v1")
    assert wrap(plain) is plain
    with pytest.raises(TypeError, match="not int"):
        wrap(3, spec)
