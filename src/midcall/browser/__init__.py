"""What a page with the browser SDK asks for besides signalling: sounds, and a place for its insights."""
