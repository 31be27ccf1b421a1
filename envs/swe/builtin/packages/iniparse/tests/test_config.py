import pytest
from iniparse import Config, IniError

TEXT = """\
# settings
[base]
root = /srv  ; the root
port = 80
debug = Off

[web : base]
port = 8080
logs = ${root}/logs:${port}
names = a, b,,
    c

# the last one
[admin : web]
root = /adm
"""


def test_sections_in_order_and_new():
    config = Config(TEXT)
    assert config.sections() == ["base", "web", "admin"]
    config.sections().append("x")
    assert config.sections() == ["base", "web", "admin"]
    assert Config().sections() == []


def test_ancestry():
    assert Config(TEXT).ancestry("admin") == ["admin", "web", "base"]
    assert Config(TEXT).ancestry("base") == ["base"]


def test_keys_start_with_oldest_ancestor():
    assert Config(TEXT).keys("base") == ["root", "port", "debug"]
    assert Config(TEXT).keys("admin") == ["root", "port", "debug", "logs", "names"]


def test_get_own_and_inherited():
    config = Config(TEXT)
    assert config.get("base", "port") == "80"
    assert config.get("web", "PORT") == "8080"
    assert config.get("web", "root") == "/srv"


def test_references_resolve_from_asked_section():
    config = Config(TEXT)
    assert config.get("web", "logs") == "/srv/logs:8080"
    assert config.get("admin", "logs") == "/adm/logs:8080"


def test_references_to_other_section():
    config = Config("[a]\nx = 1$$\ny = <${x}>\n[b]\nz = ${a:y}${a:x}")
    assert config.get("b", "z") == "<1$>1$"


def test_raw_is_not_interpolated():
    config = Config(TEXT)
    assert config.raw("admin", "LOGS") == "${root}/logs:${port}"
    assert config.raw("admin", "nope") is None


@pytest.mark.parametrize("key", ["x", "y", "z"])
def test_circular_references(key):
    config = Config("[s]\nx = ${x}\ny = ${z}\nz = ${s:y}")
    with pytest.raises(IniError, match="circular"):
        config.get("s", key)


def test_repeated_reference_is_not_circular():
    assert Config("[s]\na = 1\nb = ${a}${a}\nc = ${b}${a}").get("s", "c") == "111"


def test_get_default_is_kept_as_is():
    config = Config(TEXT)
    assert config.get("web", "nope", "${x}") == "${x}"
    assert config.get("web", "nope", "") == ""
    assert config.get("web", "port", "1") == "8080"


def test_missing_key_or_reference():
    with pytest.raises(IniError, match="no key 'nope'"):
        Config(TEXT).get("web", "nope")
    with pytest.raises(IniError, match="no key 'b'"):
        Config("[s]\na = ${b}").get("s", "a", "default")


@pytest.mark.parametrize("getter", ["get", "get_int", "get_bool", "get_list"])
def test_missing_section_with_default(getter):
    defaults = {"get": "", "get_int": 0, "get_bool": False, "get_list": []}
    with pytest.raises(IniError, match="no section 'nope'"):
        getattr(Config(TEXT), getter)("nope", "port", defaults[getter])


@pytest.mark.parametrize("getter", ["get_int", "get_bool", "get_list"])
def test_missing_key_without_default(getter):
    with pytest.raises(IniError, match="no key"):
        getattr(Config(TEXT), getter)("web", "nope")


def test_get_int():
    config = Config(TEXT)
    assert config.get_int("web", "port") == 8080
    assert config.get_int("web", "port", 5) == 8080
    assert config.get_int("web", "nope", 0) == 0


def test_get_int_rejects_text():
    with pytest.raises(IniError, match="not an integer"):
        Config(TEXT).get_int("web", "root")


def test_get_bool():
    config = Config("[s]\na = yes\nb = TRUE\nc = on\nd = 1\ne = No\nf = false\ng = OFF\nh = 0")
    values = [config.get_bool("s", key) for key in "abcdefgh"]
    assert values == [True] * 4 + [False] * 4


def test_get_bool_default_and_error():
    config = Config(TEXT)
    assert config.get_bool("web", "nope", False) is False
    assert config.get_bool("web", "debug", True) is False
    with pytest.raises(IniError, match="not a boolean"):
        config.get_bool("web", "port")


def test_get_list():
    config = Config(TEXT)
    assert config.get_list("web", "names") == ["a", "b", "c"]
    assert config.get_list("web", "names", []) == ["a", "b", "c"]


def test_get_list_copies_default():
    default = ["x"]
    Config(TEXT).get_list("web", "nope", default).append("y")
    assert default == ["x"]


def test_as_dict_is_interpolated():
    config = Config("[a]\nx = 1\n[b : a]\ny = ${x}2")
    assert config.as_dict("b") == {"x": "1", "y": "12"}
    assert config.as_dict("a") == {"x": "1"}


def test_set_keeps_place_and_comment():
    config = Config(TEXT)
    assert config.text() == TEXT
    config.set("base", "ROOT", "/new")
    assert config.text() == TEXT.replace("root = /srv  ; the root", "root = /new  ; the root")
    assert config.get("web", "root") == "/new"


def test_set_multiline_value():
    config = Config("[s]\na = 1 # x\n  2\nb = 3\n")
    config.set("s", "a", "7\n8")
    assert config.text() == "[s]\na = 7 # x\n    8\nb = 3\n"
    assert config.get("s", "a") == Config(config.text()).get("s", "a") == "7\n8"


def test_set_adds_behind_last_entry():
    config = Config(TEXT)
    config.set("web", "Debug", "on")
    assert config.text() == TEXT.replace("    c\n", "    c\ndebug = on\n")
    assert not config.get_bool("base", "debug")


def test_set_adds_missing_section():
    config = Config()
    config.set("s", "a", "1")
    config.set("t", "b", "2")
    assert config.text() == "[s]\na = 1\n\n[t]\nb = 2\n"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("a", " 1"),
        ("a", "1 # x"),
        ("a", "1\n\n2"),
        ("", "1"),
        ("a=b", "1"),
        ("#a", "1"),
        ("[a", ""),
    ],
    ids=list("bcdefgh"),
)
def test_set_rejects_what_cannot_be_read_back(key, value):
    config = Config("[s]\n")
    with pytest.raises(IniError):
        config.set("s", key, value)
    assert config.text() == "[s]\n"


def test_add_section_with_parent():
    config = Config("[s]\na = 1\n# end\n")
    config.add_section("t", "s")
    assert config.text() == "[s]\na = 1\n# end\n\n[t : s]\n"
    assert config.get("t", "a") == "1"


@pytest.mark.parametrize(
    ("name", "parent"),
    [("s", None), ("", None), ("t:s", None), (" t", None), ("t", "x"), ("t", "s "), ("t", "")],
    ids=list("abcdefg"),
)
def test_add_section_rejects(name, parent):
    config = Config("[s]\n")
    with pytest.raises(IniError):
        config.add_section(name, parent)
    assert config.sections() == ["s"]


def test_remove_own_entry_only():
    config = Config(TEXT)
    assert config.remove("web", "PORT") is True
    assert config.text() == TEXT.replace("port = 8080\n", "")
    assert config.remove("web", "port") is False
    assert config.get("web", "port") == "80"


def test_remove_needs_section():
    with pytest.raises(IniError):
        Config(TEXT).remove("nope", "port")
