import pytest
from accessctl import RoleError, RoleGraph


def make_roles():
    roles = RoleGraph()
    roles.add("guest")
    roles.add("reader", ["guest"])
    roles.add("writer", ["guest"])
    roles.add("editor", ["writer", "reader"])
    roles.add("chief", ["editor", "guest"])
    return roles


def test_parents_keep_their_order_and_are_copied():
    roles = make_roles()
    roles.parents("editor").clear()
    assert roles.parents("editor") == ["writer", "reader"]


def test_add_copies_the_parents_and_drops_repeats():
    roles = make_roles()
    given = ["reader", "guest", "reader"]
    roles.add("new", given)
    given.append("chief")
    assert roles.parents("new") == ["reader", "guest"]


def test_add_refuses_an_existing_role():
    with pytest.raises(RoleError, match="'guest' exists already"):
        make_roles().add("guest")


def test_add_with_an_unknown_parent_defines_nothing():
    roles = make_roles()
    with pytest.raises(RoleError, match="unknown role 'nope'"):
        roles.add("new", ["guest", "nope"])
    with pytest.raises(RoleError, match="unknown role 'new'"):
        roles.parents("new")


def test_inherit_adds_a_parent_once():
    roles = make_roles()
    roles.inherit("writer", "reader")
    roles.inherit("writer", "reader")
    assert roles.parents("writer") == ["guest", "reader"]


@pytest.mark.parametrize(("role", "parent"), [("nope", "guest"), ("guest", "nope")])
def test_inherit_refuses_unknown_roles(role, parent):
    with pytest.raises(RoleError, match="unknown role 'nope'"):
        make_roles().inherit(role, parent)


def test_inherit_refuses_a_cycle_and_shows_it():
    roles = make_roles()
    with pytest.raises(RoleError, match="role cycle: guest -> chief -> editor -> writer -> guest"):
        roles.inherit("guest", "chief")
    assert roles.parents("guest") == []


def test_inherit_refuses_itself():
    with pytest.raises(RoleError, match="role cycle: guest -> guest"):
        make_roles().inherit("guest", "guest")


def test_chain_is_the_first_in_order_of_parents():
    roles = make_roles()
    assert roles.chain("editor", "guest") == ["editor", "writer", "guest"]
    assert roles.chain("chief", "reader") == ["chief", "editor", "reader"]
    assert roles.chain("guest", "guest") == ["guest"]


def test_chain_is_empty_downwards_and_refuses_an_unknown_start():
    assert make_roles().chain("guest", "chief") == []
    with pytest.raises(RoleError, match="unknown role"):
        make_roles().chain("nope", "guest")


def test_distances_take_the_fewest_steps():
    found = make_roles().distances(["chief"])
    assert list(found.items()) == [
        ("chief", 0),
        ("editor", 1),
        ("guest", 1),
        ("writer", 2),
        ("reader", 2),
    ]


def test_distances_from_several_roles():
    found = make_roles().distances(["reader", "editor"])
    assert found == {"reader": 0, "editor": 0, "guest": 1, "writer": 1}
    assert make_roles().distances([]) == {}


def test_distances_refuse_unknown_roles():
    with pytest.raises(RoleError, match="unknown role 'nope'"):
        make_roles().distances(["guest", "nope"])


def test_assign_keeps_order_and_ignores_repeats():
    roles = make_roles()
    for role in ("writer", "guest", "writer"):
        roles.assign("ann", role)
    roles.roles_of("ann").clear()
    assert roles.roles_of("ann") == ["writer", "guest"]
    assert roles.roles_of("bob") == []


def test_assign_refuses_unknown_roles():
    with pytest.raises(RoleError, match="unknown role"):
        make_roles().assign("ann", "nope")


def test_revoke():
    roles = make_roles()
    roles.assign("ann", "writer")
    roles.assign("ann", "reader")
    assert roles.revoke("ann", "writer") is True
    assert roles.revoke("ann", "writer") is False
    assert roles.revoke("bob", "writer") is False
    assert roles.roles_of("ann") == ["reader"]
