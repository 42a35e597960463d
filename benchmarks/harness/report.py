"""Results: one JSON file a benchmark in build/bench, one table for people, and a plot where there is a curve."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from math import log10
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "build" / "bench"
"""Where results go, unless `keep_in` says otherwise."""

_folders: list[Path] = [FOLDER]


def keep_in(folder: Path) -> None:
    """Put the results of this run elsewhere."""
    _folders[:] = [folder]


def folder() -> Path:
    """The folder of this run's results."""
    _folders[0].mkdir(parents=True, exist_ok=True)
    return _folders[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        what: what was measured.
        value: what it came to, in the unit.
        reference: who did the same in the same run, and what it came to.
        ratio: value over the reference's, the median of the repeats' ratios.
        target: the first target; None where there is none.
    """

    what: str
    value: float
    unit: str
    reference: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def met(value: float, target: float, *, at_least: bool = False) -> bool:
    return value >= target if at_least else value <= target


def save(name: str, **results: object) -> None:
    """Keep the raw numbers of a benchmark."""
    (folder() / f"{name}.json").write_text(json.dumps(results, indent=2, default=_plain) + "\n")


def _plain(value: object) -> object:
    return asdict(value)  # type: ignore[call-overload]


def table(rows: Sequence[Row]) -> str:
    """The rows under each other, as Markdown."""
    cells = [("measured", "value", "beside it, in the same run", "ratio", "first target", "")]
    for row in rows:
        verdict = "" if row.met is None else "met" if row.met else "MISSED"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        cells.append((row.what, f"{_short(row.value)} {row.unit}", row.reference, ratio, row.target, verdict))
    widths = [max(len(cell[column]) for cell in cells) for column in range(6)]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(cell, widths, strict=True)) + " |" for cell in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


COLOURS: Final = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")


def plot(name: str, title: str, x_label: str, y_label: str, curves: dict[str, list[tuple[float, float]]]) -> Path:
    """A line per curve over a logarithmic x axis, from zero, as SVG."""
    width, height, left, bottom = 640, 360, 70, 50
    xs = [x for points in curves.values() for x, _ in points]
    top = max(y for points in curves.values() for _, y in points) * 1.2 or 1.0
    low, high = log10(min(xs)), log10(max(xs))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (log10(x) - low) / ((high - low) or 1)
        return left + across * (width - left - 20), height - bottom - y / top * (height - bottom - 40)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{width / 2}" y="20" text-anchor="middle" font-size="14">{escape(title)}</text>',
        f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text transform="translate(16 {height / 2}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>',
    ]
    for step in range(5):
        y = top * step / 4
        _, across = at(min(xs), y)
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{across:.1f}" y2="{across:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{across + 4:.1f}" text-anchor="end">{_short(y)}</text>')
    for x in sorted(set(xs)):
        down, _ = at(x, 0)
        parts.append(f'<text x="{down:.1f}" y="{height - bottom + 18}" text-anchor="middle">{x:,.0f}</text>')
    for number, (label, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [at(x, y) for x, y in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(f'<text x="{left + 10}" y="{44 + 16 * number}" fill="{colour}">{escape(label)}</text>')
    file = folder() / f"{name}.svg"
    file.write_text("\n".join([*parts, "</svg>"]) + "\n")
    return file
