"""Midcall: a self-hosted server for Voice SDK calls and the messages that ride on them.

Point the official Voice SDK and the official REST helper libraries at it, unmodified.
"""

__version__ = "0.1.0"
