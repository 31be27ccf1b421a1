"""Minds that play Crafter: ways, recipes, the planner alone and in a team, the memory and the language agent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from telos.baselines.crafter.knowledge import KnowledgeGraph
from telos.baselines.crafter.language import STATEMENTS, LanguageMind, Statement
from telos.baselines.crafter.minds import play_episode
from telos.baselines.crafter.paths import FAR, cheapest_ways, first_step, window_sums
from telos.baselines.crafter.planner import Planner
from telos.baselines.crafter.recipe_plan import RecipePlan
from telos.baselines.crafter.team import REPORTS, TeamPlanner
from telos.baselines.llm.endpoint import Endpoint
from telos.envs.crafter.env import parallel_env
from telos.envs.crafter.names import (
    ACTIONS,
    COALS,
    IRONS,
    NOOP,
    STONE_PICKAXE,
    STONES,
    WOOD,
    WOOD_PICKAXE,
)
from telos.envs.crafter.teamwork import Channel, ChannelParallelEnv, TeamRecorder

GAME: dict[str, Any] = {"costs": "damcs", "hostile": False, "goal": "collect_diamond", "length": 600}
AGENTS = ["player_0", "player_1"]


def test_ways_are_those_of_scipy_without_turns() -> None:
    costs = np.random.default_rng(0).integers(0, 6, (9, 7))
    costs[4, 3] = 2
    ways = cheapest_ways(costs, np.zeros((9, 7), np.bool_), (4, 3), 0, 2)
    graph = np.zeros((63, 63))
    for x, y in np.ndindex(9, 7):
        for to_x, to_y in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)):
            if 0 <= to_x < 9 and 0 <= to_y < 7 and costs[to_x, to_y]:
                graph[x * 7 + y, to_x * 7 + to_y] = costs[to_x, to_y]
    expected = dijkstra(csr_array(graph), indices=4 * 7 + 3).reshape(9, 7)
    np.testing.assert_array_equal(np.where(ways.far < FAR, ways.far, np.inf), expected)


def test_digging_round_a_corner_takes_a_turn() -> None:
    costs, blocked = np.full((3, 3), 4), np.ones((3, 3), np.bool_)
    ways = cheapest_ways(costs, blocked, (0, 0), 1, 2)
    # Straight on: two cells to dig. Round the corner: the same, and a turn.
    assert (ways.far[2, 0], ways.far[1, 1], ways.far[0, 1]) == (8, 10, 6)
    assert (ways.beside[1, 0], ways.beside[0, 1]) == (0, 2)
    assert first_step(ways, int(ways.arrival[2, 0])) == (1, 0)
    assert first_step(ways, int(ways.arrival[0, 0])) is None


def test_window_sums_count_what_is_in_view() -> None:
    values = np.random.default_rng(1).random((8, 6))
    sums = window_sums(values, 5, 3)
    assert sums[0, 0] == pytest.approx(values[:3, :2].sum())
    assert sums[4, 3] == pytest.approx(values[2:7, 2:5].sum())


@pytest.mark.parametrize(("costs", "wood"), [("damcs", 5), ("crafter", 7)])
def test_recipes_lead_to_an_iron_pickaxe(costs: str, wood: int) -> None:
    plan, nothing = RecipePlan(costs), np.zeros(16, np.int64)
    assert plan.lacking(nothing, 0) == {WOOD: wood, STONES: 5, COALS: 1, IRONS: 1}
    half = nothing.copy()
    half[[WOOD_PICKAXE, STONE_PICKAXE, STONES, WOOD]] = 1, 1, 4, 1
    assert plan.lacking(half, 1) == {COALS: 1, IRONS: 1}
    assert ACTIONS[plan.next_tool(half) or 0] == "make_iron_pickaxe"


@pytest.mark.parametrize("costs", ["damcs", "crafter"])
def test_a_planner_digs_a_diamond(costs: str) -> None:
    env = TeamRecorder(parallel_env(**GAME | {"costs": costs}))
    steps = [play_episode(env, {"player_0": Planner(costs, seed=3)}, seed) for seed in (2, 5, 2)]
    assert all(episode.diamonds == 1 for episode in env.episodes)
    assert steps[0] == steps[2] < 400


def test_a_team_talks_and_is_reproducible() -> None:
    def play() -> tuple[int, list[Any]]:
        env = ChannelParallelEnv(parallel_env(num_agents=2, **GAME), Channel(REPORTS))
        minds = {agent: TeamPlanner(k, costs="damcs", seed=k) for k, agent in enumerate(AGENTS)}
        steps = play_episode(env, minds, 12)
        known = [minds[agent].memory.known for agent in AGENTS]
        # What one has seen the other knows, but for what was seen in the last step.
        assert (known[0] & known[1]).sum() > 0.9 * (known[0] | known[1]).sum()
        return steps, [(message.step, message.sender, message.content) for message in env.traffic]

    (steps, traffic), again = play(), play()
    assert (steps, traffic) == again
    assert steps < 300
    assert REPORTS.decode(traffic[0][2]) is not None


def test_agents_pool_wood_where_there_is_too_little_for_each() -> None:
    env = TeamRecorder(ChannelParallelEnv(parallel_env(num_agents=6, **GAME), Channel(REPORTS)))
    minds = {agent: TeamPlanner(k, costs="damcs", seed=700 + k) for k, agent in enumerate(env.possible_agents)}
    play_episode(env, minds, 7)
    # On this island are trees for two agents.
    assert sum(env.episodes[0].gifts_given.values()) > 0
    assert env.episodes[0].diamonds == 1


def test_a_planner_knows_only_what_it_has_seen() -> None:
    env = parallel_env(**GAME)
    planner = Planner("damcs")
    observation = env.reset(seed=4)[0]["player_0"]
    seen = np.zeros(planner.memory.known.shape, np.bool_)
    for _ in range(40):
        action, _ = planner.act(observation)
        x, y = (int(observation["position"][k]) + planner.memory.origin[k] for k in range(2))
        seen[x - 4 : x + 5, y - 3 : y + 4] = True
        np.testing.assert_array_equal(planner.memory.known, seen)
        observation = env.step({"player_0": action})[0]["player_0"]


def test_memory_recalls_what_is_relevant_within_its_limit() -> None:
    memory = KnowledgeGraph(capacity=3)
    memory.note("goal", "find a diamond", 0)
    memory.note("goal", "make an iron pickaxe", 1, part_of="find a diamond")
    memory.note("perception", "iron 3 right of the lake", 5)
    memory.note("perception", "cows on the meadow", 6)
    told = memory.recall("where is iron", 7)
    assert "lake" in told
    assert "cows" not in told
    # The goal above is linked to what the words name.
    assert "find a diamond" in told
    assert told.index("make an iron pickaxe") < told.index("lake")
    for limit in (0, 10, 60, 90):
        assert len(memory.recall("where is iron", 7, limit)) <= limit
    for step in range(8, 12):
        memory.note("perception", f"stone number {step}", step)
    assert sum(node.level == "perception" for node in memory.nodes.values()) == 3
    assert "find a diamond" in memory.nodes
    with pytest.raises(ValueError, match="choose from goal"):
        memory.note("dream", "gold", 0)
    with pytest.raises(ValueError, match="note it before"):
        memory.note("goal", "dig", 0, part_of="nothing known")


def _thought(action: str) -> str:
    return json.dumps(
        {
            **{"reflection": "I see trees.", "long_term_goal": "make a table", "goal": "collect wood"},
            **{"achieved": False, "action": action, "statement": {"summary": "I am at the trees.", "needs": "wood"}},
        }
    )


@pytest.fixture
def model() -> Iterator[tuple[str, list[str], list[Any]]]:
    """An endpoint that says what it is told to, and keeps what it is asked."""
    replies: list[str] = []
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps({"choices": [{"message": {"content": replies.pop(0)}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", replies, asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_language_mind_acts_speaks_and_remembers(model: tuple[str, list[str], list[Any]]) -> None:
    url, replies, asked = model
    mind = LanguageMind(Endpoint(url, "m", retries=0), "player_0", AGENTS, ACTIONS, "Lava kills.", temperature=0.5)
    replies += [f"```json\n{_thought('do')}\n```", _thought("dig"), _thought("noop"), "no idea", "still none"]
    heard = ["", STATEMENTS.encode(Statement("I found iron.", needs="coal"))]
    action, message = mind.act("You see a tree.", heard)
    assert ACTIONS[action] == "do"
    assert STATEMENTS.decode(message or "") == Statement("I am at the trees.", needs="wood")
    prompt = asked[0]["messages"][0]["content"]
    assert all(part in prompt for part in ("Lava kills.", "player_1: I found iron.; needs coal", "You see a tree."))
    assert asked[0]["temperature"] == 0.5
    # A name that is none is shown to the model once.
    assert mind.act("You see a table.", ["", ""])[0] == NOOP
    assert "There is no action 'dig'" in asked[2]["messages"][-1]["content"]
    assert "collect wood" in asked[1]["messages"][0]["content"]
    assert mind.act("You see nothing.", ["", ""]) == (NOOP, None)
    assert (mind.requests, mind.unusable) == (5, 3)
    mind.reset()
    assert list(mind.knowledge.nodes) == ["collect a diamond"]


def test_language_minds_play_an_episode(model: tuple[str, list[str], list[Any]]) -> None:
    url, replies, _ = model
    env = ChannelParallelEnv(parallel_env(num_agents=2, obs="text", length=3), Channel(STATEMENTS))
    names = env.unwrapped.family.action_names
    minds = {agent: LanguageMind(Endpoint(url, "m", retries=0), agent, AGENTS, names, "") for agent in AGENTS}
    replies += [_thought("move_left")] * 6
    assert play_episode(env, minds, 1) == 3
    assert len(env.traffic) == 6
    with pytest.raises(ValueError, match="no mind for player_1"):
        play_episode(env, {"player_0": minds["player_0"]})
