"""Walks through a graph: lists of what they visit, and dynamic programming where the lists are too long."""
