"""The local certificate authority and the server's certificate."""
