"""What `config.Settings` consists of: its groups of settings, and the parsers of their values."""
