"""From logs to users: files and their checks, fits with known parameters, and the gate."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

import telos  # noqa: F401 - registers the environments
from telos.envs.recsys.logged.convert import cache_of, convert, load_interactions, write_atomically
from telos.envs.recsys.logged.example import example_root
from telos.envs.recsys.logged.fidelity import UnfaithfulFitError, calibration_error, examine, failures
from telos.envs.recsys.logged.fitting import fit_users, load_fit, save_fit, sessions_of, window_share, with_report
from telos.envs.recsys.logged.layouts import LAYOUTS, DataMissingError, find_layout
from telos.envs.recsys.logged.params import factors_of
from telos.envs.recsys.logged.synthetic import write_synthetic_logs

MINUTE, DAY = 60, 86_400


def write_films(folder, rows, genres):
    """A log in MovieLens 1M's layout: rows ``(user, film, rating, seconds)``."""
    folder.mkdir(exist_ok=True)
    text = "".join("::".join(map(str, row)) + "\n" for row in rows)
    (folder / "ratings.dat").write_text(text)
    text = "".join(f"{film}::Films, the: no. {film}\xe9::{genre}\n" for film, genre in genres.items())
    (folder / "movies.dat").write_text(text, encoding="latin-1")


@pytest.fixture
def films(tmp_path):
    """Two users: three sessions on two days, and one."""
    rows = [
        *[(7, 30, 5, DAY + 40 * MINUTE), (7, 10, 4, DAY), (7, 20, 3, DAY + MINUTE), (7, 20, 5, DAY + 2 * MINUTE)],
        *[(7, 10, 2, 4 * DAY), (9, 10, 4, 2 * DAY), (9, 30, 1, 2 * DAY + 29 * MINUTE)],
    ]
    write_films(tmp_path / "films", rows, {10: "Drama|War", 20: "Comedy", 30: "Drama"})
    return tmp_path / "films"


@pytest.fixture(scope="module")
def logs():
    """The converted log and the fit of the example."""
    return load_interactions(example_root()), load_fit(cache_of(example_root()))


# -- files --------------------------------------------------------------------------------------------------


def test_a_log_becomes_sessions(films):
    log = convert(films, max_items=2)
    assert log.user.tolist() == [0, 0, 0, 0, 1, 1]
    assert log.session.tolist() == [0, 0, 1, 2, 3, 3]
    assert log.day.tolist() == [0, 0, 0, 3, 1, 1]
    # Film 20 came twice in a session: the second time is left out.
    assert log.feedback[:, 0].tolist() == [True, False, True, False, True, False]
    assert log.about.repeats == 1
    # The two most shown films, and the pools of categories behind them.
    assert log.item_ids.tolist() == [10, 30]
    assert log.about.categories == ("Drama", "Comedy", "rest")
    assert log.item.tolist() == [0, 3, 1, 0, 0, 1]
    assert log.categories.tolist() == [0, 0, 0, 1, 2]
    sessions = sessions_of(log)
    assert sessions.start.tolist() == [0, 2, 3, 4]
    assert sessions.returned.tolist() == [True, True, False, False]
    assert sessions.away.tolist() == [0, 3, 0, 2]
    assert window_share(log, 4).tolist() == [0, 0, 0, 0, 0, 0.25]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_as_it_was_written(layout, tmp_path):
    write_synthetic_logs(layout, tmp_path / "data", users=12, items=15, categories=3)
    found, folder = find_layout(tmp_path)
    assert (found.name, folder) == (layout, tmp_path / "data")
    log = convert(tmp_path)
    assert log.about.signals == tuple(LAYOUTS[layout].signals)
    assert len(log.user_ids) == 12
    assert log.about.num_items == 15
    assert set(log.about.categories) == {"1", "2", "3", "rest"}
    assert 0 < log.feedback[:, 0].mean() < 1
    # All of it lies within the month in which it was made, by the layout's own clock.
    assert log.about.days <= 31
    assert (np.diff(log.user) >= 0).all()
    if layout.startswith("kuairand"):
        lines = sum(len((folder / name).read_text().splitlines()) - 1 for name in found.logs)
        assert lines == len(log.user) + log.about.repeats
        watched = sum(
            int(line.split(",")[11]) for name in found.logs for line in (folder / name).read_text().splitlines()[1:]
        )
        assert log.feedback[:, 1].sum() <= watched <= log.feedback[:, 1].sum() + log.about.repeats


def test_equal_seeds_write_equal_logs(tmp_path):
    def digest(name, seed):
        write_synthetic_logs("kuairec", tmp_path / name, users=5, items=6, categories=2, seed=seed)
        return hashlib.sha256((tmp_path / name / "big_matrix.csv").read_bytes()).hexdigest()

    assert digest("a", 1) == digest("b", 1) != digest("c", 2)


def test_a_log_is_converted_once_until_it_or_an_argument_changes(films):
    told = []
    convert(films, progress=lambda text, fraction: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0
    told.clear()
    assert len(convert(films, progress=lambda text, fraction: told.append(fraction)).user) == 6
    assert not told
    assert convert(films, max_items=2).about.num_items == 2
    with (films / "ratings.dat").open("a") as file:
        file.write(f"11::30::4::{3 * DAY}\n")
    assert len(convert(films, max_items=2).user_ids) == 3
    assert not list(cache_of(films).glob(".*"))


def test_what_is_missing_is_told_with_its_address(films, tmp_path):
    (films / "movies.dat").unlink()
    with pytest.raises(DataMissingError, match=r"get movies.dat from https://grouplens.org/datasets/movielens/1m/"):
        convert(films)
    for name, address in (("KuaiRand", "zenodo.org/records/10439422"), ("KuaiRec", "zenodo.org/records/18164998")):
        with pytest.raises(DataMissingError, match=f"{name}.*{address}"):
            convert(tmp_path)
    with pytest.raises(DataMissingError, match="telos recsys synthetic"):
        gym.make("LoggedRec-v0")
    with pytest.raises(DataMissingError, match="telos recsys synthetic"):
        gym.make("LoggedRec-v0", data_root=str(tmp_path / "nowhere"))
    write_synthetic_logs("kuairec", tmp_path / "logs", users=5, items=6, categories=2)
    with pytest.raises(DataMissingError, match=r"no users are fitted to KuaiRec 2.0 .* `telos recsys fit --data-root"):
        gym.make("LoggedRec-v0", data_root=str(tmp_path / "logs"))


def test_wrong_columns_lines_and_archives_are_told(films, tmp_path):
    logs = tmp_path / "logs"
    write_synthetic_logs("kuairand-pure", logs, users=4, items=5, categories=2)
    archive = logs / "KuaiRand-Pure.tar.gz"
    archive.write_bytes(b"not it")
    with pytest.raises(DataMissingError, match=r"has the MD5 sum .*, not 0820331067a3784d9691136f772b35a7"):
        convert(logs)
    archive.unlink()
    first = logs / "log_standard_4_08_to_4_21_pure.csv"
    good = first.read_text()
    first.write_text(good.replace("is_like", "is_liked", 1))
    with pytest.raises(DataMissingError, match=r"has no column is_like; it has user_id, .*zenodo.org/records/10439422"):
        convert(logs)
    first.write_text(good + "1,2,three\n")
    with pytest.raises(ValueError, match=r"log_standard_4_08_to_4_21_pure.csv, in the \d+ rows from row 1 on"):
        convert(logs)
    assert not list(cache_of(logs).glob("*"))
    (films / "ratings.dat").write_text("1,2,3,4\n")
    with pytest.raises(DataMissingError, match=r"should have 4 columns separated by ::; its first line is '1,2,3,4'"):
        convert(films)


def test_nothing_half_written_stays(films, tmp_path):
    target = tmp_path / "cache" / "interactions"

    def interrupted():
        with write_atomically(target) as draft:
            draft.mkdir()
            (draft / "user.npy").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(target.parent.iterdir())
    # A process that is killed cannot clean up: the next one does.
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from telos.envs.recsys.logged.convert import write_atomically\n"
        "with write_atomically(Path(sys.argv[1])) as draft:\n"
        "    draft.mkdir()\n    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    assert [path.name for path in target.parent.iterdir()] == [f".interactions.new.{process.pid}"]
    convert(films, cache=target.parent)
    assert [path.name for path in target.parent.iterdir()] == ["interactions"]


# -- fits ---------------------------------------------------------------------------------------------------


def test_known_parameters_are_found_again(logs, tmp_path):
    """Of leaving and returning, whose numbers all users share; standard errors are about 0.1 to 0.3."""
    _, fit = logs
    true = write_synthetic_logs("kuairand-pure", tmp_path, users=150, items=40, categories=5).model
    assert fit.model.leave_coefs[[0, 1, 6]] == pytest.approx(true.leave_coefs[[0, 1, 6]], abs=0.5)
    assert fit.model.return_coefs[1] == pytest.approx(true.return_coefs[1], abs=0.7)
    assert fit.model.leave_base[:3] == pytest.approx(true.leave_base[:3], abs=0.4)
    assert (fit.model.boredom[:2] < -0.5).all()
    # Items: ids of the files are rows of the truth.
    rows = load_interactions(example_root()).item_ids
    ours = fit.model.items[: len(rows), factors_of(fit.model) + 1]
    theirs = true.items[rows, factors_of(true) + 1]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.8


def test_a_fit_is_saved_whole_and_named_by_its_numbers(logs, tmp_path):
    _, fit = logs
    save_fit(fit, tmp_path)
    again = load_fit(tmp_path)
    assert again.digest == fit.digest
    assert replace(again, model=fit.model) == replace(fit)
    assert json.loads(json.dumps(again.report)) == fit.report
    changed = replace(fit, model=fit.model._replace(base=fit.model.base + 1e-9))
    assert changed.digest != fit.digest


def test_equal_seeds_fit_equally(films, tmp_path):
    write_synthetic_logs("kuairec", tmp_path, users=20, items=12, categories=3)
    log = convert(tmp_path)
    one, two, other = (fit_users(log, factors=2, iterations=15, seed=seed) for seed in (1, 1, 2))
    assert one.digest == two.digest != other.digest
    with pytest.raises(ValueError, match="factors must be at least 1"):
        fit_users(log, factors=0)
    with pytest.raises(ValueError, match="the log has 4 sessions: at least ten"):
        fit_users(convert(films))


def test_calibration_error_by_hand():
    assert calibration_error(np.array([0.2, 0.2, 0.9]), np.array([False, True, True])) == pytest.approx(
        (0.2 + 0.8 + 0.1) / 3
    )
    chance = np.repeat([0.1, 0.6], 7_500)  # fifteen bins of 1,000
    given = np.arange(15_000) % 10 < np.repeat([1, 9], 7_500)
    assert calibration_error(chance, given) == pytest.approx(0.15, abs=1e-3)
    squashed = 1 / (1 + np.exp(-chance))
    assert calibration_error(squashed, given) > 0.15


# -- the gate -----------------------------------------------------------------------------------------------


def doubly_squashed(model):
    """The sigmoid of the sigmoid, to first order around the base: log-odds become chances, as in a known simulator."""
    chance = 1 / (1 + np.exp(-model.base))
    slope = chance * (1 - chance)
    d = factors_of(model)
    users, items = model.users.copy(), model.items.copy()
    users[:, d:] *= slope
    items[:, d:] *= slope
    return model._replace(
        base=chance,
        boredom=model.boredom * slope,
        factor_weights=model.factor_weights * slope,
        users=users.astype(np.float32),
        items=items.astype(np.float32),
    )


def test_the_gate_opens_for_the_fit_and_not_for_a_double_sigmoid(logs, tmp_path):
    log, fit = logs
    assert failures(fit) == []
    broken = replace(fit, model=doubly_squashed(fit.model))
    save_fit(broken, tmp_path)
    with pytest.raises(UnfaithfulFitError, match="its fidelity report is that of another model"):
        gym.make("LoggedRec-v0", cache=str(tmp_path))
    save_fit(with_report(broken, {}), tmp_path)
    with pytest.raises(UnfaithfulFitError, match="it has no fidelity report"):
        gym.make("LoggedRec-v0", cache=str(tmp_path))
    broken = with_report(broken, examine(broken, log))
    save_fit(broken, tmp_path)
    failed = "\n".join(failures(broken))
    for name in ("like", "comment", "forward", "follow", "hate"):
        assert f"rate of {name}: 0.5" in failed
        assert f"calibration of {name}" in failed
    with pytest.raises(UnfaithfulFitError, match=r"rate of hate: 0.5(.|\n)*allow_unfaithful=True"):
        gym.make("LoggedRec-v0", cache=str(tmp_path))
    env = gym.make("LoggedRec-v0", cache=str(tmp_path), allow_unfaithful=True)
    assert env.unwrapped.family.fit.digest == broken.digest


@pytest.mark.parametrize(
    ("part", "change", "failing"),
    [("leave_base", 0.5, "session length"), ("return_base", -0.7, "return day")],
)
def test_the_gate_sees_users_who_leave_too_soon_or_come_back_too_late(logs, part, change, failing):
    log, fit = logs
    broken = replace(fit, model=fit.model._replace(**{part: getattr(fit.model, part) + change}))
    checks = {row["name"]: row["passes"] for row in examine(broken, log)["checks"]}
    assert not checks[failing]
    assert checks["calibration of click"]


def test_rows_of_the_report_are_what_they_say(logs):
    log, fit = logs
    rows = {row["name"]: row for row in fit.report["checks"]}
    assert len(rows) == 2 * 7 + 2
    sessions = sessions_of(log)
    assert rows["rate of hate"]["logged"] == pytest.approx(log.feedback[:, 6].mean())
    assert rows["session length"]["logged"] == pytest.approx((sessions.stop - sessions.start).mean())
    for row in rows.values():
        assert row["passes"] == (row["error"] <= row["limit"])


# -- commands -----------------------------------------------------------------------------------------------


def command(*arguments):
    environment = {**os.environ, "COLUMNS": "200"}
    code = "from telos.baselines.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment
    )


def test_the_commands(tmp_path):
    root = tmp_path / "logs"
    done = command("recsys", "synthetic", "--layout", "ml-25m", "--out", root, "--users", 40, "--items", 30)
    assert done.returncode == 0, done.stderr
    done = command("recsys", "fit", "--data-root", root, "--factors", 2, "--iterations", 15)
    assert "rate of liked" in done.stdout
    assert "columns only" in done.stdout
    assert done.returncode == (0 if "all checks passed" in done.stdout else 1), done.stderr
    assert "Traceback" not in done.stderr
    again = command("recsys", "fidelity", "--data-root", root, "--seed", 5)
    assert "return day" in again.stdout
    assert load_fit(cache_of(root)).report["seed"] == 5
    missing = command("recsys", "convert", "--data-root", tmp_path / "nowhere")
    assert missing.returncode == 1
    assert "error:" in missing.stderr
    assert "grouplens.org" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_making_an_environment_imports_no_pytorch():
    code = (
        "import sys, gymnasium as gym, telos\n"
        f"gym.make('LoggedRec-v0', data_root={example_root()!r})\n"
        "print('torch' in sys.modules, 'scipy.optimize' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "False False\n", done.stderr
