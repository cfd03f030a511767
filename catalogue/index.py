"""The indexes that make finding fast."""

SEARCH_PREFIX = "products_search_"
