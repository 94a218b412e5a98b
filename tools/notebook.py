"""Runs a notebook without Jupyter: ``python -m tools.notebook NOTEBOOK --run RUN`` puts its outputs into it.

A cell's output is what it prints, and then what its last line is, as a notebook would show it. The notebook is given
the run that it opens by the environment variable ``RUN``.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

Bundle = dict[str, Any]
_SHOWN = ("image/svg+xml", "text/html", "text/plain")
"""What is kept of an output: what GitHub and an editor show without a kernel."""


def executed(notebook: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Run every code cell, in order and in one namespace; return the outputs of each, in the notebook format."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [_outputs("".join(cell["source"]), names, number) for number, cell in enumerate(cells, start=1)]


def _outputs(source: str, names: dict[str, Any], number: int) -> list[dict[str, Any]]:
    printed = io.StringIO()
    with redirect_stdout(printed):
        value = _last_value(ast.parse(source), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {kind: _lines(text) for kind, text in _bundle(value).items() if kind in _SHOWN}
        outputs.append(
            {"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data}
        )
    return outputs


def _last_value(tree: ast.Module, names: dict[str, Any]) -> Any:
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "<cell>", "exec"), names)
        return None
    tree.body.pop()
    exec(compile(tree, "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)


def _bundle(value: Any) -> Bundle:
    if hasattr(value, "_repr_mimebundle_"):
        return dict(value._repr_mimebundle_())
    found = {"text/plain": repr(value)}
    if hasattr(value, "_repr_html_"):
        found["text/html"] = value._repr_html_()
    return found


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    """Run a notebook and keep its outputs in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--run", required=True, type=Path, help="the run directory that it opens")
    given = parser.parse_args()
    os.environ["RUN"] = str(given.run)
    notebook = json.loads(given.notebook.read_text())
    found = iter(executed(notebook))
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            number += 1
            cell |= {"execution_count": number, "outputs": next(found)}
    given.notebook.write_text(f"{json.dumps(notebook, indent=1, ensure_ascii=False)}\n")


if __name__ == "__main__":
    main()
