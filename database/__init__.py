"""What every component needs from PostgreSQL: connections, notifications, leases and advisory locks."""
