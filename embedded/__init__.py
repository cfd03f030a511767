"""What `run.py` runs on one machine: the supervised processes, and the PostgreSQL and broker that replace servers."""
