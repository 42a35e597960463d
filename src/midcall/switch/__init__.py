"""Live calls: the asyncio shell around the core. Knows ports, never adapters."""
