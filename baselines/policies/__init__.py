"""Scripted and exact policies."""
