"""Draws samples as one SVG file: a small chart for each series, one below the other. No library needed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from soak.samples import WARM_UP, Sample

WIDTH: Final = 900
HEIGHT: Final = 110
LEFT: Final = 70
GAP: Final = 46
SERIES: Final = (
    ("server_mb", "server, resident MB"),
    ("media_mb", "media workers, resident MB"),
    ("files", "open files"),
    ("threads", "threads"),
    ("loop_lag_ms", "worst loop lag, ms"),
    ("lanes_waiting", "lanes with work"),
    ("oldest_undelivered_s", "oldest undelivered message, s"),
    ("calls", "calls so far"),
    ("messages", "messages so far"),
    ("database_mb", "database, MB"),
)
STYLE: Final = "text{font:12px sans-serif;fill:#333}polyline{fill:none;stroke:#1565c0;stroke-width:1.5}"


def draw(samples: Sequence[Sample], path: Path, title: str) -> None:
    """Write the plot."""
    height = GAP + len(SERIES) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}">',
        f"<style>{STYLE}</style>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, words) in enumerate(SERIES):
        values = [float(getattr(sample, name)) for sample in samples]
        parts += _chart([sample.at_s for sample in samples], values, words, top=GAP + number * (HEIGHT + GAP))
    path.write_text("\n".join([*parts, "</svg>"]))


def _chart(times: Sequence[float], values: Sequence[float], words: str, *, top: int) -> list[str]:
    low, high = 0.0, max(max(values) * 1.1, 1.0)
    end = max(times[-1], 1.0)

    def x(at: float) -> float:
        return LEFT + WIDTH * at / end

    def y(value: float) -> float:
        return top + HEIGHT * (1 - (value - low) / (high - low))

    points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in zip(times, values, strict=True))
    warm = LEFT + WIDTH * WARM_UP
    return [
        f'<text x="{LEFT}" y="{top - 6}">{escape(words)}: {values[0]:.4g} at first, {values[-1]:.4g} at last</text>',
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>',
        f'<rect x="{LEFT}" y="{top}" width="{warm - LEFT:.1f}" height="{HEIGHT}" fill="#f4f4f4"/>',
        f'<text x="{LEFT - 6}" y="{top + 12}" text-anchor="end">{high:.4g}</text>',
        f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>',
        f'<text x="{LEFT + WIDTH}" y="{top + HEIGHT + 14}" text-anchor="end">{end / 60:.1f} min</text>',
        f'<polyline points="{points}"/>',
    ]
