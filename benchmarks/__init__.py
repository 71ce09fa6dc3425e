"""Benchmarks: `python -m benchmarks.NAME … --json OUT`. CPU time and ratios against a baseline in the same run."""
