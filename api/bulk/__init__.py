"""Bulk changes: calls that change or delete many products, each a job of its own."""
