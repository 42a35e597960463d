"""The composition root: settings in, a running server out.

`assembly.build` wires plain constructors; `process.serve` runs the result as a process.
"""
