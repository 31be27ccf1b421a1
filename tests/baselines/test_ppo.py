"""Proximal policy optimisation: targets by hand, known values, learning, spaces, masks, two heads."""

import json

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

torch = pytest.importorskip("torch")

from telos.baselines import ppo  # noqa: E402
from telos.baselines.action_heads import action_head  # noqa: E402
from telos.baselines.evaluation import evaluate  # noqa: E402
from telos.baselines.hand_gradients import HandGradient  # noqa: E402
from telos.baselines.networks import ActorCritic, ObservationEncoder, VectorAdam  # noqa: E402
from telos.baselines.rollouts import Batch, Rollout, Start, acting, advantages_of, collect  # noqa: E402
from telos.baselines.training_envs import make_training_envs  # noqa: E402

CPU = torch.device("cpu")


class Corridor(gym.Env):
    """Pays 1 a step for ever; a time limit cuts it."""

    observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, length=4, end="truncated"):
        self.length, self.end = length, end

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.at += 1
        done = self.at == self.length
        return np.zeros(1, np.float32), 1.0, done and self.end == "terminated", done and self.end == "truncated", {}


class AnySpace(gym.Env):
    """Pays 1 where the action is allowed by the mask; raises where it is not."""

    def __init__(self, actions, observations, mask="info"):
        self.action_space, self.mask = actions, mask
        entries = {spaces.Discrete: 3, spaces.MultiDiscrete: 5, spaces.MultiBinary: 3}.get(type(actions), 0)
        self.entries = entries
        self.inner = observations
        self.observation_space = observations
        if mask == "obs":
            self.observation_space = spaces.Dict({"seen": observations, "action_mask": spaces.MultiBinary(entries)})

    def _tell(self):
        self.allowed = self.np_random.integers(2, size=self.entries).astype(np.int8)
        if isinstance(self.action_space, spaces.Discrete):
            self.allowed[self.np_random.integers(3)] = 1
        elif isinstance(self.action_space, spaces.MultiDiscrete):
            self.allowed[self.np_random.integers(2)] = 1
            self.allowed[2 + self.np_random.integers(3)] = 1
        self.inner.seed(int(self.np_random.integers(1000)))
        seen = self.inner.sample()
        if self.mask == "obs":
            return {"seen": seen, "action_mask": self.allowed}, {}
        return seen, {"action_mask": self.allowed} if self.mask == "info" else {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self._tell()

    def step(self, action):
        assert self.action_space.contains(action), action
        if self.mask != "none":
            if isinstance(self.action_space, spaces.Discrete):
                assert self.allowed[action - self.action_space.start]
            elif isinstance(self.action_space, spaces.MultiDiscrete):
                assert self.allowed[:2][action[0]]
                assert self.allowed[2:][action[1]]
            else:
                assert not (action & (1 - self.allowed)).any()
        self.at += 1
        observation, info = self._tell()
        return observation, 1.0, self.at % 5 == 0, False, info


gym.register("test_ppo/Corridor-v0", Corridor)
gym.register("test_ppo/AnySpace-v0", AnySpace)


def rollout_of(rewards, values, *, finals=None, terminated=(), truncated=(), dummies=()):
    """A rollout of one environment by hand; rewards (T, H), values (T + 1, H)."""
    steps, heads = np.shape(rewards)
    everywhere = torch.ones(1, dtype=torch.bool)
    start = Start(torch.zeros(1, 1), None, everywhere, ~everywhere, None, True)
    rollout = Rollout(steps, start, action_head(spaces.Discrete(2)), heads)
    rollout.rewards[:, 0], rollout.values[:, 0] = torch.tensor(rewards), torch.tensor(values)
    for t, value in (finals or {}).items():
        rollout.finals[t, 0] = torch.tensor(value)
    for rows, chosen in ((rollout.terminated, terminated), (rollout.truncated, truncated)):
        rows[list(chosen)] = True
    rollout.active[list(dummies)] = False
    return rollout


def advantages(rollout, gammas=(0.5,), gae_lambda=0.5, episodic=(True,)):
    return advantages_of(rollout, torch.tensor(gammas), gae_lambda, torch.tensor(episodic))[:, 0].numpy()


def test_advantages_by_hand_with_both_kinds_of_end():
    # gamma = lambda = 1/2. Step 1 terminates, step 3 is truncated at an observation worth 8.
    rollout = rollout_of(
        [[1.0], [2.0], [3.0], [4.0], [5.0]],
        [[1.0], [2.0], [4.0], [2.0], [6.0], [10.0]],
        finals={3: [8.0]},
        terminated=[1],
        truncated=[3],
    )
    # errors: 1+1-1=1; 2+0-2=0; 3+1-4=0; 4+4-2=6; 5+5-6=4
    expected = [1.0 + 0.25 * 0.0, 0.0, 0.0 + 0.25 * 6.0, 6.0, 4.0]
    assert np.allclose(advantages(rollout)[:, 0], expected)


def test_a_reward_without_episodes_sees_the_next_one():
    twice = rollout_of([[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [4.0, 4.0], [8.0, 8.0]], terminated=[0])
    found = advantages(twice, (0.5, 0.5), 1.0, (True, False))
    # Errors 1 - 0 with the end; 1 + 2 - 0 = 3 without. Then 1 + 4 - 4 = 1.
    assert np.allclose(found, [[1.0, 3.0 + 0.5 * 1.0], [1.0, 1.0]])


def test_steps_that_only_reset_are_as_if_they_were_not_there():
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(6, 2)).astype(np.float32), rng.normal(size=(7, 2)).astype(np.float32)
    plain = rollout_of(rewards, values, finals={2: [1.5, 1.5]}, truncated=[2])
    dummy_reward, final = np.zeros((1, 2), np.float32), np.full((1, 2), 1.5, np.float32)
    longer = rollout_of(
        np.concatenate([rewards[:3], dummy_reward, rewards[3:]]),
        np.concatenate([values[:3], final, values[3:]]),
        finals={2: [1.5, 1.5]},
        truncated=[2],
        dummies=[3],
    )
    kwargs = {"gammas": (0.9, 0.8), "gae_lambda": 0.7, "episodic": (True, False)}
    assert np.allclose(np.delete(advantages(longer, **kwargs), 3, axis=0), advantages(plain, **kwargs))


@pytest.mark.parametrize("native", [True, False])
def test_collected_targets_agree_with_a_slow_computation(native):
    """Both modes of autoreset, against a loop over episodes that knows only the definition."""
    env_id, kwargs = ("CartPole-v1", {"max_episode_steps": 12}) if native else ("Acrobot-v1", {"max_episode_steps": 9})
    args = ppo.Args(env=env_id, num_envs=3, num_steps=40, num_minibatches=1, device="cpu", seed=3)
    learner = ppo.PPO(args, make_training_envs(env_id, kwargs, 3))
    learner.begin()
    rollout = learner._rollout
    act = acting(learner.net, learner.net, rollout, learner._generator)
    after, _ = collect(learner.training.envs, learner.encode, learner.net, act, learner.start, rollout)
    assert bool(rollout.active.all()) != native
    assert rollout.truncated.any()
    gamma, lam = 0.9, 0.8
    found = advantages_of(rollout, torch.tensor([gamma]), lam, torch.tensor([True]))
    with torch.no_grad():
        worth = lambda x: float(learner.net(x[None])[1])  # noqa: E731
        for i in range(3):
            steps = [t for t in range(40) if rollout.active[t, i]]
            for place, t in enumerate(steps):
                expected, discount = 0.0, 1.0
                for u in steps[place:]:
                    following = rollout.observations[u + 1, i] if u + 1 < 40 else after.observations[i]
                    bootstrap = worth(following)
                    if rollout.truncated[u, i]:
                        bootstrap = float(rollout.finals[u, i])
                        if native:
                            assert bootstrap == pytest.approx(worth(following), abs=1e-5)
                    if rollout.terminated[u, i]:
                        bootstrap = 0.0
                    error = float(rollout.rewards[u, i]) + gamma * bootstrap - worth(rollout.observations[u, i])
                    expected += discount * error
                    discount *= gamma * lam
                    if rollout.terminated[u, i] or rollout.truncated[u, i]:
                        break
                assert float(found[t, i]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("end", ["truncated", "terminated"])
def test_the_value_of_a_corridor(end):
    """1 a step for ever at gamma 0.9 is worth 10, whatever the time limit; taken for an end, it makes that about 2."""
    args = ppo.Args(
        env="test_ppo/Corridor-v0", num_envs=16, num_steps=16, learning_rate=0.02, gamma=0.9, num_minibatches=1,
        max_grad_norm=100.0, device="cpu", gae_lambda=0.5,
    )  # fmt: skip
    learner = ppo.PPO(args, make_training_envs(args.env, {"end": end}, 16))
    learner.begin()
    for k in range(100):
        learner.step(0.02 * (1 - k / 100))
    with torch.no_grad():
        value = float(learner.net(torch.zeros(1, 1))[1])
    assert value == pytest.approx(10.0 if end == "truncated" else _fixed_point(0.9, 0.5, 4), rel=0.03)
    assert (value > 9) == (end == "truncated")


def _fixed_point(gamma, lam, length):
    """The value v that all steps share at which advantages are 0 on average, if the last of them terminates."""

    def mean_advantage(v):
        later, total = 0.0, 0.0
        for t in reversed(range(length)):
            later = (
                1.0 + (0.0 if t == length - 1 else gamma * v) - v + (0.0 if t == length - 1 else gamma * lam * later)
            )
            total += later
        return total / length

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_advantage(middle) > 0 else (low, middle)
    return low


def test_cartpole_is_learned(tmp_path):
    args = ppo.Args(
        env="CartPole-v1", num_envs=16, num_steps=64, learning_rate=1e-3, total_steps=60_000, eval_episodes=50,
        out=tmp_path, device="cpu", tensorboard=False,
    )  # fmt: skip
    run = ppo.train(args)
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["eval/return"] > 350
    assert lines[-1]["step"] == json.loads((run.folder / "args.json").read_text())["total_steps"]
    assert json.loads((run.folder / "done.json").read_text())["status"] == "finished"
    policy = ppo.load_policy(run.folder)
    assert evaluate(policy, "CartPole-v1", episodes=50).returns.mean() == lines[-1]["eval/return"]


def test_a_memory_solves_what_needs_one(tmp_path):
    """The first observation tells which action is paid at the end; without memory the mean is 1/2."""
    gym.register("test_ppo/Recall-v0", Recall)
    worth = {}
    for recurrent in (True, False):
        args = ppo.Args(
            env="test_ppo/Recall-v0", num_envs=32, num_steps=12, learning_rate=5e-3, total_steps=15_000, hidden=32,
            recurrent=recurrent, num_minibatches=2, eval_episodes=200, out=tmp_path, device="cpu", tensorboard=False,
            label=str(recurrent),
        )  # fmt: skip
        run = ppo.train(args)
        worth[recurrent] = json.loads((run.folder / "log.jsonl").read_text().splitlines()[-1])["eval/return"]
    assert worth[True] > 0.95
    assert worth[False] < 0.7


class Recall(gym.Env):
    observation_space = spaces.MultiDiscrete([3, 4])
    action_space = spaces.Discrete(2)

    def _see(self):
        return np.array([self.cue if self.at == 0 else 2, self.at])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cue, self.at = int(self.np_random.integers(2)), 0
        return self._see(), {}

    def step(self, action):
        self.at += 1
        end = self.at == 3
        return self._see(), float(end and action == self.cue), end, False, {}


SPACES = {
    "Discrete": spaces.Discrete(3, start=5),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
    "MultiBinary": spaces.MultiBinary(3),
    "Box": spaces.Box(-1.0, np.array([1.0, 2.0], np.float32)),
}
OBSERVATIONS = {
    "vector": spaces.Box(-1.0, 1.0, (3,)),
    "image": spaces.Box(0, 255, (36, 36, 3), np.uint8),
    "dict": spaces.Dict(
        {"a": spaces.Discrete(3, start=2), "b": spaces.Box(-1.0, 1.0, (2, 2)), "c": spaces.MultiBinary(2)}
    ),
}


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize(
    ("actions", "observations", "mask"),
    [("Discrete", "vector", "info"), ("MultiDiscrete", "dict", "info"), ("MultiBinary", "vector", "obs"),
     ("Discrete", "dict", "obs"), ("Box", "vector", "none"), ("Discrete", "image", "info")],
)  # fmt: skip
def test_every_space_and_masks_are_kept(actions, observations, mask, recurrent):
    """The environment raises where an action is not allowed."""
    args = ppo.Args(
        env="test_ppo/AnySpace-v0", num_envs=4, num_steps=8, num_minibatches=2, recurrent=recurrent, device="cpu"
    )
    kwargs = {"actions": SPACES[actions], "observations": OBSERVATIONS[observations], "mask": mask}
    learner = ppo.PPO(args, make_training_envs(args.env, kwargs, 4))
    learner.begin()
    before = {name: tensor.clone() for name, tensor in learner.net.state_dict().items()}
    for _ in range(2 if observations == "image" else 6):
        metrics = learner.step(1e-2)
        assert all(np.isfinite(value) for name, value in metrics.items() if "explained" not in name)
    assert any(not torch.equal(before[name], tensor) for name, tensor in learner.net.state_dict().items())


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_heads_agree_with_torch_distributions(space):
    torch.manual_seed(0)
    head = action_head(space)
    outputs = torch.randn(4000, head.outputs)
    for parameter in head.parameters():
        parameter.requires_grad_(False)
    actions = head.sample(outputs, None, torch.Generator().manual_seed(1))
    found, entropies = head.log_prob_and_entropy(outputs, actions, None)
    if isinstance(space, spaces.MultiDiscrete):
        parts = [torch.distributions.Categorical(logits=part) for part in outputs.split([2, 3], dim=1)]
        expected = sum(part.log_prob(actions[:, k]) for k, part in enumerate(parts))
        entropy = sum(part.entropy() for part in parts)
    elif isinstance(space, spaces.Discrete):
        categorical = torch.distributions.Categorical(logits=outputs)
        expected, entropy = categorical.log_prob(actions), categorical.entropy()
    elif isinstance(space, spaces.MultiBinary):
        bernoulli = torch.distributions.Bernoulli(logits=outputs)
        expected, entropy = bernoulli.log_prob(actions.float()).sum(1), bernoulli.entropy().sum(1)
    else:
        normal = torch.distributions.Normal(outputs, 1.0)
        expected, entropy = normal.log_prob(actions).sum(1), normal.entropy().sum(1)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(entropies, entropy, atol=1e-5)
    # Drawn from that distribution: the mean log probability is minus the entropy.
    assert float(found.mean()) == pytest.approx(-float(entropies.mean()), abs=0.06)


def random_batch(net, n, values, weighted, masked):
    """Steps whose ratios are on both sides of the clip."""
    rng, head = torch.Generator().manual_seed(2), net.head
    observations = torch.randn(n, 5, generator=rng)
    masks = None
    if masked:
        masks = torch.rand(n, head.outputs, generator=rng) < 0.7
        masks[0], masks[1:, :1], masks[1:, -1:] = False, True, True
    with torch.no_grad():
        outputs = net(observations)[0]
        actions = head.sample(outputs, masks, rng)
        log_probs = head.log_prob_and_entropy(outputs, actions, masks)[0] + 0.3 * torch.randn(n, generator=rng)
    weights = (torch.rand(n, generator=rng) < 0.5).float() if weighted else None
    advantages, returns = torch.randn(n, generator=rng), torch.randn(n, values, generator=rng)
    begins = torch.zeros(n, dtype=torch.bool)
    return Batch(observations, masks, actions, log_probs, advantages, returns, weights, begins, None)


def perceptrons(actions, values=2, normalised=False):
    encode = ObservationEncoder(spaces.Box(-1.0, 1.0, (5,)), CPU)
    net = ActorCritic(encode, action_head(actions), hidden=16, values=values, normalised=normalised, seed=3)
    with torch.no_grad():
        net.actor[-1].weight.mul_(100.0)  # Policies begin almost uniform.
    return net


@pytest.mark.parametrize("kind", ["Discrete", "MultiDiscrete", "MultiBinary"])
@pytest.mark.parametrize(("weighted", "masked"), [(False, False), (True, True)])
def test_the_gradient_by_hand_is_that_of_autograd(kind, weighted, masked):
    args = ppo.Args(env="", entropy_weight=0.3)
    net = perceptrons(SPACES[kind], normalised=masked)
    VectorAdam(net)  # Allocates the gradients.
    batch = random_batch(net, 200, 2, weighted, masked)
    loss, expected_logged = ppo.losses_of(net, batch, args)
    loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in net.named_parameters()}
    assert HandGradient.fits(net)
    logged = HandGradient(net, args.clip, args.value_weight, args.entropy_weight)(batch)
    assert torch.allclose(logged, expected_logged, atol=1e-5)
    assert 0.05 < float(logged[4]) < 0.95
    for name, parameter in net.named_parameters():
        assert torch.allclose(parameter.grad, expected[name], atol=1e-6), name


@pytest.mark.parametrize("kind", ["Discrete", "MultiDiscrete", "MultiBinary"])
@torch.no_grad()
def test_acting_by_hand_draws_from_the_policy(kind):
    net, n = perceptrons(SPACES[kind]), 20_000
    VectorAdam(net)
    masks = torch.ones(n, net.head.outputs, dtype=torch.bool)
    masks[:, 1] = False
    everywhere = torch.ones(n, dtype=torch.bool)
    observations = torch.full((n, 5), 0.3)
    rollout = Rollout(1, Start(observations, masks, everywhere, ~everywhere, None, True), net.head, 2)
    rollout.observations[0] = observations
    act = HandGradient(net, 0.2, 0.5, 0.01).acting(rollout, torch.Generator().manual_seed(5))
    chosen, _ = act(0, masks, None, everywhere)
    outputs, values, _ = net(observations)
    assert torch.allclose(rollout.outputs[0], outputs, atol=1e-5)
    assert torch.allclose(rollout.values[0], values, atol=1e-5)
    assert torch.equal(chosen, net.head.to_env(rollout.actions[0]))
    drawn, counts = rollout.actions[0].reshape(n, -1).unique(dim=0, return_counts=True)
    log_probs, _ = net.head.log_prob_and_entropy(
        outputs[: len(drawn)], drawn.view(-1, *net.head.shape), masks[: len(drawn)]
    )
    assert float(log_probs.exp().sum()) == pytest.approx(1.0, abs=1e-3)  # Nothing that is possible was never drawn.
    assert torch.allclose(counts / n, log_probs.exp(), atol=4 * 0.5 / n**0.5)


def test_threads_are_set_for_a_run_only(tmp_path):
    found = []

    class Counts(Corridor):
        def step(self, action):
            found.append(torch.get_num_threads())
            return super().step(action)

    gym.register("test_ppo/Counts-v0", Counts)
    before = torch.get_num_threads()
    for threads in (0, 3):
        args = ppo.Args(
            env="test_ppo/Counts-v0", num_envs=2, num_steps=8, num_minibatches=1, total_steps=16, eval_episodes=0,
            out=tmp_path, device="cpu", tensorboard=False, threads=threads,
        )  # fmt: skip
        ppo.train(args)
    assert set(found[:16]) == {1}
    assert set(found[16:]) == {3}
    assert torch.get_num_threads() == before


def test_adam_on_a_vector_is_adam():
    torch.manual_seed(0)
    nets = [torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    ours, theirs = VectorAdam(nets[0]), torch.optim.Adam(nets[1].parameters(), lr=1e-2, eps=1e-5)
    for _ in range(20):
        inputs = torch.randn(7, 3)
        ours.zero_grad()
        theirs.zero_grad()
        for net in nets:
            (10 * net(inputs).square().sum()).backward()
        torch.nn.utils.clip_grad_norm_(nets[1].parameters(), 0.5)
        ours.step(1e-2, 0.5)
        theirs.step()
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_a_bonus_has_a_value_of_its_own():
    args = ppo.Args(
        env="DeepSea-v0", wrap=("count-bonus",), num_envs=4, num_steps=20, num_minibatches=2, device="cpu"
    )  # fmt: skip
    assert args.two_heads
    learner = ppo.PPO(args, make_training_envs(args.env, {}, 4, args.wrap))
    learner.begin()
    learner.step(1e-3)
    rollout = learner._rollout
    assert rollout.rewards.shape == (20, 4, 2)
    assert (rollout.rewards[..., 1] > 0).all()  # Every step is new to some degree, and only bonuses are there.
    assert learner.net(torch.zeros(1, *learner.encode.shape))[1].shape == (1, 2)
    assert not ppo.Args(env="DeepSea-v0", wrap=("gated:threshold=0.5",)).two_heads


def test_observations_are_encoded():
    encode = ObservationEncoder(OBSERVATIONS["dict"], CPU)
    batch = {
        "a": np.array([2, 4]),
        "b": np.arange(8, dtype=np.float32).reshape(2, 2, 2),
        "c": np.array([[0, 1], [1, 1]], np.int8),
    }
    expected = [[1, 0, 0, 0, 1, 2, 3, 0, 1], [0, 0, 1, 4, 5, 6, 7, 1, 1]]
    assert encode(batch).tolist() == expected
    with pytest.raises(ValueError, match="no network"):
        ObservationEncoder(spaces.Text(4), CPU)
