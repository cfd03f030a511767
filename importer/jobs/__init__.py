"""The row of an import job: its lease, its heartbeat, the reaper and the actions of clients."""
