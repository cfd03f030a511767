"""The products: search, bulk changes and export. Nothing here depends on the web framework."""
