"""Comparisons of runs: figures that can be worked out by hand, what is left out, the commands and the page."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib import image
from run_folders import MACHINE, evaluations, write_run

from telos.baselines.cli import main
from telos.baselines.compare import compare_runs, load_comparison
from telos.baselines.compare_figures import draw_figures
from telos.baselines.compare_page import write_comparison, write_page
from telos.baselines.compare_tables import comparison_tables, to_markdown
from telos.baselines.runs import read_run
from telos.baselines.stats import bootstrap_interval, probability_of_improvement

SLOW, FAST = [1.0, 2.0, 3.0, 4.0, 5.0], [11.0, 12.0, 13.0, 14.0, 3.5]


def write_group(root, label, finals, env="CartPole-v1", **args):
    """One run a final score, with evaluations at 100, 200 and 300, straight from 0."""
    for seed, final in enumerate(finals, start=1):
        lines = evaluations([0.0, final / 2, final])
        write_run(root / env / f"{label}-{seed}", lines, env=env, label=label, seed=seed, **args)


def write_training(root, label, seeds=2, wrap=(), **args):
    """Runs with training metrics and reward terms."""
    for seed in range(1, seeds + 1):
        lines = [
            {
                "step": 10 * k,
                "charts/raw_return": k * seed / 10,
                "charts/episodic_return": k / 5,
                "reward/outcome": k / 10,
                "reward/cost": -k / 20,
                "paid/outcome": k / 10,
                "losses/entropy": None,
                **({"eval/return": k * seed} if k % 5 == 0 else {}),
            }
            for k in range(1, 11)
        ]
        write_run(root / f"{label}-{seed}", lines, label=label, seed=seed, wrap=list(wrap), **args)


def of_label(comparison, label, environment=0):
    (found,) = [group for group in comparison.environments[environment].groups if group.label == label]
    return found


def test_by_hand(tmp_path):
    write_group(tmp_path, "slow", SLOW)
    write_group(tmp_path, "fast", FAST)
    comparison = load_comparison([tmp_path], baseline="slow", threshold=6.0)
    assert comparison.environments[0].step == 300
    slow, fast = of_label(comparison, "slow"), of_label(comparison, "fast")
    assert slow.scores.tolist() == SLOW
    assert slow.final == bootstrap_interval(SLOW)
    assert slow.final.estimate == 3.0
    # The area under 0, half, all over two intervals is half of all.
    assert slow.average.estimate == 1.5
    assert fast.final.estimate == 12.0
    # 3.5 beats three of five, the others beat all.
    assert fast.improvement == probability_of_improvement(FAST, SLOW)
    assert fast.improvement.estimate == pytest.approx((4 * 5 + 3) / 25)
    assert slow.improvement is None
    # 12, 13 and 14 reach 6 at 200 with one half; 11 at 300; 3.5 never.
    assert fast.reached.share == 0.8
    assert fast.reached.steps.estimate == pytest.approx((200 + 200 + 300) / 3)
    assert slow.reached.share == 0.0
    assert fast.curve.steps.tolist() == [100, 200, 300]
    assert fast.curve.estimate == pytest.approx([0.0, 6.0, 12.0])
    assert comparison.left_out == comparison.warnings == ()


def test_common_steps(tmp_path):
    """A run that goes on for longer is compared where the others end."""
    write_run(tmp_path / "a", evaluations([0, 10, 20, 30]), label="a")
    write_run(tmp_path / "b", evaluations([4, 8], every=150), label="b")
    comparison = load_comparison([tmp_path])
    assert comparison.environments[0].step == 300
    assert of_label(comparison, "a").scores.tolist() == [20.0]
    # From 150 on: 5 there, 10 at 200 and 20 at 300.
    assert of_label(comparison, "a").average.estimate == pytest.approx((50 * 7.5 + 100 * 15) / 150)
    assert any("end at different steps" in text for text in comparison.warnings)
    write_run(tmp_path / "c", evaluations([1], every=900), label="c")
    with pytest.raises(ValueError, match="no step of eval/return in common"):
        load_comparison([tmp_path])


def test_runs_that_do_not_count_are_named(tmp_path):
    write_group(tmp_path, "ppo", SLOW)
    write_run(tmp_path / "killed", evaluations([1]), seed=6, status=None, torn='{"st')
    write_run(tmp_path / "stopped", evaluations([1, 2]), seed=7, status="stopped")
    write_run(tmp_path / "without", [{"step": 300, "charts/SPS": 1.0}], seed=8)
    write_run(tmp_path / "diverged", [*evaluations([1, 2]), {"step": 300, "eval/return": None}], seed=9)
    comparison = load_comparison([tmp_path])
    why = {run.path.name: text for run, text in comparison.left_out}
    assert why.keys() == {"killed", "stopped", "without", "diverged"}
    assert why["killed"] == "was killed or still runs: 100 of 1000 steps"
    assert why["stopped"].startswith("was stopped: 200 of")
    assert why["without"] == "has no eval/return; it has charts/SPS"
    assert "not finite" in why["diverged"]
    assert of_label(comparison, "ppo").scores.tolist() == SLOW
    unfinished = load_comparison([tmp_path], unfinished=True)
    assert unfinished.environments[0].step == 100
    assert {run.path.name for run, _ in unfinished.left_out} == {"without", "diverged"}
    assert any("2 of 7 runs did not finish" in text for text in unfinished.warnings)


def test_nothing_to_compare(tmp_path):
    run = read_run(write_run(tmp_path / "a", evaluations([1]), status=None))
    with pytest.raises(ValueError, match=r"(?s)no run counts:.*/a: was killed or still runs.*--unfinished"):
        compare_runs([run])
    with pytest.raises(ValueError, match="has no eval/length; it has eval/return"):
        compare_runs([run], "eval/length", unfinished=True)
    with pytest.raises(ValueError, match="there is no run"):
        compare_runs([])
    with pytest.raises(ValueError, match="'dqn' of the baseline; there are: ppo"):
        compare_runs([run], baseline="dqn", unfinished=True)


def test_normalised_over_environments(tmp_path):
    write_group(tmp_path, "slow", SLOW)
    write_group(tmp_path, "fast", FAST)
    write_group(tmp_path, "slow", [10.0, 20.0, 30.0], env="Acrobot-v1")
    write_group(tmp_path, "fast", [20.0, 40.0], env="Acrobot-v1")
    write_group(tmp_path, "lone", [7.0])
    pairs = {"CartPole-v1": (0.0, 10.0), "Acrobot-v1": (-10.0, 40.0)}
    comparison = load_comparison([tmp_path], baseline="slow", normalise=pairs)
    assert of_label(comparison, "slow").scores == pytest.approx([0.4, 0.6, 0.8])
    slow = [np.array([0.4, 0.6, 0.8]), np.array(SLOW) / 10]
    fast = [np.array([0.6, 1.0]), np.array(FAST) / 10]
    rows = {row.label: row for row in comparison.overall}
    assert rows.keys() == {"slow", "fast"}
    assert rows["slow"].final.estimate == pytest.approx(bootstrap_interval(slow).estimate)
    # Five of six pairs and one tie on Acrobot, 23 of 25 on CartPole.
    assert rows["fast"].improvement.estimate == pytest.approx((4.5 / 6 + 23 / 25) / 2)
    assert rows["fast"].improvement == probability_of_improvement(fast, slow)
    assert any(text.startswith("lone: not in the table") for text in comparison.warnings)
    assert comparison_tables(comparison)[-1].title == "All environments"
    assert load_comparison([tmp_path]).overall == ()
    with pytest.raises(ValueError, match="normalise CartPole-v1"):
        load_comparison([tmp_path], normalise={"Acrobot-v1": (0.0, 1.0)})
    with pytest.raises(ValueError, match="must be finite and differ"):
        load_comparison([tmp_path], normalise=(1.0, 1.0))


def test_warnings(tmp_path):
    other = MACHINE | {"commit": "fedcba"}
    for name, args in {
        "1": {"seed": 1, "learning_rate": 0.1},
        "2": {"seed": 1, "learning_rate": 0.2, "machine": other},
        "3": {"seed": 2, "learning_rate": 0.1, "smoke": True},
    }.items():
        write_run(tmp_path / name, evaluations([1, 2]), **args)
    (tmp_path / "empty").mkdir()
    comparison = load_comparison([tmp_path / name for name in ("1", "2", "3", "empty")])
    text = "\n".join(comparison.warnings)
    for expected in (
        "several versions of the code: 0123456789ab, fedcba",
        "fewer than 5 runs are too narrow: ppo (3)",
        "several runs have seed 1",
        "differ in learning_rate, smoke",
        "made with --smoke",
        "empty holds no run",
    ):
        assert expected in text
    assert [machine["runs"] for machine in comparison.machines()] == [2, 1]


def test_markdown(tmp_path):
    write_group(tmp_path, "a|b", [4.0] * 5)
    write_group(tmp_path, "c", [2.0])
    (table,) = comparison_tables(load_comparison([tmp_path], baseline="c", threshold=3.0))
    assert to_markdown(table).splitlines() == [
        "## CartPole-v1",
        "",
        "| label | runs | eval/return at 300 | average over training | steps to 3 | P(better than c) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| a\\|b | 5 | 4.000 [4.000, 4.000] | 2.000 [2.000, 2.000] | 300 [300, 300] | - |",
        "| c | 1 | 2.000 | 1.000 | never (0 of 1) | baseline |",
    ]


@pytest.mark.parametrize(
    ("score", "text"),
    [(0.00012345, "0.000123"), (-0.5, "-0.500"), (12.3456, "12.35"), (123456.7, "123,457"), (0.0, "0.000")],
)
def test_digits(tmp_path, score, text):
    write_run(tmp_path / "a", evaluations([score]))
    (table,) = comparison_tables(load_comparison([tmp_path]))
    assert table.rows == (("ppo", "1", text, text),)


def test_the_folder(tmp_path):
    write_training(tmp_path / "runs", "ppo", seeds=5)
    write_training(tmp_path / "runs", "ppo gated", seeds=5, wrap=["gated:threshold=0.5"])
    write_comparison(load_comparison([tmp_path / "runs"], baseline="ppo"), tmp_path / "out")
    names = ("curves", "profile", "returns", "raw-terms", "paid-terms")
    expected = {f"CartPole-v1-{name}.{ending}" for name in names for ending in ("png", "svg")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected | {"compare.md", "compare.json"}
    for path in (tmp_path / "out").glob("*.png"):
        assert np.ptp(image.imread(path)[..., :3]) > 0.5
    shown = {name: (tmp_path / "out" / f"CartPole-v1-{name}.svg").read_text() for name in names}
    assert all("ppo gated" in text for text in shown.values())
    assert "eval/return" in shown["curves"]
    assert all(term in shown["raw-terms"] for term in ("outcome", "cost"))
    record = json.loads((tmp_path / "out" / "compare.json").read_text())
    label = record["environments"]["CartPole-v1"]["labels"]["ppo gated"]
    assert [run["score"] for run in label["runs"]] == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert label["improvement"]["estimate"] == 0.5
    assert label["curve"]["steps"] == [50.0, 100.0]
    assert record["machines_of_runs"][0]["commit"] == MACHINE["commit"]
    assert record["machine"]["cores"] >= 1
    text = (tmp_path / "out" / "compare.md").read_text()
    assert "| ppo gated | 5 | 30.00 [" in text
    assert "commit 0123456789ab" in text
    assert all(name in text for name in expected if name.endswith(".png"))


def test_one_run_with_one_evaluation(tmp_path):
    """There is nothing to draw, and no interval; JSON has no NaN."""
    comparison = load_comparison([write_run(tmp_path / "a", evaluations([3.0]))])
    assert draw_figures(comparison) == []
    write_comparison(comparison, tmp_path / "out")
    text = (tmp_path / "out" / "compare.json").read_text()
    assert "NaN" not in text
    final = json.loads(text)["environments"]["CartPole-v1"]["labels"]["ppo"]["final"]
    assert final == {"estimate": 3.0, "low": None, "high": None}


def test_figures_are_the_same_every_time(tmp_path):
    write_training(tmp_path, "ppo", seeds=3)
    comparison = load_comparison([tmp_path])
    figures = draw_figures(comparison)
    assert figures == draw_figures(comparison)
    # Nothing is wrapped: what is paid is the raw reward.
    assert [figure.name for figure in figures] == [f"CartPole-v1-{name}" for name in ("curves", "profile", "raw-terms")]


class Page(HTMLParser):
    """What a page refers to, and its ids."""

    def __init__(self, text):
        super().__init__()
        self.references, self.ids, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.ids += [value for name, value in attrs if name == "id"]


def test_the_page(tmp_path):
    write_training(tmp_path / "runs", "ppo", seeds=3)
    write_training(tmp_path / "runs", "<script>alert(1)</script> $x_$", seeds=3, wrap=["gated:threshold=0.5"])
    write_run(tmp_path / "runs" / "killed", evaluations([1]), status=None)
    write_page(load_comparison([tmp_path / "runs"]), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert page.tags.count("svg") == 5
    assert page.tags.count("figure") == 5
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert all(reference.startswith("#") for reference in page.references)
    assert not re.search(r"url\((?!#)|@import", text)
    assert len(page.ids) == len(set(page.ids))
    assert {reference[1:] for reference in page.references} <= set(page.ids)
    for expected in (
        "gated:threshold=0.5",
        "was killed or still runs",
        "total_steps",
        "0123456789ab",
        "fewer than 5 runs",
    ):
        assert expected in text


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium to look at the page")
def test_the_page_is_seen_in_light_and_dark(tmp_path):
    write_training(tmp_path / "runs", "ppo", seeds=3)
    write_page(load_comparison([tmp_path / "runs"]), tmp_path / "report.html")
    brightness = {}
    for scheme, number in {"dark": 0, "light": 1}.items():
        picture = tmp_path / f"{scheme}.png"
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / scheme}"]
        command += [f"--blink-settings=preferredColorScheme={number}", "--window-size=1000,1500"]
        page = f"file://{tmp_path / 'report.html'}"
        subprocess.run([*command, f"--screenshot={picture}", page], check=True, capture_output=True, timeout=120)
        pixels = image.imread(picture)[..., :3]
        brightness[scheme] = np.median(pixels)
        # Text and lines stand out from the page.
        assert np.ptp(pixels) > 0.8
    assert brightness["dark"] < 0.2
    assert brightness["light"] > 0.9


def run_command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["telos", *map(str, arguments)])
    status = 0
    try:
        main()
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    write_group(tmp_path / "runs", "slow", SLOW)
    write_group(tmp_path / "runs", "fast", FAST)
    pattern = f"{tmp_path}/runs/*/*"
    status, out, _ = run_command(
        monkeypatch, capsys, "compare", pattern, "--baseline", "slow", "--normalise", 0, 10, "--out", tmp_path / "out"
    )
    assert not status
    assert re.search(r"fast +5 +1\.200 \[", out)
    assert (tmp_path / "out" / "compare.json").exists()
    page = tmp_path / "report.html"
    status, out, _ = run_command(
        monkeypatch, capsys, "report", tmp_path / "runs", "--normalise-env", "CartPole-v1", 0, 10, "--out", page
    )
    assert not status
    assert "normalised eval/return" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-folder"], "does not exist"),
        (["runs", "--baseline", "dqn"], "there are: slow"),
        (["runs", "--metric", "eval/length"], "has no eval/length"),
        (["runs", "--normalise", "0", "1", "--normalise-env", "CartPole-v1", "0", "1"], "either --normalise"),
    ],
)
def test_what_the_command_refuses(tmp_path, monkeypatch, capsys, arguments, message):
    write_group(tmp_path / "runs", "slow", SLOW)
    monkeypatch.chdir(tmp_path)
    status, _, err = run_command(monkeypatch, capsys, "compare", *arguments)
    assert status == 1
    assert message in err
    assert "Traceback" not in err
