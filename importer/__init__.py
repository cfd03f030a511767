"""Imports: from a file to products. Nothing in this package knows Flask or Celery."""
