"""One run: its order, its windows, its folder on disk."""
