"""Group-relative policy optimisation: groups, learning by every loss, tokens, rehearsal, resumption, bad input."""

import itertools
import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")

from telos.baselines import grpo, ppo  # noqa: E402
from telos.baselines.checkpoints import load_model  # noqa: E402
from telos.baselines.evaluation import evaluate  # noqa: E402
from telos.baselines.group_episodes import make_group_envs, play_groups  # noqa: E402
from telos.baselines.group_policies import policy_for  # noqa: E402
from telos.baselines.input_errors import InputError  # noqa: E402
from telos.baselines.networks import ObservationEncoder  # noqa: E402
from telos.baselines.step_reward import StepReward  # noqa: E402
from telos.baselines.token_policy import TokenFormat, TokenPolicy  # noqa: E402
from telos.wrappers import Episode, relabel  # noqa: E402

CPU = torch.device("cpu")
QUIET = {"device": "cpu", "tensorboard": False}


class Questions(gym.Env):
    """One question of three a seed. Answers 0 to 3, of which that and the next are right; 1 step."""

    observation_space = spaces.Discrete(3)
    action_space = spaces.Discrete(4)

    def __init__(self, failing=-1, masked=False):
        self.failing, self.masked = failing, masked

    def _info(self):
        # The first answer is forbidden, which is only right of the first question.
        return {"action_mask": np.array([0, 1, 1, 1], np.int8)} if self.masked else {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.question = int(self.np_random.integers(3))
        return self.question, self._info()

    def step(self, action):
        assert not (self.masked and action == 0)
        info = {**self._info(), **({"trainable": False} if action == self.failing else {})}
        return self.question, float(action in (self.question, self.question + 1)), True, False, info


class Spelling(gym.Env):
    """The question says which word to write."""

    observation_space = spaces.Discrete(2)
    words = ("ab", "cba")

    def __init__(self, kind="text"):
        self.action_space = {
            "text": spaces.Text(4, charset="abc"),
            "fixed": spaces.MultiDiscrete([3, 2, 3]),
        }[kind]
        self.kind = kind

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.question = int(self.np_random.integers(2))
        return self.question, {}

    def step(self, action):
        assert self.action_space.contains(action), action
        word = self.words[self.question]
        if self.kind == "fixed":
            # Right only together: the last token must be the first, which independent choices would not learn at once.
            return self.question, float(action[0] == action[2] and action[1] == self.question), True, False, {}
        # One part for each right character at its place, so that a random policy finds something.
        right = sum(a == b for a, b in zip(action, word, strict=False)) / max(len(action), len(word))
        return self.question, float(right), True, False, {}


class Choices(Questions):
    """Two at a time, of which not all are allowed."""

    action_space = spaces.MultiDiscrete([2, 2])


class Unsaved(Questions):
    """Cannot be pickled."""

    def __init__(self):
        super().__init__()
        self.never = (x for x in ())


gym.register("test_grpo/Unsaved-v0", Unsaved)
gym.register("test_grpo/Choices-v0", Choices, kwargs={"masked": True})
gym.register("test_grpo/Questions-v0", Questions)
gym.register("test_grpo/Spelling-v0", Spelling)


def setting(env_id, kwargs, groups, size, specs=(), max_steps=100, seed=0):
    """Environments and an untrained policy for them."""
    training = make_group_envs(env_id, kwargs, groups * size, max_steps, specs)
    encode = ObservationEncoder(training.envs.single_observation_space, CPU)
    policy = policy_for(encode, training.envs.single_action_space, 16, seed)
    return training, encode, policy


def play(training, encode, policy, seeds, fork_at=None, seed=1):
    forks = None if fork_at is None else np.array(fork_at)
    return play_groups(training, encode, policy, torch.Generator().manual_seed(seed), np.array(seeds), forks)


class Likeliest:
    """The same policy without chance."""

    def __init__(self, policy):
        self.policy = policy

    def sample(self, observations, masks, generator):
        return self.policy.mode(observations, masks)

    def to_env(self, actions, on_host):
        return self.policy.to_env(actions, on_host)


def log_of(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time") and k != "charts/SPS"} for line in lines]


# --- Groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", ["RandomMDP-v0", "CartPole-v1"])
def test_a_group_has_one_start_and_groups_have_others(env_id):
    """A native environment, and one that is not."""
    setup = setting(env_id, {}, 4, 3, max_steps=30)
    episodes = play(*setup, seeds=[5, 6, 7, 8])
    first = episodes.observations[0].view(4, 3, -1)
    assert (first == first[:, :1]).all()
    assert len({tuple(start) for start in first[:, 0].tolist()}) > 1
    # The single environment begins there, too.
    for group, seed in enumerate([5, 6, 7, 8]):
        env = gym.make(env_id)
        alone, _ = env.reset(seed=seed)
        env.close()
        assert torch.equal(setup[1](np.asarray(alone)[None])[0], first[group, 0])


def test_members_who_act_alike_have_the_same_luck():
    training, encode, policy = setting("StepChain-v0", {"p_correct": 0.5}, 6, 4)
    alike = play(training, encode, Likeliest(policy), seeds=range(6))
    rewards = alike.rewards.view(-1, 6, 4)
    assert (rewards == rewards[:, :, :1]).all()
    assert not (rewards[:, 1:] == rewards[:, :1]).all()
    sampled = play(training, encode, policy, seeds=range(6)).rewards.view(-1, 6, 4)
    assert not (sampled == sampled[:, :, :1]).all()


@pytest.mark.parametrize("env_id", ["StepChain-v0", "CartPole-v1"])
def test_whole_episodes_count_once_and_what_follows_does_not(env_id):
    training, encode, policy = setting(env_id, {}, 4, 4, max_steps=30)
    for _ in range(2):
        episodes = play(training, encode, policy, seeds=range(4))
        lengths = episodes.there.sum(dim=0)
        assert episodes.idle_steps == episodes.there.numel() - int(lengths.sum()) > 0
        assert episodes.steps == int(lengths.sum())
        assert int(lengths.max()) <= 30
        assert episodes.raw["length"].tolist() == lengths.tolist()
        assert np.allclose(episodes.raw["return"], episodes.rewards.sum(dim=0))
        assert (episodes.rewards[~episodes.there] == 0.0).all()
        assert (episodes.there[1:] <= episodes.there[:-1]).all()


def test_forks_share_a_state_that_an_episode_reached():
    """LoiterChain shows the steps made and the steps taken."""
    training, encode, policy = setting("LoiterChain-v0", {"observation": "one_hot"}, 4, 3)
    episodes = play(training, encode, policy, seeds=range(4), fork_at=[0, 1, 2, 3])
    first = episodes.observations[0].view(4, 3, -1)
    assert (first == first[:, :1]).all()
    assert torch.allclose(first[:, 0, -1] * 20, torch.tensor([0.0, 1.0, 2.0, 3.0]))
    assert episodes.steps == int(episodes.there.sum()) + 6
    # What the members earn is from there on: the length counts no step before the fork.
    assert episodes.raw["length"].tolist() == episodes.there.sum(dim=0).tolist()
    assert np.allclose(episodes.raw["return"], episodes.rewards.sum(dim=0))


def test_a_fork_goes_on_as_the_episode_would_have():
    training, encode, policy = setting("StepChain-v0", {"p_correct": 0.5}, 5, 2)
    whole = play(training, encode, Likeliest(policy), seeds=range(5))
    forked = play(training, encode, Likeliest(policy), seeds=range(5), fork_at=[2] * 5)
    lengths = whole.there.sum(dim=0)
    for row in range(10):
        ahead = min(2, int(lengths[row]) - 1)
        left = whole.rewards[ahead : lengths[row], row]
        assert torch.equal(forked.rewards[: len(left), row], left)
        assert int(forked.there[:, row].sum()) == len(left)


def test_a_fork_is_before_the_end():
    """The episode has one step: whoever would fork later forks at its start."""
    training, encode, policy = setting("LoiterChain-v0", {"goal_distance": 1, "horizon": 1}, 2, 2)
    episodes = play(training, encode, policy, seeds=[1, 2], fork_at=[5, 9])
    assert episodes.steps == 4
    assert episodes.there.sum(dim=0).tolist() == [1, 1, 1, 1]


def test_masks_are_kept_where_episodes_begin_anew():
    """The environment raises where an answer is not allowed, in idle episodes, too."""
    training, encode, policy = setting("test_grpo/Questions-v0", {"masked": True}, 4, 4)
    assert (play(training, encode, policy, seeds=range(4)).actions > 0).all()


def test_rewards_are_rewritten_in_hindsight():
    renorm = {pay: f"renorm:pay={pay}" for pay in ("terminal", "hindsight")}
    found = {}
    for pay, spec in renorm.items():
        training, encode, policy = setting("StepChain-v0", {}, 3, 4, [spec])
        found[pay] = play(training, encode, policy, seeds=range(3))
    plain = play(*setting("StepChain-v0", {}, 3, 4), seeds=range(3))
    assert torch.equal(found["hindsight"].there, plain.there)
    assert torch.allclose(found["hindsight"].rewards.sum(dim=0), found["terminal"].rewards.sum(dim=0))
    lengths = plain.there.sum(dim=0).tolist()
    for row, length in enumerate(lengths):
        process, outcome = np.zeros(length), np.zeros(length)
        # The outcome comes with the last step.
        outcome[-1] = plain.raw["outcome"][row]
        process = plain.rewards[:length, row].numpy() - outcome
        (told,) = relabel([Episode(None, None, {"outcome": outcome, "process": process})], renorm["hindsight"])
        assert np.allclose(found["hindsight"].rewards[:length, row], told.info["hindsight"].reward)


def test_an_episode_whose_infrastructure_failed_is_not_counted():
    training, encode, policy = setting("test_grpo/Questions-v0", {"failing": 3}, 8, 4)
    episodes = play(training, encode, policy, seeds=range(8))
    assert episodes.counted.tolist() == (episodes.actions[0] != 3).tolist()
    assert 0 < int(episodes.counted.sum()) < 32
    args = grpo.Args("test_grpo/Questions-v0", env_arg=("failing=3",), num_envs=32, group_size=4, **QUIET)
    learner = grpo.GRPO(args, training)
    before = learner.policy.token_logs(torch.eye(3), torch.full((3,), 3), None).log_probs
    for _ in range(20):
        learner.step(1e-2)
    after = learner.policy.token_logs(torch.eye(3), torch.full((3,), 3), None).log_probs
    # Nothing was learned of that answer itself: it is rarer only because others are likelier, and never better paid.
    assert (after < before).all()


# --- Learning ---------------------------------------------------------------------------------------------------------

LOSSES = {
    "grpo": {},
    "dr-grpo": {"advantage": "mean", "average": "token"},
    "rloo": {"advantage": "leave-one-out", "clip_high": 0.28, "entropy_weight": 0.01},
    "kl": {"kl_weight": 0.01, "reference_every": 5},
    "stable-reinforce": {"loss": "stable-reinforce"},
    "oreal": {"loss": "oreal"},
    "oreal-weighted": {"loss": "oreal", "step_weights": True},
    "process": {"credit": "process", "wrap": ("outcome",)},
}


@pytest.mark.parametrize("chosen", LOSSES.values(), ids=LOSSES)
def test_every_loss_learns_a_short_chain(chosen, tmp_path):
    """A random policy solves few of these; no policy more than 0.95 ** 2, 90 %."""
    args = grpo.Args(
        "StepChain-v0", env_arg=("num_steps=2", "p_correct=0.95", "max_steps=6"), **{"wrap": ("outcome",), **chosen},
        total_steps=8_000, learning_rate=1e-2, eval_episodes=200, out=tmp_path, **QUIET,
    )  # fmt: skip
    run = grpo.train(args)
    lines = log_of(run.folder)
    first, last = lines[0]["reward/outcome"], lines[-1]["eval/outcome"]
    assert first < 0.35
    assert last > 0.75


def test_cartpole_is_learned(tmp_path):
    args = grpo.Args("CartPole-v1", total_steps=12_000, learning_rate=1e-2, eval_episodes=20, out=tmp_path, **QUIET)
    run = grpo.train(args)
    lines = log_of(run.folder)
    assert lines[-1]["eval/return"] > 100
    assert lines[0]["charts/raw_return"] < 40
    policy = grpo.load_policy(run.folder)
    assert evaluate(policy, "CartPole-v1", episodes=20).returns.mean() == lines[-1]["eval/return"]


@pytest.mark.parametrize("kind", ["text", "fixed"])
def test_tokens_are_learned(kind, tmp_path):
    args = grpo.Args(
        "test_grpo/Spelling-v0", env_arg=(f"kind={kind}",), tokens=True, max_tokens=5, success=1.0, num_envs=64,
        total_steps=2_500, learning_rate=1e-2, update_epochs=4, eval_episodes=30, hidden=32, out=tmp_path, **QUIET,
    )  # fmt: skip
    run = grpo.train(args)
    lines = log_of(run.folder)
    assert lines[0]["charts/pass_at_1"] < 0.4
    assert lines[-1]["eval/return"] > 0.95
    assert evaluate(grpo.load_policy(run.folder), args.env, args.env_kwargs, episodes=30).returns.mean() > 0.95


def test_a_start_that_the_reference_masters_is_rehearsed_and_not_explored(tmp_path):
    """The policy of another run knows two of three questions; the divergence keeps it where it was."""
    gym.register("test_grpo/Narrow-v0", Narrow)
    base = grpo.train(grpo.Args("test_grpo/Narrow-v0", total_steps=3000, learning_rate=1e-2, out=tmp_path, **QUIET))
    args = grpo.Args(
        "test_grpo/Questions-v0", init=base.folder, starts=12, divergence="forward-kl", num_envs=32, **QUIET
    )  # fmt: skip
    learner = grpo.GRPO(args, make_group_envs(args.env, {}, 32, 10))
    steps, metrics = learner.step(1e-2)
    # Twelve starts in three rounds of four groups of eight, and one more to learn from.
    assert steps == 4 * 32
    questions = [int(gym.make("test_grpo/Questions-v0").reset(seed=int(seed))[0]) for seed in learner.starts]
    assert len(set(questions)) == 3
    assert metrics["group/mastered"] == np.mean([question != 2 for question in questions])
    assert metrics["losses/divergence"] == pytest.approx(0.0, abs=0.05)
    # Only the third question is explored.
    assert metrics["charts/pass_at_1"] < 0.7
    _, later = learner.step(1e-2)
    assert "group/mastered" not in later


class Narrow(Questions):
    """Only the first two questions; the first answers are right."""

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed)
        self.question = observation % 2
        return self.question, info

    def step(self, action):
        return self.question, float(action == self.question), True, False, {}


@pytest.mark.parametrize("divergence", ["forward-kl", "reverse-kl", "js", "alpha"])
def test_a_divergence_keeps_the_policy_near_the_reference(divergence):
    """The rehearsed starts are all there are; with a large weight the policy stays, without one it moves."""
    moved = {}
    for weight in (0.0, 100.0):
        args = grpo.Args(
            "test_grpo/Questions-v0", starts=8, divergence=divergence, divergence_weight=weight, pef_threshold=0.0,
            num_envs=32, **QUIET,
        )  # fmt: skip
        learner = grpo.GRPO(args, make_group_envs(args.env, {}, 32, 10))
        before = learner.policy(torch.eye(3))[0].softmax(dim=1).detach()
        for _ in range(15):
            learner.step(3e-3)
        moved[weight] = float((learner.policy(torch.eye(3))[0].softmax(dim=1) - before).detach().abs().max())
    assert moved[0.0] > 0.2
    assert moved[100.0] < 0.5 * moved[0.0]


def test_the_reference_is_refreshed():
    """Whatever is learned from in one piece is judged before the policy moves."""
    for every, refreshed in ((0, [True, False, False, False, False]), (2, [True, False, True, False, True])):
        args = grpo.Args(
            "test_grpo/Questions-v0", kl_weight=0.1, reference_every=every, num_envs=16, update_epochs=1,
            num_minibatches=1, **QUIET,
        )  # fmt: skip
        learner = grpo.GRPO(args, make_group_envs(args.env, {}, 16, 10))
        found = [learner.step(1e-2)[1]["losses/reference_kl"] for _ in range(5)]
        assert [value == 0.0 for value in found] == refreshed


def test_step_rewards_find_the_step_that_decides():
    """One step is to be solved, and what comes after it does not matter until the answer."""
    training, encode, policy = setting("StepChain-v0", {"num_steps": 1, "p_correct": 1.0, "max_steps": 4}, 16, 8)
    model = StepReward(encode, training.envs.single_action_space, learning_rate=1e-2)
    losses = []
    for k in range(60):
        episodes = play(training, encode, policy, seeds=range(k, k + 16), seed=k)
        success = torch.as_tensor(episodes.raw["outcome"] == 1.0)
        weights, loss = model.weigh_and_learn(episodes, success, policy)
        losses.append(loss)
    assert losses[-1] < 0.7 * losses[0]
    assert ((weights >= 0.0) & (weights <= 1.0)).all()
    # Answering right is expected to succeed, and answering at once to fail.
    answered = episodes.there & (episodes.actions == 2)
    right, wrong = answered & success, answered & ~success
    assert weights[..., 0][right].mean() > weights[..., 0][wrong].mean()
    assert weights[..., 1][wrong].mean() > weights[..., 1][right].mean()


# --- Tokens -----------------------------------------------------------------------------------------------------------


def token_policy(space, seed=0):
    policy = TokenPolicy(ObservationEncoder(spaces.Discrete(2), CPU), space, longest=3, hidden=8, seed=seed)
    # Not nearly uniform.
    torch.nn.init.normal_(policy._logits.weight, generator=torch.Generator().manual_seed(seed))
    return policy


@pytest.mark.parametrize(
    "space",
    [spaces.Text(3, min_length=1, charset="ab"), spaces.Text(2, min_length=0, charset="xyz"),
     spaces.Sequence(spaces.Discrete(2, start=10)), spaces.MultiDiscrete([2, 3, 2])],
    ids=str,
)  # fmt: skip
def test_probabilities_of_all_sequences_add_up_to_one_and_are_those_of_draws(space):
    policy, form = token_policy(space), TokenFormat(space, longest=3)
    with torch.no_grad():
        everything = torch.tensor(list(itertools.product(range(form.tokens), repeat=form.length)))
        if form.end >= 0:
            # As they are written: behind an end there are only ends.
            late = (everything == form.end).cumsum(dim=1) > (everything == form.end).long()
            everything = torch.where(late, form.end, everything).unique(dim=0)
        logs = policy.token_logs(torch.eye(2)[:1].expand(len(everything), 2), everything, None)
        odds = logs.log_probs.sum(dim=1).exp()
        assert float(odds.sum()) == pytest.approx(1.0, abs=1e-5)
        drawn = policy.sample(torch.eye(2)[:1].expand(20_000, 2), None, torch.Generator().manual_seed(1))
        found = (drawn[:, None] == everything).all(dim=2).float().mean(dim=0)
    assert torch.allclose(found, odds, atol=0.015)
    for action in policy.to_env(drawn[:200], on_host=True):
        assert space.contains(action)


def test_a_token_that_is_not_there_counts_nowhere():
    policy = token_policy(spaces.Text(3, charset="ab"))
    logs = policy.token_logs(torch.eye(2), torch.tensor([[0, 2, 2], [1, 0, 1]]), None)
    assert logs.there.tolist() == [[True, True, False], [True, True, True]]
    assert (logs.log_probs[0, 2], logs.entropies[0, 2]) == (0.0, 0.0)
    assert policy.to_env(torch.tensor([[0, 2, 2], [1, 0, 1]]), on_host=True) == ("a", "bab")


def test_spaces_without_tokens_are_refused():
    encode = ObservationEncoder(spaces.Discrete(2), CPU)
    for space in (spaces.Discrete(3), spaces.Sequence(spaces.Box(0, 1)), spaces.MultiDiscrete([[2, 2], [2, 2]])):
        with pytest.raises(ValueError, match="no token policy"):
            policy_for(encode, space, 8, 0, tokens=True)
    with pytest.raises(ValueError, match="stack=False"):
        TokenFormat(spaces.Sequence(spaces.Discrete(3), stack=True))


# --- Runs -------------------------------------------------------------------------------------------------------------

RESUMED = {
    "native": {"env": "StepChain-v0", "wrap": ("rnd", "outcome"), "kl_weight": 0.1, "reference_every": 3},
    "sync": {"env": "CartPole-v1", "loss": "stable-reinforce"},
    "forks": {"env": "LoiterChain-v0", "group_from": "forks", "fork_steps": 4, "credit": "process"},
    "unsaved": {"env": "test_grpo/Unsaved-v0", "wrap": ("rnd",), "loss": "oreal"},
    "tokens": {"env": "test_grpo/Spelling-v0", "success": 1.0, "loss": "oreal"},
    "weights": {"env": "StepChain-v0", "loss": "oreal", "step_weights": True, "warmup_updates": 1},
    "rehearsal": {"env": "test_grpo/Questions-v0", "starts": 5, "divergence": "js", "pef_threshold": 0.2},
}


@pytest.mark.parametrize("chosen", RESUMED.values(), ids=RESUMED)
def test_resuming_is_exact(chosen, tmp_path, monkeypatch):
    """Two updates, a stop, a new learner and two more are four updates: weights and log, to the bit."""
    common = {"num_envs": 8, "group_size": 4, "max_steps": 20, "eval_episodes": 2, "checkpoint_every": 10**9, **QUIET}
    args = grpo.Args(**chosen, **common, total_steps=10**6, out=tmp_path / "trial")
    learner = grpo.GRPO(args, make_group_envs(args.env, args.env_kwargs, 8, 20, args.wrap))
    taken = [learner.step(args.learning_rate)[0] for _ in range(2)]
    args.total_steps, args.out = sum(taken) * 2, tmp_path / "whole"
    whole = grpo.train(args)
    stopped = property(lambda run: run.step >= sum(taken) and run.checkpoint is None)
    monkeypatch.setattr(grpo.Run, "stopped", stopped)
    args.out, args.resume = tmp_path / "parts", "auto"
    first = grpo.train(args)
    assert json.loads((first.folder / "done.json").read_text())["status"] == "stopped"
    resumed = grpo.train(args)
    assert resumed.folder == first.folder
    assert 0 < resumed.checkpoint.step < resumed.step
    assert log_of(resumed.folder) == log_of(whole.folder)
    models = load_model(resumed.folder), load_model(whole.folder)
    assert models[0].keys() == models[1].keys()
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_a_run_begins_with_the_policy_of_ppo(tmp_path):
    base = ppo.train(ppo.Args("CartPole-v1", out=tmp_path, smoke=True, **QUIET))
    learner = grpo.GRPO(grpo.Args("CartPole-v1", init=base.folder, **QUIET), make_group_envs("CartPole-v1", {}, 8, 10))
    saved = load_model(base.folder)
    assert all(torch.equal(saved[name], tensor) for name, tensor in learner.policy.state_dict().items())


def test_the_folder_and_the_log_are_as_documented(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        grpo.main(["--env", "StepChain-v0", "--wrap", "gated:threshold=0.5", "--smoke", "--out", str(tmp_path),
                   "--device", "cpu", "--loss", "stable-reinforce", "--kl-weight", "0.1"])  # fmt: skip
    assert left.value.code == 0
    folder = tmp_path / "StepChain-v0" / "grpo-gated-threshold=0.5-seed1"
    assert str(folder) in capsys.readouterr().out
    assert json.loads((folder / "args.json").read_text())["algorithm"] == "grpo"
    lines = log_of(folder)
    assert set().union(*lines) == {
        "step", "charts/episodic_return", "charts/raw_return", "charts/episodic_length", "charts/idle_steps",
        "charts/learning_rate", "charts/pass_at_1", "charts/pass_at_2", "charts/pass_at_4", "charts/pass_at_8",
        "reward/outcome", "reward/process", "paid/outcome", "paid/process", "group/return_std", "group/solved_all",
        "group/solved_none", "group/zero_advantage", "group/filtered", "losses/policy_loss", "losses/entropy",
        "losses/approx_kl", "losses/clipfrac", "losses/reference_kl", "eval/return", "eval/return_iqm",
        "eval/return_std", "eval/length", "eval/outcome", "eval/process",
    }  # fmt: skip
    assert lines[-1]["step"] >= 256
    assert json.loads((folder / "done.json").read_text())["step"] == lines[-1]["step"]


REFUSED = {
    "--num-envs 6": {"num_envs": 6, "group_size": 4},
    "--group-size must": {"group_size": 1},
    "--clip-low": {"clip_low": 1.5},
    "--clip-high": {"clip_high": -0.1},
    "--fork-steps": {"group_from": "forks"},
    "observations": {"group_from": "forks", "fork_steps": 3, "wrap": ("rnd",)},
    "leave-one-out": {"credit": "process", "advantage": "leave-one-out"},
    "--starts": {"divergence": "js"},
    "forward-kl and reverse-kl": {"divergence": "alpha", "divergence_alpha": 1.0, "starts": 4},
    "--step-weights needs": {"step_weights": True},
    "--success": {"env": "CartPole-v1", "loss": "oreal"},
    "no checkpoint": {"init": Path("nowhere")},
    "knows no masks": {"env": "test_grpo/Choices-v0", "tokens": True},
    "token policy": {"tokens": True},
    "Did you mean": {"wrap": ("gatd",)},
}


@pytest.mark.parametrize(("message", "chosen"), REFUSED.items(), ids=REFUSED)
def test_what_does_not_fit_is_refused(message, chosen, tmp_path):
    args = grpo.Args(**{"env": "LoiterChain-v0", "max_steps": 20, **chosen}, out=tmp_path, **QUIET)
    with pytest.raises(InputError, match=message):
        grpo.train(args)


def test_states_that_cannot_be_copied_are_not_forked():
    args = grpo.Args("CartPole-v1", group_from="forks", fork_steps=3, num_envs=8, group_size=4, **QUIET)
    with pytest.raises(InputError, match="--group-from seeds"):
        grpo.train(args)


def test_a_network_that_does_not_fit_is_refused(tmp_path):
    base = grpo.train(grpo.Args("test_grpo/Questions-v0", out=tmp_path, smoke=True, **QUIET))
    with pytest.raises(InputError, match="another network"):
        grpo.train(grpo.Args("CartPole-v1", init=base.folder, out=tmp_path, **QUIET))
