"""Adapters of the Bus port: how a reader learns that its log has grown."""
