"""What all simulated families share: rules, kernels, randomness, and the faces that users make.

A family is written once, as scalar rules for one environment of a batch (:class:`~telos.envs.engine.family.Family`).
:class:`~telos.envs.engine.env.SimulatedEnv` and :class:`~telos.envs.engine.vector.SimulatedVectorEnv` make Gymnasium's
two interfaces of it, on the CPU or with ``device="cuda"``; of a family with several agents
:class:`~telos.envs.engine.parallel.SimulatedParallelEnv` makes PettingZoo's, and
:class:`~telos.envs.engine.vector.SimulatedParallelVectorEnv` many at once.
"""
