"""What the explorer shows, for other programs: the forecast and its worlds as tables."""

import csv
import io
import json
from typing import Any

from detente.solve.solution import STATUS_NAMES
from detente.studio.chart import sheet
from detente.studio.forecast import Room
from detente.studio.pages import panels
from detente.studio.ranges import Ranges
from detente.studio.setting import Setting, number, world


def forecast_rows(room: Room, setting: Setting) -> list[dict[str, Any]]:
    """What every policy brings in one world, one number a row.

    Args:
        room: The scenario.
        setting: The world.
    """
    found = room.forecast(setting)
    rows = [
        {"policy": policy, "outcome": name, "label": "", "value": value}
        for policy, values in found.outcomes.items()
        for name, value in values.items()
    ]
    return rows + [
        {"policy": policy, "outcome": name, "label": label, "value": share}
        for policy, labels in found.labels.items()
        for name, shares in labels.items()
        for label, share in shares.items()
    ]


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as a table with a heading.

    Args:
        rows: All with the same keys.

    Example:
        >>> as_csv([{"policy": "wait", "value": 0.5}]).splitlines()
        ['policy,value', 'wait,0.5']
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def forecast_json(room: Room, setting: Setting) -> str:
    """The forecast of one world with everything that it was made from.

    Args:
        room: The scenario.
        setting: The world.
    """
    found = room.forecast(setting)
    data = {
        "scenario": room.scenario.slug,
        "as_of": room.scenario.file.as_of.isoformat(),
        "held": setting.held,
        "parameters": world(room.scenario, setting),
        "solver": list(found.messages),
        "outcomes": found.outcomes,
        "labels": found.labels,
    }
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def ranges_sheet(room: Room, ranges: Ranges, setting: Setting) -> str:
    """The ranges of many worlds as one image.

    Args:
        room: The scenario.
        ranges: The worlds, all solved.
        setting: What is held in them.
    """
    held = "; ".join(f"{room.scenario.parameter_title(name)} held at {number(v)}" for name, v in setting.values[:2])
    if len(setting.values) > 2:
        held = f"{len(setting.values)} parameters held"
    note = f"Median and 90 % interval over {int(ranges.usable.sum())} worlds" + (f"; {held}" if held else "") + "."
    return sheet(panels(room.scenario, ranges.table()), title=room.scenario.file.title, note=note)


def world_rows(ranges: Ranges) -> list[dict[str, Any]]:
    """Many worlds: their parameters, and what every policy brings in each; a world that did not converge says so.

    Args:
        ranges: The worlds, all solved.
    """
    names = [key for key in ranges.parts[0] if key.startswith("value:")]
    values = {key.removeprefix("value:"): ranges.joined(key) for key in names}
    status = ranges.joined("status")
    return [
        {
            "world": index,
            "policy": policy,
            "status": STATUS_NAMES[status[row, index]],
            **{name: float(found[row, index]) for name, found in values.items()},
            **{f"parameter {name}": float(found[index]) for name, found in ranges.draws.items()},
        }
        for index in range(ranges.total)
        for row, policy in enumerate(ranges.scenario.file.policies)
    ]
