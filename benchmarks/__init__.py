"""Commands that measure the figures of the README."""
