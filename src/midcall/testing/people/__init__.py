"""Virtual people: real clients inside the server's process, that call, answer, speak, press digits, send and expect."""
