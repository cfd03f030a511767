"""The parts of `run.py`: a launcher that supervises processes, and a PostgreSQL and a broker that replace servers."""
