"""The database tables, one module per subject; `models` has all of them."""
