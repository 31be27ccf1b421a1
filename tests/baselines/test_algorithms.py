"""The table of training scripts."""

import sys
from pkgutil import resolve_name

import pytest

from telos.baselines import cli
from telos.baselines.algorithms import ALGORITHMS


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_script_describes_itself(name, capsys):
    with pytest.raises(SystemExit) as left:
        resolve_name(ALGORITHMS[name].entry_point)(["--help"])
    assert left.value.code == 0
    assert f"telos train {name}" in capsys.readouterr().out


def test_they_are_listed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["telos", "list", "algorithms"])
    cli.main()
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert listed[1:] == list(ALGORITHMS)


def test_a_wrong_name_is_answered_by_the_nearest(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["telos", "train", "decision-transfromer"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert "Did you mean 'decision-transformer'?" in " ".join(capsys.readouterr().err.split())
