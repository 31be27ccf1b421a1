"""Environments, one folder a family. ``telos.envs.registry`` lists them all."""
