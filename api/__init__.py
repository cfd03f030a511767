"""The REST API: one package or module per resource, with its schemas, and what they share."""
