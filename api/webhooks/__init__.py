"""Calls on webhooks and their deliveries."""
