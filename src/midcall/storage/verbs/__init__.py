"""What the SQLite store does inside a transaction: synchronous functions over a connection, one verb each."""
