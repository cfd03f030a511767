"""The phases of an import: stage, compare, merge and undo."""
