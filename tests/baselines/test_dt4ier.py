"""DT4IER: causality, two returns that are asked for, the losses that it has beside the likelihood, resuming."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gymnasium import spaces  # noqa: E402
from offline_envs import log_of, random_policy, same, weights_of  # noqa: E402

from telos.baselines.dt4ier import Args, load_policy, train  # noqa: E402
from telos.baselines.evaluation import evaluate, evaluate_in  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.networks import ObservationEncoder  # noqa: E402
from telos.baselines.recording import EpisodeRecorder, record_episodes  # noqa: E402
from telos.baselines.two_returns import (  # noqa: E402
    ReturnBalance,
    RewardEncoder,
    TwoReturnPolicy,
    TwoReturnTransformer,
    goal_episode,
    goal_space,
)
from telos.wrappers import Episode, save_episodes  # noqa: E402

CPU = torch.device("cpu")
ITEMS = spaces.MultiDiscrete([3, 4])
LEARNS = {"total_steps": 250, "eval_every": 250, "learning_rate": 5e-3, "layers": 1, "log_every": 250}


class PaysEither(gym.Env):
    """Four steps, each of which pays one of two terms, or neither; observes nothing but the step."""

    observation_space = spaces.Box(0, 4, (2,), np.float32)
    action_space = spaces.Discrete(3, start=2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        terms = {"click": float(action == 2), "retention": 2.0 * (action == 3)}
        observation = np.array([self.count, 0], np.float32)
        return observation, sum(terms.values()), self.count == 4, False, {"reward_terms": terms}


if "TestPaysEither-v0" not in gym.registry:
    gym.register("TestPaysEither-v0", entry_point=PaysEither)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "episodes.npz"
    env = "TestPaysEither-v0"
    save_episodes(path, record_episodes(random_policy(env), env, episodes=300)[0])
    return path


def arguments(folder, path, **given):
    small = {"hidden": 16, "layers": 2, "heads": 2, "context": 4, "warmup_steps": 10, "learning_rate": 3e-3}
    quick = {"log_every": 20, "batch_size": 32, "seed": 3, "validation": 0.2, "tensorboard": False, "dropout": 0.0}
    often = {"total_steps": 40, "eval_every": 20, "checkpoint_every": 20, "eval_episodes": 4}
    files = {"out": folder / "runs", "device": "cpu", "episodes": (path,)}
    return Args(**{"env": "TestPaysEither-v0", **files, **small, **quick, **often, **given})


def network(observations, actions=ITEMS, seed=0, **flags):
    encode = ObservationEncoder(goal_space(observations), CPU)
    sizes = {"width": 16, "layers": 3, "heads": 2, "dropout": 0.1, "timesteps": 50}
    given = {"balanced": True, "bucketed": True, **sizes, **flags}
    return TwoReturnTransformer(encode, actions, seed=seed, **given).eval(), encode


@pytest.mark.parametrize("flag", [True, False])
def test_nothing_leaks_from_the_step_that_is_predicted_or_later_ones(flag):
    net, _ = network(spaces.Box(-1, 1, (3,)), balanced=flag, bucketed=flag)
    g = torch.Generator().manual_seed(0)
    seen, actions = torch.rand(2, 6, 5, generator=g), torch.randint(3, (2, 6, 2), generator=g)
    timesteps, t = torch.arange(6).expand(2, 6), 3

    def forward(seen, actions):
        return net(torch.zeros(2, 6), seen, actions, timesteps)

    before = forward(seen, actions)
    other = actions.clone()
    other[:, t] = (other[:, t] + 1) % 3
    at = (torch.arange(6) == t)[:, None] * 0.5
    # The columns are three of the observation and the two returns-to-go.
    changed = [(forward(seen + at * (torch.arange(5) == column), actions), t) for column in range(5)]
    changed.append((forward(seen, other), t + 1))
    for after, first in changed:
        assert torch.equal(after[:, :first], before[:, :first])
        assert ((after[:, first:] - before[:, first:]).abs().amax(dim=2) > 1e-7).all()
    everything_later = seen.clone(), actions.clone()
    everything_later[0][:, t + 1 :] = 9.0
    everything_later[1][:, t:] = 0
    assert torch.equal(forward(*everything_later)[:, : t + 1], before[:, : t + 1])


@torch.no_grad()
@pytest.mark.parametrize("context", [1, 3])
def test_acting_is_a_forward_pass_on_what_is_left_of_both_returns(context):
    envs = gym.make_vec("RetentionRec-v0", num_envs=3, horizon=4)
    net, encode = network(envs.single_observation_space, envs.single_action_space, seed=1)
    net.load_state_dict({k: v if k == "target" else v * 2 for k, v in net.state_dict().items()})
    recorder = EpisodeRecorder(envs, np.full(3, 2))
    evaluate_in(recorder, TwoReturnPolicy(net, encode, context, ("click", "retention"), (3.0, 2.0)), 6, seed=0)
    for episode in recorder.episodes:
        n = len(episode)
        terms = np.stack([episode.terms["click"], episode.terms["retention"]], axis=1)
        left = np.array([3.0, 2.0]) - np.concatenate([np.zeros((1, 2)), terms.cumsum(axis=0)[:-1]])
        seen = np.concatenate([episode.obs[:n], left], axis=1).astype(np.float32)
        for t in range(n):
            window = slice(max(0, t + 1 - context), t + 1)
            parts = (torch.as_tensor(part[window])[None] for part in (seen, episode.actions, np.arange(n)))
            outputs = net(torch.zeros(1, 1), *parts)
            assert net.head.mode(outputs[:, -1], None)[0].tolist() == episode.actions[t].tolist()
    envs.close()


def test_returns_to_go_by_hand():
    terms = {"click": np.array([1.0, 0.0, 2.0]), "retention": np.array([0.0, 1.0, 0.0]), "else": np.full(3, 9.0)}
    told = goal_episode(Episode(np.zeros((4, 2)), np.zeros(3, int), terms), ("click", "retention"))
    assert told.obs["returns_to_go"].tolist() == [[3, 1], [2, 1], [2, 0], [0, 0]]


def test_it_gets_what_it_is_asked_for(tmp_path, recorded):
    run = train(arguments(tmp_path, recorded, target_returns=(1.0, 4.0), **LEARNS))
    assert log_of(run)[-1]["eval/click"] == 1.0
    assert log_of(run)[-1]["eval/retention"] == 4.0
    for asked in ((0.0, 0.0), (2.0, 0.0), (0.0, 4.0), (2.0, 4.0), (1.0, 6.0)):
        found = evaluate(load_policy(run.folder, target_returns=asked), "TestPaysEither-v0", episodes=3, num_envs=2)
        assert (found.terms["click"].mean(), found.terms["retention"].mean()) == asked
    assert load_policy(run.folder).target.tolist() == [1.0, 4.0]


def test_by_default_it_asks_for_most_of_the_best(tmp_path, recorded):
    run = train(arguments(tmp_path, recorded, total_steps=1, proportion=0.5))
    assert load_policy(run.folder).target == pytest.approx([2.0, 4.0])
    assert log_of(run)[0]["data/target_retention"] == pytest.approx(4.0)


def test_the_weights_make_returns_equal_unless_one_is_thrice_the_other():
    for returns, expected in (((1.0, 2.0), 2 / 3), ((0.2, 0.1), 1 / 3), ((1.0, 4.0), 0.0)):
        first = torch.linspace(0, 1, 1001)
        weights = torch.stack([first, 1 - first], dim=1)
        losses = ReturnBalance.loss(weights, torch.tensor(returns).expand(1001, 2), 0.5)
        assert float(first[losses.argmin()]) == pytest.approx(expected, abs=1e-3)
    by_hand = ReturnBalance.loss(torch.tensor([0.25, 0.75]), torch.tensor([4.0, 2.0]), 0.5)
    assert float(by_hand) == 0.5 * 0.5 - 2.5


def test_the_weights_are_learned_from_the_users(tmp_path, recorded):
    """In the data both returns are alike by their largest, so that they should count alike."""
    learned = log_of(train(arguments(tmp_path, recorded, **LEARNS)))[-2]
    assert learned["balance/click"] == pytest.approx(0.5, abs=0.15)
    assert learned["losses/balance"] < 0
    without = log_of(train(arguments(tmp_path, recorded, balance=False, label="NAW")))[-2]
    assert without["balance/click"] == 0.5
    assert without["losses/balance"] == 0.0


def test_reward_embeddings_are_means_of_buckets_and_no_plane():
    encoder = RewardEncoder(16)
    embedded = encoder(torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 50)
    assert embedded.shape == (200, 16)
    buckets = encoder.buckets.weight
    assert (embedded <= buckets.amax(dim=0) + 1e-5).all()
    assert (embedded >= buckets.amin(dim=0) - 1e-5).all()
    values = torch.linalg.svdvals((embedded - embedded.mean(dim=0)).double())
    assert values[2] > 1e-3 * values[0]


def test_the_contrastive_loss_is_used(tmp_path, recorded):
    runs = {
        weight: train(arguments(tmp_path, recorded, contrast=weight, label=f"{weight}", total_steps=80))
        for weight in (0.0, 0.1, 30.0)
    }
    assert not same(weights_of(runs[0.0]), weights_of(runs[0.1]))
    lines = {weight: [line for line in log_of(run) if "losses/contrast" in line] for weight, run in runs.items()}
    assert lines[0.0][-1]["losses/contrast"] == 0.0
    # Predictions are pushed away from what was done before little was got.
    assert lines[30.0][-1]["losses/contrast"] < min(-0.3, lines[0.1][-1]["losses/contrast"] - 0.1)
    assert 0 < lines[0.1][0]["losses/negatives"] < 0.6


def test_a_resumed_run_is_the_same_to_the_bit(tmp_path, recorded):
    whole = train(arguments(tmp_path, recorded, label="whole"))
    train(arguments(tmp_path, recorded, total_steps=20, label="parts"))
    parts = train(arguments(tmp_path, recorded, resume="auto", label="parts"))
    assert same(weights_of(whole), weights_of(parts))
    assert [line for line in log_of(whole) if line["step"] > 20] == [
        line for line in log_of(parts) if line["step"] > 20
    ]


def test_a_smoke_run_needs_no_recording(tmp_path):
    run = train(Args("RetentionRec-v0", smoke=True, out=tmp_path, device="cpu", tensorboard=False))
    assert np.isfinite(log_of(run)[-1]["eval/retention"])
    found = evaluate(load_policy(run.folder, target_returns=(5.0, 5.0)), "RetentionRec-v0", episodes=4)
    assert len(found.returns) == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objectives": ("click", "profit")}, "no reward term 'profit'; it has click, retention"),
        ({"objectives": ("click", "click")}, "got click twice"),
        ({"negatives": 0.0}, "--negatives must be above 0"),
        ({"contrast": -1.0}, "--contrast must be at least 0"),
        ({"wrap": ("gated:threshold=1",)}, "no --wrap"),
        ({"episodes": ()}, "--episodes FILE"),
    ],
)
def test_bad_arguments_are_told(tmp_path, recorded, given, message):
    with pytest.raises(InputError, match=message):
        train(arguments(tmp_path, recorded, **given))


def test_other_spaces_are_told(tmp_path):
    with pytest.raises(ValueError, match="chooses items"):
        network(spaces.Box(-1, 1, (3,)), spaces.Box(-1, 1, (2,)))
    with pytest.raises(InputError, match="observes rows of numbers"):
        train(Args("FrozenLake-v1", smoke=True, out=tmp_path, device="cpu"))
