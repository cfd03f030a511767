"""Bytes to rows: compression, encoding, dialect and the CSV parser."""
