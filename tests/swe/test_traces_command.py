"""`telos swe show` and `telos swe replay`."""

import json

import gymnasium as gym
import pytest

import telos  # noqa: F401 - registers the environments
from telos.baselines.cli import main
from telos.baselines.input_errors import InputError
from telos.baselines.swe_trace_page import write_trace_page


@pytest.fixture
def trace(sandbox_kind, easy_task, tmp_path):
    env = gym.make("SWEDocker-v0", sandbox=sandbox_kind, max_turns=3, trace=str(tmp_path))
    env.reset(options={"task": easy_task.id})
    env.step("echo first words")
    env.step("<submit/>")
    env.close()
    (path,) = tmp_path.iterdir()
    return path


@pytest.fixture
def run(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["telos", *map(str, arguments)])
        try:
            main()
        except SystemExit as ended:
            return ended.code
        return 0

    return run


def test_a_recorded_episode_is_shown_and_played_again(trace, easy_task, run, capsys):
    assert run("swe", "show", trace) == 0
    shown = capsys.readouterr().out
    assert easy_task.id in shown
    assert "> echo first words\nfirst words\n" in shown
    assert "== empty patch ==" in shown
    assert run("swe", "replay", trace) == 0
    assert "the same episode: 2 actions" in capsys.readouterr().out
    lines = trace.read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"output": "other words\n"})
    trace.write_text("\n".join(lines) + "\n")
    assert run("swe", "replay", trace) == 1
    assert "turn 1: output was 'other words" in capsys.readouterr().out


def test_a_page_shows_the_episodes_of_a_folder(trace, easy_task, sandbox_kind, tmp_path):
    env = gym.make("SWEDocker-v0", sandbox=sandbox_kind, max_turns=3, trace=str(trace.parent)).unwrapped
    env.reset(options={"task": easy_task.id})
    env.step("git reflog; echo '<b>' >note")
    (fork,) = env.fork()
    fork.step("cat note")
    fork.close()
    env.close()
    page = tmp_path / "pages" / "traces.html"
    assert write_trace_page(trace.parent, page) == 3
    text = page.read_text()
    assert text.count("<h2 id=") == 3
    assert text.count("echo first words") == 1
    assert "empty patch" in text
    assert "not over" in text
    assert "goes on from snapshot 1" in text
    # Flagged in the episode and in its fork, which has its past.
    assert text.count("history probe (command): git reflog; echo") == 2
    # What commands print is text, not a part of the page.
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    assert write_trace_page(trace, page) == 1


def test_a_page_of_no_traces_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no trace"):
        write_trace_page(tmp_path, tmp_path / "page.html")


def test_what_is_no_trace_is_said(tmp_path, run, capsys):
    (tmp_path / "other.jsonl").write_text('{"event": "step"}\n')
    assert run("swe", "show", tmp_path / "other.jsonl") == 1
    assert "is no trace" in capsys.readouterr().err
    assert run("swe", "replay", tmp_path / "missing.jsonl") == 1
