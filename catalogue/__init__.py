"""The catalogue: finding products, and changing many at once. Knows nothing of the web."""
