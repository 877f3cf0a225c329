"""Figures as people read them: scores in points of a hundred, bytes in MB, milliseconds and seconds."""

from ftapp.ui.measured import SCORES

SAME_POINTS = 0.05  # a difference in points that rounds to nothing


def figure_text(name: str, value: float | None) -> str:
    """Return a figure with its unit, a dash where it is not known."""
    if value is None:
        return "–"
    if name in SCORES:
        return f"{100 * value:.1f}"
    if name == "size_bytes":
        return megabytes(value)
    if name in ("memory_mib", "gpu_memory_mib"):
        return f"{value:,.0f} MiB"
    if name == "load_s":
        return f"{value:.1f} s"
    if name.startswith("reviews_per_s"):
        return f"{value:,.0f}/s" if value >= 100 else f"{value:.1f}/s"
    return milliseconds(value)


def milliseconds(value: float) -> str:
    """Return milliseconds with as many places as mean something."""
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.1f} ms"


def megabytes(size: float) -> str:
    """Return bytes in megabytes of a million."""
    return f"{size / 1e6:,.0f} MB" if size >= 10e6 else f"{size / 1e6:.1f} MB"


def delta_text(difference: float) -> str:
    """Return a difference of scores in points, with its sign."""
    points = 100 * difference
    return "±0.0" if abs(points) < SAME_POINTS else f"{points:+.1f}".replace("-", "−")
