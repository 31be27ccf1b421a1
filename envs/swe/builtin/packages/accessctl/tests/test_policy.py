import pytest
from accessctl import Decision, Effect, Policy, RoleError, RoleGraph, Rule, equals

ALLOW, DENY = Effect.ALLOW, Effect.DENY


def make_policy(*rules):
    roles = RoleGraph()
    roles.add("guest")
    roles.add("staff", ["guest"])
    roles.add("admin", ["staff"])
    roles.assign("ann", "staff")
    policy = Policy(roles)
    for rule in rules:
        policy.add(rule)
    return policy


def winner(*rules, action="docs/read", resource="wiki/home"):
    decision = make_policy(*rules).explain("ann", action, resource)
    return decision.rule.name if decision.rule else None


def test_default_is_deny():
    decision = make_policy().explain("ann", "read", "wiki")
    assert decision == Decision(False, None, ("denied by default",))


def test_allow_and_deny():
    assert make_policy(Rule("r", "staff", ALLOW, "read", "wiki")).allows("ann", "read", "wiki")
    assert not make_policy(Rule("r", "staff", DENY, "read", "wiki")).allows("ann", "read", "wiki")


def test_rules_of_inherited_roles_apply():
    assert winner(Rule("r", "guest", ALLOW, "**", "**")) == "r"


def test_rules_of_other_roles_do_not_apply():
    policy = make_policy(Rule("r", "admin", ALLOW, "**", "**"))
    assert policy.explain("ann", "read", "wiki").reasons == ("denied by default",)
    assert not policy.allows("stranger", "read", "wiki")


def test_priority_beats_everything():
    low = Rule("low", "staff", DENY, "docs/read", "wiki/home")
    high = Rule("high", "guest", ALLOW, "**", "**", priority=1)
    assert winner(low, high) == winner(high, low) == "high"


def test_negative_priority_loses_to_the_default_one():
    low = Rule("low", "staff", DENY, "**", "wiki/home", priority=-1)
    assert winner(low, Rule("plain", "guest", ALLOW, "**", "**")) == "plain"


def test_nearer_role_beats_specificity():
    near = Rule("near", "staff", ALLOW, "**", "**")
    far = Rule("far", "guest", DENY, "docs/read", "wiki/home")
    assert winner(near, far) == winner(far, near) == "near"


def test_specific_resource_beats_specific_action():
    resource = Rule("resource", "staff", ALLOW, "**", "wiki/*")
    action = Rule("action", "staff", DENY, "docs/read", "**")
    assert winner(resource, action) == winner(action, resource) == "resource"


def test_specific_action_beats_the_effect():
    exact = Rule("exact", "staff", ALLOW, "docs/read", "wiki/*")
    broad = Rule("broad", "staff", DENY, "docs/*", "wiki/*")
    assert winner(exact, broad) == winner(broad, exact) == "exact"


def test_deny_beats_allow_on_a_tie():
    allow = Rule("allow", "staff", ALLOW, "docs/*", "wiki/*")
    deny = Rule("deny", "staff", DENY, "docs/*", "wiki/*")
    assert winner(allow, deny) == winner(deny, allow) == "deny"


def test_earliest_rule_wins_a_full_tie():
    first = Rule("first", "staff", ALLOW, "docs/*", "wiki/*")
    second = Rule("second", "staff", ALLOW, "*/read", "*/home")
    assert winner(first, second) == "first"
    assert winner(second, first) == "second"


def test_condition_sees_request_and_attributes():
    policy = make_policy(Rule("own", "staff", ALLOW, "**", "**", condition=equals("owner", "subject")))
    assert policy.allows("ann", "read", "wiki", {"owner": "ann"})
    assert not policy.allows("ann", "read", "wiki", {"owner": "bob"})
    assert not policy.allows("ann", "read", "wiki")


def test_condition_gets_action_and_resource():
    seen = []
    rule = Rule("spy", "staff", ALLOW, "**", "**", condition=lambda given: seen.append(given))
    make_policy(rule).explain("ann", "read", "wiki")
    assert seen == [{"subject": "ann", "action": "read", "resource": "wiki"}]


def test_attributes_cannot_override_the_request_and_are_not_changed():
    policy = make_policy(Rule("own", "staff", ALLOW, "**", "**", condition=equals("owner", "subject")))
    given = {"owner": "bob", "subject": "bob"}
    assert not policy.allows("ann", "read", "wiki", given)
    assert given == {"owner": "bob", "subject": "bob"}


def test_explain_lists_every_covering_rule():
    policy = make_policy(
        Rule("a", "guest", ALLOW, "read", "**"),
        Rule("b", "staff", DENY, "read", "wiki", condition=lambda given: False),
        Rule("c", "staff", ALLOW, "edit", "wiki"),
        Rule("d", "staff", DENY, "*", "wiki"),
    )
    reasons = policy.explain("ann", "read", "wiki").reasons
    assert reasons == (
        "a: allow via guest",
        "b: condition not met",
        "d: deny via staff",
        "denied by d",
    )


def test_explain_names_the_allowing_rule():
    rule = Rule("a", "guest", ALLOW, "read", "**")
    decision = make_policy(rule).explain("ann", "read", "wiki")
    assert decision == Decision(True, rule, ("a: allow via guest", "allowed by a"))


def test_add_refuses_duplicate_names_and_unknown_roles():
    policy = make_policy(Rule("a", "guest", ALLOW, "read", "**"))
    with pytest.raises(ValueError, match="duplicate rule name 'a'"):
        policy.add(Rule("a", "staff", DENY, "edit", "**"))
    with pytest.raises(RoleError, match="unknown role 'nope'"):
        policy.add(Rule("b", "nope", DENY, "edit", "**"))
    policy.rules.clear()
    assert [rule.name for rule in policy.rules] == ["a"]


def test_remove():
    policy = make_policy(Rule("a", "guest", ALLOW, "read", "**"), Rule("b", "guest", ALLOW, "edit", "**"))
    assert policy.remove("a") is True
    assert policy.remove("a") is False
    assert [rule.name for rule in policy.rules] == ["b"]
