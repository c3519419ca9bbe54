"""Where the scenarios that come with the package are; light, so that listing them is quick."""

from pathlib import Path

FILE = "scenario.toml"
BUILTIN = Path(__file__).resolve().parent.parent / "scenarios"


def scenario_names() -> list[str]:
    """Names of the scenarios that come with the package.

    Example:
        >>> scenario_names()
        ['april-2024', 'october-2024']
    """
    return sorted(p.parent.name for p in BUILTIN.glob(f"*/{FILE}"))
