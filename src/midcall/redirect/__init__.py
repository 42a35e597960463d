"""Zero code change: the vendor's hosts lead here for one program, which is told so by its environment alone."""
