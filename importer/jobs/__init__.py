"""Jobs: the row in `import_jobs` with its lease and heartbeat, the reaper, and the actions of clients."""
