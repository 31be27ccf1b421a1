"""Episodes on every machine of a Ray cluster.

* :class:`Cluster` - which node has which episodes
* :class:`ClusterEnv` - one episode, somewhere in a cluster
* :class:`EpisodeHost` - what runs on a node: environments in the threads of one process, on one warm pool
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import Any, SupportsFloat

import gymnasium as gym

from telos.envs.swe.errors import InfrastructureError

__all__ = ["Cluster", "ClusterEnv", "EpisodeHost"]

_ATTEMPTS = 3
#: Seconds to wait for a node with room, and for an environment to close.
_ROOM_TIMEOUT, _CLOSE_TIMEOUT = 120.0, 60.0
_POLL = 0.5
#: Of a host without a limit; further episodes wait for each other's steps.
_THREADS = 128
_NUMBERS = itertools.count()


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("engine='ray' needs Ray: pip install 'telos-gym[ray]'") from error
    return ray


class EpisodeHost:
    """Environments of one node, by number. Every call comes in a thread of its own."""

    def __init__(self) -> None:
        self._envs: dict[int, Any] = {}

    def images(self) -> set[str]:
        """Names of the container images that the node has; none without an engine."""
        import docker

        with contextlib.suppress(docker.errors.DockerException):
            client = docker.from_env()
            try:
                return {tag.removesuffix(":latest") for image in client.images.list() for tag in image.tags}
            finally:
                client.close()
        return set()

    def make(self, number: int, env_class: type[gym.Env[Any, Any]], kwargs: dict[str, Any]) -> None:
        """Makes an environment."""
        self._envs[number] = env_class(**kwargs)

    def describe(self, number: int) -> tuple[gym.Space[Any], gym.Space[Any], list[str]]:
        """Spaces of observations and actions, and ids of tasks."""
        env = self._envs[number]
        return env.observation_space, env.action_space, list(env.get_wrapper_attr("task_ids"))

    def image_of(self, number: int, task: str) -> str:
        """The image that a task needs; none for a task that there is not."""
        env = self._envs[number]
        tasks = env.get_wrapper_attr("tasks")
        return str(tasks.image_of(task)) if task in tasks.ids else ""

    def reset(self, number: int, seed: int | None, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Begins an episode."""
        observation, info = self._envs[number].reset(seed=seed, options=options)
        return observation, info

    def step(self, number: int, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Takes a step."""
        observation, reward, terminated, truncated, info = self._envs[number].step(action)
        return observation, reward, terminated, truncated, info

    def close(self, number: int) -> None:
        """Closes an environment."""
        env = self._envs.pop(number, None)
        if env is not None:
            env.close()


@dataclass
class _Node:
    """A node that has a host."""

    name: str
    host: Any
    images: set[str]
    episodes: set[int] = field(default_factory=set)


class NodeLostError(Exception):
    """The node of an episode does not answer any more."""


class Cluster:
    """Places episodes on the nodes of a Ray cluster, least loaded first, where the image is if there is one.

    Connects to the cluster that ``ray.init`` or ``RAY_ADDRESS`` names, or else starts one on this machine. Telos must
    be installed on every node, and a sandbox must run there. Thread-safe.

    Args:
        per_node: Episodes at a time on a node, or None for no limit.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        ValueError: If ``per_node`` is below 1.
    """

    def __init__(self, per_node: int | None = None) -> None:
        if per_node is not None and per_node < 1:
            raise ValueError(f"per_node must be at least 1 or None, got {per_node}")
        ray = _ray()
        if not ray.is_initialized():
            ray.init(log_to_driver=False, configure_logging=False)
        self._per_node, self._threads = per_node, per_node or _THREADS
        self._nodes: dict[str, _Node] = {}
        self._lock = threading.Lock()

    def place(self, number: int, image: str, current: _Node | None) -> _Node:
        """The node for an episode's next run, ``current`` if nothing speaks against it.

        Raises:
            InfrastructureError: If for two minutes no node has room.
        """
        deadline = time.monotonic() + _ROOM_TIMEOUT
        while True:
            with self._lock:
                if (node := self._choose(number, image, current)) is not None:
                    return node
            if time.monotonic() > deadline:
                limit = "" if self._per_node is None else f" of at most {self._per_node} episodes each"
                raise InfrastructureError("node", f"no node{limit} had room: add nodes or raise per_node")
            time.sleep(_POLL)

    def _choose(self, number: int, image: str, current: _Node | None) -> _Node | None:
        self._find_nodes()
        stays = current is not None and self._nodes.get(current.name) is current
        open_nodes = [
            node
            for node in self._nodes.values()
            if number in node.episodes or self._per_node is None or len(node.episodes) < self._per_node
        ]
        if not open_nodes:
            return None

        def cost(node: _Node) -> tuple[bool, bool, int]:
            return image not in node.images, not (stays and node is current), len(node.episodes)

        chosen = min(open_nodes, key=cost)
        for node in self._nodes.values():
            node.episodes.discard(number)
        chosen.episodes.add(number)
        return chosen

    def _find_nodes(self) -> None:
        """Forgets nodes that are gone, and gives a host to new ones."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ray = _ray()
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for name in self._nodes.keys() - alive:
            del self._nodes[name]
        started: dict[str, Any] = {}
        for name in sorted(alive - self._nodes.keys()):
            strategy = NodeAffinitySchedulingStrategy(name, soft=False)
            options = {"num_cpus": 0, "max_concurrency": self._threads, "scheduling_strategy": strategy}
            started[name] = ray.remote(EpisodeHost).options(**options).remote()
        asked = {name: host.images.remote() for name, host in started.items()}
        for name, images in asked.items():
            with contextlib.suppress(ray.exceptions.RayError):
                self._nodes[name] = _Node(name, started[name], ray.get(images))

    def call(self, node: _Node, method: str, *arguments: Any) -> Any:
        """Calls a method of a node's host.

        Raises:
            NodeLostError: If the node does not answer; nothing of what it did comes back.
            Exception: Whatever the method raised.
        """
        ray = _ray()
        try:
            return ray.get(getattr(node.host, method).remote(*arguments))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            with self._lock:
                if self._nodes.get(node.name) is node:
                    del self._nodes[node.name]
            # It may be cut off rather than dead: its episodes are over in any case.
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(node.host)
            raise NodeLostError(f"node {node.name} was lost: {type(error).__name__}") from error

    def leave(self, number: int, node: _Node) -> None:
        """Closes an episode's environment; the last one of a node takes its host with it."""
        ray = _ray()
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(node.host.close.remote(number), timeout=_CLOSE_TIMEOUT)
        with self._lock:
            node.episodes.discard(number)
            if not node.episodes and self._nodes.get(node.name) is node:
                del self._nodes[node.name]
                with contextlib.suppress(ray.exceptions.RayError):
                    ray.kill(node.host)


class ClusterEnv(gym.Env[Any, Any]):
    """An environment of repositories that runs on some node of a cluster, with the same seeds and observations.

    When its node is lost, the episode is truncated as after any infrastructure failure: reward 0,
    ``info["trainable"]`` False, ``info["infra"]`` with kind ``"node"``. The next episode is the same task again, on
    another node, unless ``reset`` names a task. ``info["node"]`` of ``reset`` is the node's id in Ray.

    Snapshots, forks and grading stay on the nodes: this has ``reset``, ``step`` and ``close`` only.

    Args:
        cluster: The cluster.
        env_class: ``SWEDockerEnv`` or a subclass.
        kwargs: Its arguments.
    """

    def __init__(self, cluster: Cluster, env_class: type[gym.Env[Any, Any]], kwargs: dict[str, Any]) -> None:
        self._cluster, self._make = cluster, (env_class, kwargs)
        self._number = next(_NUMBERS)
        self._node: _Node | None = None
        self._lost_task: str | None = None
        self._task = ""
        self._last: Any = None
        self._image = ""
        self.observation_space, self.action_space, self._task_ids = self._call("describe")

    def _call(self, method: str, *arguments: Any) -> Any:
        """Calls a method on the node where the environment belongs, on another one if that is lost."""
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                return self._cluster.call(self._settle(), method, self._number, *arguments)
            except NodeLostError as error:
                self._node, reason = None, str(error)
        raise InfrastructureError("node", reason)

    def _settle(self) -> _Node:
        """Has the environment made on the node where it belongs."""
        node = self._cluster.place(self._number, self._image, self._node)
        if node is not self._node:
            left, self._node = self._node, None
            if left is not None:
                self._cluster.leave(self._number, left)
            self._cluster.call(node, "make", self._number, *self._make)
            self._node = node
        return node

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode, of the task that was lost if one was.

        Raises:
            InfrastructureError: If nodes are lost again and again, or none has room.
            ValueError: As the environment's own ``reset``.
        """
        super().reset(seed=seed)
        chosen = dict(options or {})
        lost, self._lost_task = self._lost_task, None
        if "task" not in chosen:
            # Drawn here as the environment draws it, so that the seed decides wherever it runs.
            chosen["task"] = lost or self._task_ids[int(self.np_random.integers(len(self._task_ids)))]
        self._image = self._make[1].get("image") or self._call("image_of", chosen["task"])
        self._last, info = self._call("reset", seed, chosen)
        self._task = chosen["task"]
        assert self._node is not None
        return self._last, {**info, "node": self._node.name}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Takes a step; the loss of the node ends the episode, see the class."""
        if self._node is None:
            raise gym.error.ResetNeeded("the episode has ended; call reset() before step()")
        try:
            found = self._cluster.call(self._node, "step", self._number, action)
        except NodeLostError as error:
            self._node, self._lost_task = None, self._task
            terms = dict.fromkeys(("format", "tool", "outcome"), 0.0)
            info = {"task": self._task, "reward_terms": terms, "trainable": False}
            return self._last, 0.0, False, True, {**info, "infra": {"kind": "node", "detail": str(error)}}
        self._last = found[0]
        return found  # type: ignore[no-any-return]

    def close(self) -> None:
        """Closes the environment on its node. Safe to call twice."""
        node, self._node = self._node, None
        if node is not None:
            self._cluster.leave(self._number, node)
