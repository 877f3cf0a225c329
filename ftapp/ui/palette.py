"""Colours and signs of sentiments, worst to best, for any number of them: vermilion, grey, blue, safe for the colour-blind."""

import math

WORST_TO_BEST = ("#B5420B", "#EC9A62", "#AEB4BD", "#7FB2E5", "#1B5AA8")
EVIDENCE = "#0F766E"  # words that speak for a keyword; no sentiment has this hue
COUNTER = "#8A8F98"  # words that speak against it
DARK, LIGHT = "#1C2430", "#FFFFFF"


def sentiment_color(index: int, count: int) -> str:
    """Return the colour of sentiment `index` of `count`, between the fixed five where there are other than five."""
    place = (len(WORST_TO_BEST) - 1) * (index / (count - 1) if count > 1 else 0.5)
    low = min(math.floor(place), len(WORST_TO_BEST) - 2)
    part = place - low
    pairs = zip(channels(WORST_TO_BEST[low]), channels(WORST_TO_BEST[low + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02X}" for a, b in pairs)


def sentiment_sign(index: int, count: int) -> str:
    """Return the sign that says the same as the colour: ▼▼ ▼ ● ▲ ▲▲."""
    distance = index - (count - 1) / 2
    if distance == 0:
        return "●"
    return ("▲" if distance > 0 else "▼") * math.ceil(abs(distance))


def ink_on(color: str) -> str:
    """Return dark or light ink, whichever reads better on the colour (WCAG contrast)."""
    return max((DARK, LIGHT), key=lambda ink: contrast(ink, color))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21, by WCAG 2."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def channels(color: str) -> tuple[int, int, int]:
    """Return red, green and blue of #RRGGBB."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    parts = [value / 255 for value in channels(color)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
