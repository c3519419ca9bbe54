"""`detente new`: a scenario folder to begin with."""

from pathlib import Path
from typing import Annotated

import typer


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the folder and the scenario, as in my-crisis.")],
    title: Annotated[str, typer.Option(help="What the crisis is called; default: the name in words.")] = "",
    into: Annotated[Path, typer.Option("--in", metavar="FOLDER", help="Where the folder is made.")] = Path(),
) -> None:
    """Start a crisis of your own: a folder with rules, priors, record and a test that all run."""
    from datetime import date

    from detente.model.new import new_scenario

    folder = into / name
    for file in new_scenario(folder, title=title, today=date.today()):
        print(file)
    print(f"\nIt runs as it is. Change {folder / 'rules.py'}, then: detente check {folder}")
