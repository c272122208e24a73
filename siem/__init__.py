"""Hinomi: logs from S3 into one schema, Sigma rules over them, and proof that nothing was lost."""

__version__ = "0.1.0"
