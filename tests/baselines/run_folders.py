"""Writes folders of runs as training scripts do."""

import json
from pathlib import Path

MACHINE = {"cpu": "A processor", "cores": 2, "commit": "0123456789ab", "load": 0.5}


def write_run(
    folder: Path,
    lines,
    *,
    env="CartPole-v1",
    label="ppo",
    seed=1,
    status="finished",
    torn="",
    machine=MACHINE,
    **args,
) -> Path:
    """Writes a run; ``lines`` are its log's, without a time, and ``torn`` is what a killed process left behind."""
    folder.mkdir(parents=True)
    given = {"env": env, "seed": seed, "wrap": [], "total_steps": 1000, **args}
    facts = {"algorithm": label.split()[0], "telos": "0.1.0", "machine": machine, "label": label}
    (folder / "args.json").write_text(json.dumps(given | facts))
    (folder / "env.json").write_text(json.dumps({"id": env}))
    text = "".join(json.dumps({"time": 0.1, **line}) + "\n" for line in lines)
    (folder / "log.jsonl").write_text(text + torn)
    if status is not None:
        (folder / "done.json").write_text(json.dumps({"step": 1000, "time": 1.0, "status": status}))
    return folder


def evaluations(values, every=100):
    """Lines of the evaluations at ``every``, twice that and so on."""
    return [{"step": every * (k + 1), "eval/return": float(value)} for k, value in enumerate(values)]
