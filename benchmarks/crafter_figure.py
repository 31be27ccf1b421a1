"""Draws a team of scripted planners from above, and what each of them sees.

python benchmarks/crafter_figure.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from telos.baselines.crafter.planner import Planner
from telos.baselines.crafter.videos import agents_eyes, birds_eye
from telos.envs.crafter import parallel_env


def main(agents: int = 4, steps: int = 150, seed: int = 0, out: Path = Path("docs/figures/crafter.png")) -> None:
    """Plays, and draws the last moment.

    Args:
        agents: Agents in the world; each is a planner of its own, and they tell each other nothing.
        steps: Steps that they play.
        seed: Of the world.
        out: The figure.
    """
    env = parallel_env(num_agents=agents)
    planners = {agent: Planner(seed=number) for number, agent in enumerate(env.possible_agents)}
    observations, _ = env.reset(seed=seed)
    for _ in range(steps):
        if not env.agents:
            break
        actions = {agent: planners[agent].act(observations[agent])[0] for agent in env.agents}
        observations, *_ = env.step(actions)
    state = env.clone_state().state
    above = birds_eye(state, 0, unit=12)
    views = agents_eyes(state, 0, env.family.view, len(above))
    figure = np.full((len(above), above.shape[1] + 8 + views.shape[1], 3), 255, np.uint8)
    figure[:, : above.shape[1]] = above
    figure[: len(views), -views.shape[1] :] = views
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(figure).save(out, optimize=True)


if __name__ == "__main__":
    tyro.cli(main)
