"""The control API: virtual people, recorders and faults over HTTP, for test kits of every language."""

from midcall.testing.control.attach import Control, attach, extension

__all__ = ["Control", "attach", "extension"]
