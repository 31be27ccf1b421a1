"""The examples of the guide work as they stand there."""

import re
from pathlib import Path

from crafter_states import put

from telos.envs.crafter.family import Crafter
from telos.envs.crafter.names import COW, GRASS, LAVA, PLAYER, SAPLING, TREE, WATER, ZOMBIE
from telos.envs.crafter.params import new_state
from telos.envs.crafter.text import describe

GUIDE = (Path(__file__).parents[2] / "docs" / "crafter.md").read_text()


def test_the_examples_work_one_after_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for source in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(compile(source, "docs/crafter.md", "exec"), names)
    assert "\nneeds 1 wood, 1 coal, 1 iron; no table or furnace within 1\n" in capsys.readouterr().out
    assert names["observations"].keys() == {"player_0", "player_1"}
    assert names["outcomes"].keys() == set(range(17))
    assert len(names["replay"].actions) == 20


def test_the_text_is_what_an_agent_reads():
    (example,) = re.findall(r"```text\n(.*?)```", GUIDE, re.DOTALL)
    state = new_state(1, (24, 20), 2)
    state.material[0], state.daylight[0] = GRASS, 0.5
    for agent in range(2):
        put(state, agent, PLAYER, (10 + 2 * agent, 10), (1, 0))
    state.inventory[0, :, :SAPLING] = 9
    state.material[0, 11, 10], state.material[0, 9:11, 7:9], state.material[0, 10, 11] = WATER, TREE, LAVA
    put(state, 2, COW, (7, 9))
    put(state, 3, COW, (10, 9))
    put(state, 4, ZOMBIE, (13, 13))
    state.inventory[0, 0, :5] = [3, 9, 8, 9, 1]
    game = Crafter(size=(24, 20), num_agents=2)
    told = describe(state, 0, 0, game.params, game.action_names).splitlines()
    given = example.splitlines()
    assert told[: len(given) - 2] == given[:-2]
    assert set(given) <= set(told)
