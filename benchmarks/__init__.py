"""Benchmarks: figures and ratios of one run, for the README; `make bench` runs them all."""
