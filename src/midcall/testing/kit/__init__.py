"""Clients of the control API for tests in Python: a switchboard, its people, their calls, recorders of requests."""
