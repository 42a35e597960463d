"""Shapes on the borders: pure functions from bytes to records and back, shared by server and SDK."""
