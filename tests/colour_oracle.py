"""How bright a colour is to the eye."""

from typing import Any

from matplotlib.colors import to_rgb


def luminance(colour: Any) -> float:
    """Return WCAG 2's relative luminance, one channel after the other."""
    total = 0.0
    for share, x in zip((0.2126, 0.7152, 0.0722), to_rgb(colour), strict=True):
        total += share * (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4)
    return total
