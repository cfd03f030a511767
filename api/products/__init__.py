"""Calls on products."""
