"""Calls on the saved views of the products."""
