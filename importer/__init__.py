"""The import engine: file → rows → staging → products. It knows neither the web nor the queue."""
