"""The calls of access control: sessions, people, API keys and the audit log."""
