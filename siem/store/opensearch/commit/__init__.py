"""Commits: the log that decides, the ledger that follows it, and who writes an object."""
