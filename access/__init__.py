"""Who may do what: people, sessions, API keys, roles and the audit log."""
