"""Calls on imports."""
