"""Run the notebooks of this folder and keep what they show, in the notebook and as a page of the documentation.

    python docs/notebooks/execute.py

A notebook is a JSON file: this needs no notebook program, and the tests use it to see that what is kept is still true.
"""

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def run_cell(source: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    """The outputs of one cell: what it printed, then the value of its last line if that is an expression.

    Args:
        source: The code.
        names: What the cells before it have defined; it is added to.

    Example:
        >>> names = {}
        >>> run_cell("x = 2", names), run_cell("print(x)\\nx + 1", names)[1]["data"]
        ([], {'text/plain': ['3']})
    """
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            # An ensemble's or a brief's repr is long; whoever sees no HTML is told what it is.
            data = {"text/html": _lines(value._repr_html_()), "text/plain": [f"<{type(value).__name__}>"]}
        outputs.append({"data": data, "execution_count": None, "metadata": {}, "output_type": "execute_result"})
    return outputs


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def execute(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook with the outputs of all its cells, run from the top with nothing defined.

    Args:
        notebook: As read from its file.

    Returns:
        A notebook; the one given stays as it is.
    """
    made = json.loads(json.dumps(notebook))
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for cell in made["cells"]:
        if cell["cell_type"] != "code":
            continue
        count += 1
        cell["execution_count"] = count
        cell["outputs"] = run_cell("".join(cell["source"]), names)
        for output in cell["outputs"]:
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
    return made


def page(notebook: dict[str, Any], name: str) -> str:
    """A notebook as a page of the documentation.

    Args:
        notebook: With its outputs.
        name: Of its file, without ending.
    """
    parts = [f"<!-- made from {name}.ipynb by execute.py: change the notebook, and run that -->"]
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            if output["output_type"] == "stream":
                parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
            elif "text/html" in output["data"]:
                parts.append(f"```{{raw}} html\n{''.join(output['data']['text/html']).rstrip()}\n```")
            else:
                parts.append(f"```text\n{''.join(output['data']['text/plain'])}\n```")
    parts.append(f"{{download}}`This page as a notebook <{name}.ipynb>`")
    return "\n\n".join(parts) + "\n"


def read(path: Path) -> dict[str, Any]:
    """A notebook from its file.

    Args:
        path: Of the .ipynb file.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Run every notebook of this folder, and write it and its page."""
    for path in sorted(HERE.glob("*.ipynb")):
        made = execute(read(path))
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        path.with_suffix(".md").write_text(page(made, path.stem), encoding="utf-8")
        print(path.name)


if __name__ == "__main__":
    main()
