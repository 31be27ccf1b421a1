"""The pictures of Crafter: our own 16x16 pixel art, as text.

A letter is a colour of :data:`PALETTE`, a dot is transparent. Pictures that differ in little are made from one another:
ores from stone, tools from one another, directions by turning, agents by the colour of their clothes.
"""

from __future__ import annotations

import colorsys
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIZE", "Texture", "agent_colour", "agent_textures", "textures"]

Texture = NDArray[np.uint8]

#: Pixels of a side.
SIZE = 16

PALETTE = {
    "k": (36, 32, 44),  # outlines
    "w": (246, 246, 240),
    "g": (98, 168, 70), "G": (72, 138, 58), "h": (132, 194, 90),  # grass
    "t": (44, 112, 56), "T": (28, 80, 46), "l": (76, 146, 70),  # leaves
    "b": (66, 128, 214), "c": (126, 178, 240), "B": (46, 98, 184),  # water
    "s": (226, 204, 144), "S": (202, 176, 116), "d": (240, 224, 176),  # sand
    "p": (176, 152, 124), "P": (152, 128, 104), "q": (194, 172, 146),  # path
    "a": (134, 136, 144), "A": (104, 106, 116), "e": (160, 162, 168),  # stone
    "o": (140, 92, 52), "O": (102, 64, 38), "n": (182, 130, 78),  # wood
    "r": (222, 56, 52), "R": (160, 32, 44), "v": (250, 140, 40), "y": (254, 216, 72),  # fire and fruit
    "f": (244, 200, 160), "F": (216, 160, 122), "x": (112, 70, 44), "X": (84, 52, 36),  # skin and hair
    "j": (70, 66, 92),  # trousers; the agent's own colour is u, and U in the shade
    "z": (126, 176, 96), "Z": (94, 138, 72), "m": (240, 168, 168), "M": (206, 122, 130),  # zombies; muzzles
    "i": (228, 232, 238), "I": (176, 184, 198), "C": (58, 56, 66), "D": (92, 90, 102),  # iron; coal
    "1": (236, 172, 128), "2": (198, 122, 84),  # iron ore
    "3": (208, 252, 252), "4": (110, 222, 236), "5": (56, 168, 204),  # diamond
}  # fmt: skip

_SHEETS = (
    (
        "water grass stone path sand tree",
        """
bbbbbbbbbbbbbbbb gggggggggggggggg eeeeeeeAeeeeeeee pppppppppppppppp ssssssssssssssss ggggggGGGGgggggg
bbbccbbbbbbbbbbb gghggggggggGgggg eaaaaaaAeaaaaaaa ppqpppppppppPppp sssssdssssssssss ggggGttttttGGggg
bccbbccbbbbbbbbb gGhggggggggGGggg eaaaaaaAeaaaaaaa pPPpppppppppppqp ssSsssssssssSsss gggGtllttttttGgg
bbbbbbbbbbccbbbb gGgggggggggggggg eaaaaaaAeaaaaaaa ppppppppqppppppp sssssssssdssssss ggGtlllttlttttGg
bbbbbbbbccbbccbb ggggggghgggggggg eaaaaaaAeaaaaaaa pppppppPPppppppp ssssssssssssssss ggttllttlllttTGg
bbbbbbbbbbbbbbbb gggggggGhggggghg AAAAAAAAAAAAAAAA pppppppppppppppp dsssssSsssssssds gGtttttttlltttTG
ccbbbbbbbbbbbbbb gggggggGggggggGh eeeAeeeeeeeeeeee ppPppppppppqpppp sssssssssssSssss gGttlltttttttTTG
bbccbbbbbbbbbbcc ggggggggggggggGg aaaAeaaaaaaaaaaa qpppppppppppPPpp ssssssssssssssss gGtlllttTttlltTG
bbbbbbbccbbbbbbb ggGggggggggggggg aaaAeaaaaaaaaaaa pppppqpppppppppp ssSssssdssssssss gGttltttTTtttTTG
bbbbbccbbccbbbbb ggGGggggggghgggg aaaAeaaaaaaaaaaa ppppPPpppppppppp ssssssssssssSsss ggTtttTtttTtTTGg
bbbbbbbbbbbbbbbb gggggggggggGhggg AAAAAAAAAAAAAAAA pppppppppppqpppp ssssssssssssssss ggGTTTttTTTTTTGg
bbbbbbbbbbbbbccb gggggghggggGgggg eeeeeeeeeeAeeeee ppppppppPppppppp ssssdsssssssssss gggGGTTTTTTTGGgg
ccbbbbbbbbbccbbc ggggggGhgggggggg eaaaaaaaaaAeaaaa pqpppppppppppPpp sSssssssSsssssds gggggGOooOGggggg
bbccbbbbbbbbbbbb ghggggGggggggggg eaaaaaaaaaAeaaaa PPppppqppppppppp ssssssssssssssss gggggGOnoOGggggg
bbbbbbbbccbbbbbb gGhggggggggghggg eaaaaaaaaaAeaaaa pppppPPppppppppp sssssssssdssSsss ggggGGOnoOGGgggg
bbbbbbccbbccbbbb gGgggggggggGGggg AAAAAAAAAAAAAAAA pppppppppppqpppp ssssSsssssssssss gggGGGGGGGGGGggg
""",
    ),
    (
        "lava coal-ore iron-ore diamond-ore table furnace",
        """
vvvvvvvvvvvvvvvv ................ ................ ................ OOOOOOOOOOOOOOOO AAAAAAAAAAAAAAAA
vrrvvvvyyvvvvvvv ................ ................ ................ OnnnnnnnnnnnnnnO AeeeeeAeeeeeeeeA
vvvrrvvvvyyvvvvv ..kkk........... ...kk........... ...k............ OnooooooooooooOO AeaaaaAeaaaaaaaA
vvvvvvvvvvvvvrvv .kCDCk....kkk... ..k12k....kkk... ..k3k.....k..... OnoiiiioooooiIOO AeaaaaAeaaaaaaaA
yyvvvvvvvvvvrrvv .kCCCCk..kCDCk.. .k1112k..k112k.. .k334k...k3k.... OnoIIIIoooooiIOO AAAAAAAAAAAAAAAA
vvyyvvrrrvvvvvvv ..kCCCk..kCCCk.. .k1122k..k122k.. k33445k.k344k... OnooonooooooooOO AeaakkkkkkkkaaeA
vvvvvvvvrrvvvvyy ...kkk....kkk... ..k22k....kkk... .k445k..k4445k.. OnooonoooonnnoOO AeakCCCCCCCCkaeA
vvvvvvvvvvvvvyyv ................ ...kk........... ..k5k....k45k... OnooonoooonOnoOO AeakCCRrrRCCkaeA
vrrvvvvyyvvvvvvv ................ ................ ...k......k5k... OnooonoooonnnoOO AAAkCRrvvrRCkAAA
vvrrvvvvyyvvvvvv .......kkk...... .......kkk...... .......k..k..... OnoooooooooooooO AeakRrvyyvrRkaeA
vvvvvvvvvvvvrrrv ..kkk.kCDDk..... ..kk..k112k..... ..k...k3k....... OOOOOOOOOOOOOOOO AeakRvyyyyvRkaeA
vyyvvvvvvvvvvvrr .kCDCkCCCCCk.... .k12kk11122k.... .k3k.k334k...... OooOOOOOOOOOOooO AeaAAAAAAAAAAaeA
vvyyvvvvvvvvvvvv .kCCCkkCCCk..... .k22k.k1222k.... k344kk3445k..... OnoO........OnoO AAAAAAAAAAAAAAAA
vvvvvvrrvvyyvvvv ..kkk..kkk...... ..kk...k22k..... .k5k..k45k...... OnoO........OnoO AeeeeeeeeAeeeeeA
rvvvvvvrrvvyyvvv ................ ........kk...... ..k....k5k...... OnoO........OnoO AeaaaaaaaAeaaaaA
rrvvvvvvvvvvvvvr ................ ................ ........k....... OOOO........OOOO AAAAAAAAAAAAAAAA
""",
    ),
    (
        "player-down player-up player-right player-sleep cow zombie",
        """
................ ................ ................ ................ ................ ................
....kkkkkkkk.... ....kkkkkkkk.... ....kkkkkkkk.... ..........wwww.. ................ ....kkkkkkkk....
...kxxxxxxxxk... ...kxxxxxxxxk... ...kxxxxxxxxk... ............w... .kk..kk......... ...kzzzzzzzzk...
..kxxxxxxxxxxk.. ..kxxxxxxxxxxk.. ..kxxxxxxxxxxk.. ...........w.... .kokkokkkkkkkk.. ..kzzzzzzzzzzk..
..kxxffffffxxk.. ..kxxxxxxxxxxk.. ..kxxxxxfffffk.. .......ww.wwww.. .kowwokwwooowwk. ..kzzzzzzzzzzk..
..kxffffffffxk.. ..kxxxxxxxxxxk.. ..kxxxxffffffk.. ........w....... .kwwwwkwwoooowwk ..kzrrzzzzrrzk..
..kffkffffkffk.. ..kxxXxxxxXxxk.. ..kxxxffffkffk.. ..kkkkk.ww...... kwkwwkwwwwoowwwk ..kzrrzzzzrrzk..
..kffkffffkffk.. ..kxxxXxxXxxxk.. ..kxxFffffkffk.. .kwwwwwkkkkkkk.. kwwwwwwowwwwwwwk ..kzzzzzzzzZzk..
...kffFFFFffk... ...kxxxxxxxxk... ...kxfffffffk... .kwxxxxfkuuuuuk. kmmmmmwoowwwwwwk ...kzzkkkkzzk...
...kkuuuuuukk... ...kkuuuuuukk... ....kuuuuuuk.... kwxxxfffkuuuuuuk kmkmkmwoowwwowwk .kkkkjjjjjjkkkk.
..kfkuuuuuukfk.. ..kfkuuuuuukfk.. ....kuuffuuk.... kwxxxfkkkuUuuuuk .kmmmkwwwwwoowwk kzzkkjjjjjjkkzzk
..kfkuuuuuukfk.. ..kfkuuuuuukfk.. ....kuuffuuk.... kwxxxfffkuuuUuuk ..kkkkwwwwwwowwk kzzkjjjjjjjjkzzk
...kkUUUUUUkk... ...kkUUUUUUkk... ....kUUUUUUk.... .kwxxxxfkuuuuuk. .....kwwkkkkwwk. kZZkjjCCCCjjkZZk
....kjjkkjjk.... ....kjjkkjjk.... ....kjjjjjjk.... .kwwwwwkkUUUUUk. .....kwwk..kwwk. .kk.kCCkkCCk.kk.
....kjjkkjjk.... ....kjjkkjjk.... ....kkjjkjjk.... ..kkkkkkkkkkkk.. .....kkkk..kkkk. ....kZZkkZZk....
.....kk..kk..... .....kk..kk..... .....kkkkkk..... ................ ................ ....kkk..kkk....
""",
    ),
    (
        "skeleton arrow-right plant plant-ripe health-item food-item",
        """
................ ................ ................ ................ ................ ................
....kkkkkkkk.... ................ ................ ......kkkkk..... ................ ........kkkkk...
...kwwwwwwwwk... ................ ................ ....kktlltkk.... ..kkkk....kkkk.. ......kknnooOk..
..kwwwwwwwwwwk.. ................ ................ ...ktttlttttk... .krrrrk..krrrrk. .....knnoooooOk.
..kwkkwwwwkkwk.. ................ .....k......k... ..ktrrtttrrttk.. krrwwrrkkrrrrrrk ....knnooooooOk.
..kwkkwwwwkkwk.. ................ ....klk....klk.. ..krrwrttrwrrk.. krwwwrrrrrrrrrrk ....knoooooooOk.
..kwwwwkkwwwwk.. .kk........kk... ...khllk..khltk. ..krrrrttrrrrk.. krwwrrrrrrrrrrRk ....koooooooOOk.
...kwwwwwwwwk... kwwk.......kik.. ...kllhlkkhllk.. .ktrrrtlltrrttk. krrrrrrrrrrrrrRk ....koooooooOk..
...kkwkwwkwkk... .kwwnnnnnnnniik. ....kkllklllk... .kttttrrrtttttk. .krrrrrrrrrrrRk. ....kkooooOOk...
....kkkwwkkk.... .kwwOOOOOOOOiIk. ......klllkk.... .ktltrrwrrtlttk. ..krrrrrrrrrRk.. ...kwwkOOOkk....
..kwkwwwwwwkwk.. kwwk.......kIk.. .......ktk...... ..kttrrrrrttTk.. ...krrrrrrrRk... ..kwwkkkkk......
..kwkkkwwkkkwk.. .kk........kk... .......ktk...... ...kTTrrrTTTk... ....krrrrrRk.... kkwwk...........
..kwkwwwwwwkwk.. ................ .......ktk...... ....kkkOOkkk.... .....krrrRk..... kwwwk...........
..kk.kkwwkk.kk.. ................ ....kkkOOkkk.... ......kOOk...... ......krRk...... kwwk............
....kwwkkwwk.... ................ ...koOooOoOok... ....kkoOOokk.... .......kk....... .kk.............
....kkk..kkk.... ................ ....kkkkkkkk.... ....kkkkkkkk.... ................ ................
""",
    ),
    (
        "drink-item energy-item wood-item stone-item coal-item iron-item",
        """
................ ................ ................ ................ ................ ................
.......kk....... ........kkkkkk.. ................ ................ ................ ................
.......kck...... .......kyyyyk... .........kkkkk.. ......kkkkk..... ......kkkk...... ................
......kcbk...... ......kyyyyk.... .......kkoooOOk. ....kkeeeeakk... ....kkDDCCkk.... ................
.....kccbbk..... .....kyyyyk..... .....kkonooooOk. ...keeeeaaaaak.. ...kDDDCCCCCk... ......kkkkkkkk..
.....kcbbbk..... ....kyyyyk...... ...kkonooooooOk. ..keeeaaaaaaAAk. ..kDDCCCCDCCCk.. .....kiiiiiiik..
....kccbbbbk.... ...kyyyyykkkk... ..knnnoooooOOk.. ..keeaaaaaaaaAk. ..kDCCCCDDCCCCk. ....kiiiiiiiIk..
....kcbbbbbk.... ..kyyyyyyyyyk... .knnOnnooonok... ..keaaaaaaAaaAk. .kDDCCCCCCCCCkk. ...kiiiiiiiIIk..
...kccbbbbbbk... ..kkkkkyyyyk.... .knOOOnooookk... .keaaaaaaaAAaAAk .kDCCCDCCCCCCCk. ..kkkkkkkkkIIk..
...kcbbbbbbbk... .....kyyyyk..... .knOnOnoookk.... .keaaaaaaaaaaAAk .kCCCDDCCCCDCCk. ..kIIIIIIIIkIk..
...kcbbbbbbBk... ....kyyyyk...... .knOOOnoook..... .kaaaAaaaaaaAAAk .kCCCCCCCCDDCCk. ..kIIIIIIIIkk...
...kbbbbbbbBk... ...kyyyk........ .knnOnnokk...... .kaAAaaaaaAAAAAk .kkCCCCCCCCCkk.. ..kIIIIIIIIk....
....kbbbbbBk.... ..kyyyk......... ..knnnnk........ ..kAAAAAAAAAAAk. ...kCCkkkCCk.... ..kkkkkkkkkk....
.....kBBBBk..... ..kyyk.......... ...kkkk......... ...kkkkkkkkkkk.. ....kk...kk..... ................
......kkkk...... ..kkk........... ................ ................ ................ ................
................ ................ ................ ................ ................ ................
""",
    ),
    (
        "diamond-item pickaxe sword",
        """
................ ................ ................
................ .....kkkkkk..... ............kkk.
....kkkkkkkk.... ....kiiiiiik.... ...........kiik.
...k33w34445k... ....kkkkIIiik.kk ..........kiiIk.
..k33w3444445k.. .......kkkIiikkk .........kiiIk..
.k33w344444445k. .........kniiik. ........kiiIk...
.k555555555555k. ........knokIik. .......kiiIk....
.k334444444455k. .......knok.kIik ......kiiIk.....
..k3344444455k.. ......knok..kIik .kk..kiiIk......
...k33444455k... .....knok...kIik .kokkiiIk.......
....k334455k.... ....knok....kIik ..kokiIk........
.....k3445k..... ...knok.....kIk. ...kokk.........
......k45k...... ..knok.......k.. ..knookk........
.......kk....... .knok........... .knokkok........
................ .kok............ .kok..kk........
................ ..k............. ..k.............
""",
    ),
)


#: Light and shade of a tool's head, which is drawn in iron.
_HEADS = {"wood": "no", "stone": "ea", "iron": "iI"}
#: Rows and columns of a digit's bars, as on a display with seven. At 4x4 pixels, as in 64x64, digits still differ.
_BARS = {
    "a": (1, 4, 5, 15), "g": (7, 9, 5, 15), "d": (12, 15, 5, 15),
    "f": (1, 9, 5, 8), "b": (1, 9, 12, 15), "e": (7, 15, 5, 8), "c": (7, 15, 12, 15),
    "+": (5, 15, 9, 12), "-": (9, 12, 5, 15),
}  # fmt: skip
_DIGITS = ("bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def agent_colour(agent: int) -> tuple[int, int, int]:
    """The colour of an agent's clothes, RGB: hues a golden ratio apart, so that those of any few differ well."""
    turn = 0.5983 + agent * 0.6180339887
    value = (0.86, 0.62, 1.0)[agent // 12 % 3]
    red, green, blue = colorsys.hsv_to_rgb(turn % 1.0, 0.71, value)
    return round(255 * red), round(255 * green), round(255 * blue)


@cache
def textures() -> dict[str, Texture]:
    """All pictures but those of agents, uint8 ``(16, 16, 4)``: rows, columns, RGB and opacity, which is 0 or 255.

    Names are those of materials, ``"cow"``, ``"zombie"``, ``"skeleton"``, ``"arrow-<direction>"``, ``"plant"``,
    ``"plant-ripe"``, ``"<item>-item"``, digits ``"1"`` to ``"9"``, and ``"many"``, a plus, for more than nine.
    """
    drawn = {name: _painted(rows) for name, rows in _drawings().items() if not name.startswith("player")}
    for ore in ("coal", "iron", "diamond"):
        drawn[ore] = _over(drawn.pop(f"{ore}-ore"), drawn["stone"])
    drawn["table"] = _over(drawn["table"], drawn["path"])
    for tool in ("pickaxe", "sword"):
        rows = _drawings()[tool]
        del drawn[tool]
        for metal, head in _HEADS.items():
            drawn[f"{metal}_{tool}-item"] = _painted(rows, {"i": PALETTE[head[0]], "I": PALETTE[head[1]]})
    drawn["sapling-item"] = drawn["plant"]
    arrow = drawn["arrow-right"]
    for turns, direction in enumerate(("up", "left", "down"), start=1):
        drawn[f"arrow-{direction}"] = np.rot90(arrow, turns)
    for digit, bars in enumerate(_DIGITS, start=1):
        drawn[str(digit)] = _digit(bars)
    drawn["many"] = _digit("+-")
    return {name: _frozen(texture) for name, texture in drawn.items()}


@cache
def agent_textures(agent: int) -> dict[str, Texture]:
    """The pictures of one agent: ``"left"``, ``"right"``, ``"up"``, ``"down"`` and ``"sleep"``, as :func:`textures`."""
    colour = agent_colour(agent)
    red, green, blue = (7 * part // 10 for part in colour)
    clothes = {"u": colour, "U": (red, green, blue)}
    prefix = "player-"
    drawn = {
        name.removeprefix(prefix): _painted(rows, clothes)
        for name, rows in _drawings().items()
        if name.startswith(prefix)
    }
    drawn["left"] = drawn["right"][:, ::-1]
    return {name: _frozen(texture) for name, texture in drawn.items()}


@cache
def _drawings() -> dict[str, list[str]]:
    drawings: dict[str, list[str]] = {}
    for names, sheet in _SHEETS:
        columns = zip(*(line.split() for line in sheet.strip().splitlines()), strict=True)
        drawings |= zip(names.split(), map(list, columns), strict=True)
    return drawings


def _painted(rows: list[str], colours: dict[str, tuple[int, int, int]] | None = None) -> Texture:
    letters = PALETTE | (colours or {})
    return np.array([[(0, 0, 0, 0) if p == "." else (*letters[p], 255) for p in row] for row in rows], np.uint8)


def _over(upper: Texture, lower: Texture) -> Texture:
    return np.where(upper[..., 3:] > 0, upper, lower)


def _digit(bars: str) -> Texture:
    stroke = np.zeros((SIZE + 2, SIZE + 2), np.bool_)  # with a margin, for the outline
    for bar in bars:
        top, bottom, left, right = _BARS[bar]
        stroke[top + 1 : bottom + 1, left + 1 : right + 1] = True
    near = np.lib.stride_tricks.sliding_window_view(stroke, (3, 3)).any((2, 3))
    texture = np.zeros((SIZE, SIZE, 4), np.uint8)
    texture[near] = (*PALETTE["k"], 255)
    texture[stroke[1:-1, 1:-1]] = (*PALETTE["w"], 255)
    return texture


def _frozen(texture: Texture) -> Texture:
    texture = np.ascontiguousarray(texture)
    texture.flags.writeable = False
    return texture
