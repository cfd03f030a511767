"""Webhook deliveries: what is due is sent, and what came of it is kept."""
