"""Benchmarks: every claim is measured against its floor in the same run. `make bench` prints them."""
