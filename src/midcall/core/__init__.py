"""The rules of calls, messages and delivery: no I/O, no clock, no randomness."""
