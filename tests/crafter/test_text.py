import re

import numpy as np
import pytest
from crafter_states import put, random_state

from telos.envs.crafter.family import Crafter
from telos.envs.crafter.manual import manual
from telos.envs.crafter.names import (
    ACHIEVEMENTS,
    COW,
    DIAMOND,
    FURNACE,
    GRASS,
    IRON_PICKAXE,
    ITEMS,
    LAVA,
    MATERIALS,
    NOTHING,
    PLANT,
    PLAYER,
    SAPLING,
    TABLE,
    TREE,
    WATER,
    ZOMBIE,
)
from telos.envs.crafter.observe import SIGHTS, Symbols, allow_actions, observe_symbols
from telos.envs.crafter.params import new_state
from telos.envs.crafter.text import describe, reasons

SIZE = (24, 20)


def family(**arguments):
    return Crafter(size=SIZE, **arguments)


def told(state, agent, game):
    return describe(state, 0, agent, game.params, game.action_names)


def why(state, agent, game):
    return reasons(state, 0, agent, game.params, game.action_names)


def symbols(state, game):
    agents = len(game.agents)
    spaces = game.observation_space.items()
    seen = Symbols(**{name: np.zeros((1, agents, *space.shape), space.dtype) for name, space in spaces})
    observe_symbols(0, state, game.params, seen)
    return seen


def axis(text, negative, positive):
    """Offsets on one axis that a place names, first and last."""
    number = r"(\d+)"
    if found := re.search(rf"{number} {negative} to {number} {positive}", text):
        return -int(found[1]), int(found[2])
    if found := re.search(rf"{number}(?:-{number})? (?:({negative})|{positive})", text):
        low, high = int(found[1]), int(found[2] or found[1])
        return (-high, -low) if found[3] else (low, high)
    return 0, 0


def cells(place):
    (x, x_end), (y, y_end) = axis(place, "left", "right"), axis(place, "up", "down")
    return [(a + 4, b + 3) for a in range(x, x_end + 1) for b in range(y, y_end + 1)]


def parsed(text):
    """The symbolic view that a description tells of, and the numbers of the players in it."""
    lines = dict(line.split(": ", 1) for line in text.replace(".\n", "\n").rstrip(".").splitlines() if ": " in line)
    materials, objects, players = np.full((9, 7), 255), np.zeros((9, 7), int), {}
    for entry in lines["Materials"].split("; "):
        name, places = entry.split(": ")
        number = 0 if name == "beyond the map" else MATERIALS.index(name)
        if places == "everywhere else":
            materials[materials == 255] = number
            continue
        for place in places.split(", "):
            for cell in cells(place):
                assert materials[cell] == 255
                materials[cell] = number
    for entry in lines["Objects"].split("; ") if lines["Objects"] != "none" else []:
        name, places = entry.split(": ")
        player = re.match(r"player_(\d+) ", name)
        looks = re.sub(r"^player_\d+ (facing )?", "player_", name).replace(" flying ", "_")
        looks = {"unripe plant": "plant", "ripe plant": "ripe_plant"}.get(looks, looks)
        for place in places.split(", "):
            ((x, y),) = cells(place)
            objects[x, y] = SIGHTS.index(looks)
            if player:
                players[int(player[1])] = (x - 4, y - 3)
    sides = ("left", "right", "up", "down")
    (first,) = [line for line in text.splitlines() if line.startswith("You are")]
    status = [sides.index(re.search(r"facing (\w+)", first)[1]), int("asleep" in first.split(",")[1])]
    objects[4, 3] = SIGHTS.index("player_asleep" if status[1] else f"player_{sides[status[0]]}")
    had = dict(re.findall(r"(\w+) (\d+)", text.split("each you have:")[1].splitlines()[0]))
    inventory = [int(had.get(item, 0)) for item in ITEMS]
    return materials, objects, inventory, status, float(lines["Daylight"]), players


@pytest.mark.parametrize("agents", [1, 5])
def test_a_description_holds_all_of_the_symbolic_view(agents):
    game = family(num_agents=agents)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        state = random_state(seed, agents, SIZE, daylight=rng.random(), start=((0, 3), (23, 19), (11, 9))[seed % 3])
        if seed % 2:  # large patches, as in a real world
            state.material[0] = state.material[0, ::6, ::5].repeat(6, 0).repeat(5, 1)
        state.sleeping[0] = rng.random(agents) < 0.3
        seen = symbols(state, game)
        for agent in range(agents):
            materials, objects, inventory, status, daylight, players = parsed(told(state, agent, game))
            assert (materials == seen.material[0, agent]).all()
            assert (objects == seen.object[0, agent]).all()
            assert (inventory == seen.inventory[0, agent]).all()
            assert (status == seen.status[0, agent, :2]).all()
            assert daylight == pytest.approx(state.daylight[0], abs=5e-4)
            place = re.search(r"middle of the map you are (.*)\.", told(state, agent, game))[1]
            ((dx, _), (dy, _)) = axis(place, "left", "right"), axis(place, "up", "down")
            assert (dx, dy) == tuple(seen.position[0, agent])
            for other, (dx, dy) in players.items():
                assert (dx, dy) == (
                    state.x[0, other] - state.x[0, agent],
                    state.y[0, other] - state.y[0, agent],
                )


GAMES = [
    {},
    {"num_agents": 4},
    {"num_agents": 4, "share": 3, "friendly_fire": True},
    {"num_agents": 2, "share": "any", "strict": True, "costs": "damcs"},
    {"num_agents": 2, "share": "off", "roles": [["collect_*"], ["place_*", "make_wood_*"]]},
]


@pytest.mark.parametrize("arguments", GAMES)
def test_there_are_reasons_for_exactly_the_actions_without_effect(arguments):
    game = family(**arguments)
    agents = len(game.agents)
    found = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        state = random_state(seed, agents, SIZE, start=((0, 7), (11, 9))[seed % 2])
        state.inventory[0] = rng.integers(0, 10, state.inventory.shape[1:]) * (
            rng.random(state.inventory.shape[1:]) < 0.6
        )
        state.sleeping[0] = rng.random(agents) < 0.1
        state.kind[0, 0] = NOTHING if seed % 20 == 19 else PLAYER
        if seed % 3 == 0:
            state.material[0, 10:13, 8:11] = rng.choice([TABLE, FURNACE, GRASS], (3, 3))
        mask = np.zeros((1, agents, len(game.action_names)), np.int8)
        allow_actions(0, state, game.params, mask)
        for agent in range(agents):
            refused = why(state, agent, game)
            assert list(refused) == list(game.action_names)
            assert [int(not reason) for reason in refused.values()] == mask[0, agent].tolist()
            found |= {*refused.values()}
    assert len(found) > 25


def meadow(agents=1):
    state = new_state(1, SIZE, agents)
    state.material[0], state.daylight[0] = GRASS, 0.5
    for agent in range(agents):
        put(state, agent, PLAYER, (10 + 2 * agent, 10), (1, 0))
    state.inventory[0, :, :SAPLING] = 9
    return state


def test_a_description_by_hand():
    state = meadow(2)
    state.material[0, 11, 10] = WATER
    state.material[0, 9:11, 7:9] = TREE
    state.material[0, 10, 11] = LAVA
    put(state, 2, COW, (7, 9))
    put(state, 3, COW, (10, 9))
    put(state, 4, ZOMBIE, (13, 13))
    state.inventory[0, 0, :5] = [3, 9, 8, 9, 1]
    assert told(state, 0, family(num_agents=2, share="off")).splitlines() == [
        "You are player_0, awake, on grass, facing right: water.",
        "Counted from the middle of the map you are 2 left.",
        "Of 9 each you have: health 3, food 9, drink 8, energy 9. You carry: sapling 1.",
        "Achieved, 0 of 22: nothing yet.",
        "Daylight: 0.500.",
        "You see 4 left to 4 right, 3 up to 3 down; an axis that is not named is 0.",
        "Objects: cow: 1 up, 3 left 1 up; player_1 facing right: 2 right; zombie: 3 right 3 down.",
        "Materials: water: 1 right; tree: 0-1 left 2-3 up; lava: 1 down; grass: everywhere else.",
        "You can: noop; move_left; move_up (only turns: cow in the way); move_down (deadly: lava); do (drinks).",
        "You cannot move_right: water in the way.",
        "You cannot sleep: not tired.",
        "You cannot place_stone: needs 1 stone.",
        "You cannot place_table: needs 2 wood; not on water.",
        "You cannot place_furnace: needs 4 stone; not on water.",
        "You cannot place_plant: not on water.",
        "You cannot make_wood_pickaxe, make_wood_sword: needs 1 wood; no table within 1.",
        "You cannot make_stone_pickaxe, make_stone_sword: needs 1 wood, 1 stone; no table within 1.",
        "You cannot make_iron_pickaxe, make_iron_sword: needs 1 wood, 1 coal, 1 iron; no table or furnace within 1.",
    ]


def test_what_is_missing_goes_away_piece_by_piece():
    state, game = meadow(), family()
    state.inventory[0, 0, [ITEMS.index("wood"), ITEMS.index("coal")]] = 1
    state.material[0, 9, 9] = FURNACE
    assert why(state, 0, game)["make_iron_pickaxe"] == "needs 1 iron; no table within 1"
    state.material[0, 11, 11] = TABLE
    assert why(state, 0, game)["make_iron_pickaxe"] == "needs 1 iron"
    state.inventory[0, 0, ITEMS.index("iron")] = 1
    assert why(state, 0, game)["make_iron_pickaxe"] == ""


def test_reasons_by_hand():
    state, game = meadow(2), family(num_agents=2)
    assert why(state, 0, game)["give_wood"] == "no player in front"
    state.material[0, 11, 10] = DIAMOND
    assert why(state, 0, game)["do"] == "diamond needs iron_pickaxe"
    state.inventory[0, 0, IRON_PICKAXE] = 1
    assert why(state, 0, game)["do"] == ""
    assert "do (collects diamond)" in told(state, 0, game)
    put(state, 2, PLANT, (11, 10))
    assert why(state, 0, game)["do"] == "unripe plant cannot be eaten yet"
    state.cooldown[0, 2] = 301
    assert "do (eats ripe plant)" in told(state, 0, game)
    assert set(why(state, 1, family(num_agents=2, roles=[[], []])).values()) >= {"not your role"}


def test_what_was_achieved_and_what_for():
    state, game = meadow(2), family(num_agents=2, goal="collect_diamond")
    state.achievements[0, 0, [ACHIEVEMENTS.index("wake_up"), ACHIEVEMENTS.index("collect_wood")]] = 1, 3
    assert "Achieved, 2 of 22: collect_wood, wake_up. The goal of all: collect_diamond." in told(state, 0, game)
    assert "Achieved, 0 of 22: nothing yet. The goal of all: collect_diamond." in told(state, 1, game)


def test_what_an_action_uses_up():
    state, game = meadow(), family()
    state.inventory[0, 0, SAPLING:] = 5
    state.inventory[0, 0, 3] = 8
    state.material[0, 9, 9], state.material[0, 9, 10] = FURNACE, TABLE
    text = told(state, 0, game)
    assert "sleep (until energy is 9, or something hurts); place_stone (on grass, uses 1 stone); " in text
    assert "make_iron_sword (uses 1 wood, 1 coal, 1 iron)." in text


def test_gifts_and_sleep_are_told_in_one_word():
    state, game = meadow(2), family(num_agents=2)
    assert "You cannot give_*: no player in front.\n" in told(state, 0, game) + "\n"
    put(state, 0, PLAYER, (11, 10), (1, 0))
    state.inventory[0, 0, ITEMS.index("wood")] = 1
    text = told(state, 0, game)
    assert "give_wood (to player_1)" in text
    assert "You cannot give_sapling: no sapling." in text
    state.sleeping[0, 1], state.inventory[0, 1, 3] = True, 5
    assert told(state, 1, game).endswith("You can: noop.\nYou cannot do anything else: you sleep until energy is 9.")


def explained(**arguments):
    game = family(**arguments)
    return manual(game.params, game.action_names).splitlines()


def test_the_manual_has_the_costs_of_the_game():
    lines = explained()
    assert "place_plant uses 1 sapling, in front of you on grass." in lines
    assert "place_stone uses 1 stone, in front of you on water or grass or path or sand or lava." in lines
    iron = "make_iron_pickaxe uses 1 wood, 1 coal, 1 iron, with {} among the 8 cells around you."
    assert iron.format("a table and a furnace") in lines
    assert iron.format("a furnace") in explained(costs="damcs")
    (collecting,) = [line for line in lines if line.startswith("do ")]
    assert "diamond from diamond with iron_pickaxe" in collecting
    assert "sapling from grass, one time in ten" in collecting
    for action in family().action_names[7:]:
        assert sum(line.startswith(f"{action} uses ") for line in lines) == 1


def test_the_manual_has_the_options_of_the_game():
    assert any("Zombies" in line for line in explained())
    assert not any("Zombies" in line for line in explained(hostile=False))
    assert not any("give_" in line for line in explained())
    assert "give_* gives one item to the player in front." in explained(num_agents=2)
    assert "give_* gives one item to the nearest player, at most 3 cells away." in explained(num_agents=2, share=3)
    assert "do strikes players, too." in explained(num_agents=2, friendly_fire=True)


def test_the_dead_and_the_sleeping_can_do_nothing():
    state, game = meadow(2), family(num_agents=2)
    state.kind[0, 1], state.sleeping[0, 0] = NOTHING, True
    assert told(state, 1, game) == "You are player_1. You are dead."
    assert why(state, 0, game)["move_left"] == ""  # slept enough
    state.inventory[0, 0, 3] = 5
    assert why(state, 0, game)["move_left"] == "you sleep until energy is 9"
    assert {name for name, reason in why(state, 0, game).items() if not reason} == {"noop"}
