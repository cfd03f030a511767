"""Imports: from a file to products. No module in this package imports Flask or Celery."""
