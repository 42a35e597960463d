"""Where the control API is, for those that serve it and those that call it."""

from __future__ import annotations

from typing import Final

CONTROL: Final = "/control/v1"
