"""SWEDocker: software-engineering tasks in real containers.

``load_tasks`` gives the tasks, :class:`~telos.envs.swe.env.SWEDockerEnv` the environment.
"""

from telos.envs.swe.tasks import Health, Task, load_tasks

__all__ = ["Health", "Task", "load_tasks"]
