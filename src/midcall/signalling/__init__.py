"""The signalling edge: WebSockets of Voice SDK clients, and which of them carries which leg."""
