"""What the benchmarks share: servers beside their references, a cheap load generator, numbers and tables."""
