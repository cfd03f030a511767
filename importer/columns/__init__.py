"""Rows to products: column mapping, validation and the reject file."""
