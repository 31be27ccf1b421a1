"""Recommender systems: simulated users whose satisfaction is hidden, and pays or costs later."""
