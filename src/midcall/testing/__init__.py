"""The test kit: what tests of Midcall, and of apps that use it, drive the server with."""
