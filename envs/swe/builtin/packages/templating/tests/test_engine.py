import pytest
from templating import Environment, Safe, TemplateError


def show(text, **variables):
    return Environment().render_text(text, variables)


def error(text, templates=None, **variables):
    with pytest.raises(TemplateError) as caught:
        Environment(templates).render_text(text, variables)
    return caught.value


def test_plain_text_and_output():
    assert show("a\n { b } ") == "a\n { b } "
    assert show("Hi {{ name }}, {{name}}!", name="Al") == "Hi Al, Al!"
    assert show("") == ""


def test_none_prints_nothing():
    assert show("<{{ x }}{{ none }}>", x=None) == "<>"
    assert show("{{ x }}", x=0) == "0"


def test_output_is_escaped():
    assert show("{{ x }}", x="<a & 'b' \"c\">") == "&lt;a &amp; &#39;b&#39; &quot;c&quot;&gt;"
    assert show("{{ x }}{{ '<i>' | safe }}", x=Safe("<b>")) == "<b><i>"


def test_autoescape_off():
    environment = Environment(autoescape=False)
    assert environment.render_text("{{ x }}{{ x | escape }}", {"x": "<"}) == "<&lt;"


def test_comments():
    assert show("a{# {{ x }}\n{% if %} #}b") == "ab"


def test_white_space_control():
    assert show("a \n{{- 1 }} b") == "a1 b"
    assert show("a {{ 1 -}}\n b") == "a 1b"
    assert show("a {%- if true -%} b {%- endif -%} c") == "abc"
    assert show("a {#- x -#} b {# y #} c") == "ab  c"


def test_if_else():
    text = "{% if x %}yes{% else %}no{% endif %}!"
    assert show(text, x=1) == "yes!"
    assert show(text, x=0) == "no!"
    assert show(text) == "no!"
    assert show("{% if x %}yes{% endif %}!", x="") == "!"


def test_elif_takes_first_true_branch():
    text = "{% if x == 1 %}a{% elif x < 3 %}b{% elif x < 4 %}c{% else %}d{% endif %}"
    assert [show(text, x=x) for x in (1, 2, 3, 4)] == ["a", "b", "c", "d"]


def test_nested_if():
    text = "{% if x %}{% if y %}a{% else %}b{% endif %}{% else %}c{% endif %}"
    assert [show(text, x=x, y=y) for x, y in ((1, 1), (1, 0), (0, 1))] == ["a", "b", "c"]


def test_for_and_else():
    text = "{% for x in xs %}{{ x }},{% else %}none{% endfor %}!"
    assert show(text, xs=[1, 2]) == "1,2,!"
    assert show(text, xs=[]) == "none!"
    assert show("{% for x in xs %}{{ x }}{% endfor %}!", xs=[]) == "!"


def test_for_over_iterator_and_mapping():
    assert show("{% for x in xs %}{{ x }}{% endfor %}", xs=iter("abc")) == "abc"
    assert show("{% for x in xs %}{{ x }}{% endfor %}", xs={"k": 1, "l": 2}) == "kl"


def test_loop_positions():
    text = "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.length }} {% endfor %}"
    assert show(text, xs="abc") == "103 213 323 "


def test_loop_first_and_last():
    text = "{% for x in xs %}{% if loop.first %}({% endif %}{{ x }}"
    text += "{% if not loop.last %},{% else %}){% endif %}{% endfor %}"
    assert show(text, xs="abc") == "(a,b,c)"
    assert show(text, xs="a") == "(a)"


def test_nested_loops_have_their_own_info():
    text = "{% for y in ys %}{% for x in y %}{{ loop.index }}{% endfor %}"
    text += "{{ loop.index }};{% endfor %}"
    assert show(text, ys=["ab", "c"]) == "121;12;"


def test_loop_variables_are_gone_after_the_loop():
    text = "{% for x in xs %}{% endfor %}{{ x }}{{ loop | default('-') }}"
    assert show(text, xs="abc", x="old") == "old-"


def test_rendering_does_not_change_variables():
    variables = {"xs": [1], "x": 0}
    Environment().render_text("{% for x in xs %}{{ x }}{% endfor %}", variables)
    assert variables == {"xs": [1], "x": 0}


def test_render_by_name_and_include():
    templates = {"page": "[{% include part %}]", "part": "{{ x }}{% include 'end' %}", "end": "."}
    variables = {"x": 5, "part": "part"}
    assert Environment(templates).render("page", variables) == "[5.]"
    assert Environment(templates).render("end") == "."


def test_include_sees_loop_variables():
    text = "{% for x in xs %}{% include 'row' %}{% endfor %}"
    environment = Environment({"row": "{{ loop.index }}{{ x }} "})
    assert environment.render_text(text, {"xs": "ab"}) == "1a 2b "


def test_include_depth_limit():
    chain = {f"t{i}": f"{{% include 't{i + 1}' %}}" for i in range(11)}
    environment = Environment({**chain, "t11": "end"})
    assert environment.render("t1") == "end"
    with pytest.raises(TemplateError, match="too deep"):
        environment.render("t0")
    assert environment.render("t1") == "end"


def test_many_includes_beside_each_other():
    environment = Environment({"a": "x"})
    assert environment.render_text("{% include 'a' %}" * 15) == "x" * 15


def test_templates_and_filters_are_copied():
    templates, filters = {"a": "1{{ 'x' | f }}"}, {"f": lambda value: value + "!"}
    environment = Environment(templates, filters)
    templates.clear()
    filters.clear()
    assert environment.render("a") == "1x!"


def test_own_filter_replaces_builtin_only_there():
    environment = Environment(filters={"upper": lambda value: "own"})
    assert environment.render_text("{{ 'a' | upper }}{{ 'B' | lower }}") == "ownb"
    assert show("{{ 'a' | upper }}") == "A"


def test_unknown_templates():
    with pytest.raises(TemplateError) as caught:
        Environment().render("nope")
    assert (caught.value.template, caught.value.line) == ("nope", 1)
    failure = error("\n{% include 'nope' %}")
    assert (failure.template, failure.line) == ("<text>", 2)


def test_error_in_include_names_the_included_template():
    failure = error("\n\n{% include 'a' %}", {"a": "\n{{ x }}"})
    assert (failure.template, failure.line) == ("a", 2)
    assert str(failure) == "a:2: 'x' is undefined"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a\n{{ x }}", 2, "'x' is undefined"),
        ("{# a\n#}\n{{ 1 | nope }}", 3, "unknown filter 'nope'"),
        ("a\n{{ 1 +\n 2 }}", 2, "cannot read"),
        ("a\n{% if 1 %}\n\n{% else %}", 2, "missing endif"),
        ("{% if 1 %}\n{% endfor %}", 2, "unexpected tag 'endfor'"),
        ("{% if 1 %}{% else %}\n{% elif 1 %}{% endif %}", 2, "unexpected tag 'elif'"),
        ("\n\n{% for x in 'a' %}", 3, "missing endfor"),
        ("\n{% for x of 'a' %}{% endfor %}", 2, "expected 'for NAME in VALUES'"),
        ("\n{% for x in 5 %}{% endfor %}", 2, "not iterable"),
        ("\n{% endif %}", 2, "unexpected tag 'endif'"),
        ("\n{% what %}", 2, "unexpected tag 'what'"),
        ("{% if 1 %}\n{% else 2 %}{% endif %}", 2, "unexpected '2' after else"),
        ("a\n{{ x", 2, "not closed"),
        ("{{ 1 }}\n\n{# x", 3, "not closed"),
        ("\n{% if 1 < 'a' %}{% endif %}", 2, "not supported"),
        ("\n{% if %}{% endif %}", 2, "ends too early"),
    ],
    ids=list("abcdefghijklmnop"),
)
def test_errors_have_lines(text, line, message):
    failure = error(text)
    assert failure.line == line
    assert message in str(failure)
