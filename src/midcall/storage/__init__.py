"""Adapters of the Store and Trace ports."""
