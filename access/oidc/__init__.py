"""Signing in through an OpenID Connect provider: the provider, the attempts that are under way, and the people."""
