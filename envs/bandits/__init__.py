"""Restless bandits, from the textbook's budget to coupled combinatorial actions."""
