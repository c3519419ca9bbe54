"""The colours of policies, players and charts, light and dark; light to load, for pages that draw nothing."""

from collections.abc import Mapping, Sequence

# Distinguishable with any kind of colour vision, and at least 3 : 1 against the page (after Okabe and Ito).
POLICY_LIGHT = ("#5b6470", "#0072b2", "#b84f00", "#007a59", "#a3487d", "#7d6200", "#3d7ea6", "#8c2d04")
POLICY_DARK = ("#a9b2bd", "#56b4e9", "#ff9a52", "#2fcf9c", "#e79bc6", "#f0d04a", "#9fd3f5", "#ffc3a0")
# Those of the drawn tree.
PLAYER_LIGHT = ("#0b5cad", "#a64b00", "#00704a", "#7a3e9d", "#006c80", "#b0204c", "#6b6100", "#4a4a4a")
PLAYER_DARK = ("#6cb4ff", "#ffa45c", "#4cd2a0", "#cf9bf0", "#55cfe6", "#ff8fae", "#d6c94a", "#c4c4c4")
# One hue from faint to strong: how far an option goes. The text upon each step is readable on it.
STEP_LIGHT = ("#e3e9ef", "#b9cadb", "#86a8c6", "#46759e", "#2a5d88", "#123c5f")
STEP_DARK = ("#2b333b", "#3b5166", "#517596", "#7ca3c7", "#a9c9e6", "#dbeafa")
STEP_TEXT_LIGHT = ("#16191d", "#16191d", "#16191d", "#ffffff", "#ffffff", "#ffffff")
STEP_TEXT_DARK = ("#eceff2", "#eceff2", "#ffffff", "#10141a", "#10141a", "#10141a")


def css_variables(dark: bool) -> str:
    """The colours of all charts as CSS declarations.

    Args:
        dark: For a dark page instead of a light one.
    """
    families: Mapping[str, Sequence[str]] = {
        "c": POLICY_DARK if dark else POLICY_LIGHT,
        "dt-p": PLAYER_DARK if dark else PLAYER_LIGHT,
        "q": STEP_DARK if dark else STEP_LIGHT,
        "qt": STEP_TEXT_DARK if dark else STEP_TEXT_LIGHT,
    }
    return ";".join(f"--{name}{i}:{c}" for name, colours in families.items() for i, c in enumerate(colours))
