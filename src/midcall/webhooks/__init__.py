"""Adapters that talk to customers' servers: the guarded HTTP sender and the dispatcher that drains lanes."""
