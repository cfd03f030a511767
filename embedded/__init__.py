"""The PostgreSQL server and the broker that `run.py` starts when none is configured."""
