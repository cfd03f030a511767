"""Logs, metrics and reports of errors, for every process of the product. Nothing here knows what the product does."""
