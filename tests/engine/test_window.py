"""``render_mode="human"``: every reset and step are shown, and the window goes when the environment is closed."""

import pickle
import signal
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled

import telos  # noqa: F401 - registers the environments
from telos.envs.crafter.env import CrafterVectorEnv, parallel_env
from telos.envs.engine.window import Window


@pytest.fixture
def pygame(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    module = pytest.importorskip("pygame")
    if not hasattr(module, "Window"):
        pytest.skip("needs pygame-ce")
    yield module
    module.quit()


def seen(pygame, window):
    return pygame.surfarray.array3d(window._window.get_surface()).swapaxes(0, 1)


def test_a_window_shows_images_of_any_size(pygame):
    rng = np.random.default_rng(0)
    with Window("a window", 1000) as window, Window("another", 1000) as other:
        other.show(np.zeros((20, 30, 3), np.uint8))
        for shape in ((40, 60, 3), (90, 30, 3), (90, 30, 3)):
            image = rng.integers(0, 256, shape, np.uint8)
            window.show(image)
            assert np.array_equal(seen(pygame, window), image)
        assert not seen(pygame, other).any()
        twin = pickle.loads(pickle.dumps(window))
        twin.close()
        assert np.array_equal(seen(pygame, window), image)
        window.close()
        window.close()
        window.show(image)
        assert np.array_equal(seen(pygame, window), image)


@pytest.mark.parametrize("several", [False, True])
def test_every_reset_and_step_are_shown(pygame, several):
    size = (16, 16)
    if several:
        env, plain = (parallel_env(num_agents=2, size=size, render_mode=mode) for mode in ("human", "rgb_array"))
    else:
        env, plain = (gym.make("Crafter-v0", size=size, render_mode=mode) for mode in ("human", "rgb_array"))
    window = env.unwrapped._window
    window._frames_per_second = 1000
    env.reset(seed=0)
    plain.reset(seed=0)
    for action in (1, 1, 3):
        assert np.array_equal(seen(pygame, window), plain.render())
        assert env.render() is None
        for each in (env, plain):
            each.step(dict.fromkeys(each.agents, action) if several else action)
    assert np.array_equal(seen(pygame, window), plain.render())
    env.close()
    assert window._window is None


def test_without_pygame_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    env = parallel_env(size=(16, 16), render_mode="human")
    with pytest.raises(DependencyNotInstalled, match="telos-gym\\[play\\]"):
        env.reset(seed=0)
    env.close()


def test_many_environments_have_no_window():
    with pytest.raises(ValueError, match="unknown to many environments: choose from \\['rgb_array', 'ansi'\\]"):
        CrafterVectorEnv(2, render_mode="human")


def test_a_process_with_a_window_ends_when_it_is_told_to(pygame):
    """SDL's own handlers would swallow the signal."""
    code = "import numpy as np, time; from telos.envs.engine.window import Window; window = Window('a window', 1000)"
    code += "; window.show(np.zeros((9, 9, 3), np.uint8)); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("open" in line for line in process.stdout)
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
