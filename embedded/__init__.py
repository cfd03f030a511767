"""The parts of `run.py`: a launcher that supervises processes, an embedded PostgreSQL and an embedded broker."""
