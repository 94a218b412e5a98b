"""``seatrial plan``: look at a plan before it runs."""

from __future__ import annotations

import click

from seatrial.cli.console.documents import json_option, write_document
from seatrial.cli.console.errors import print_error
from seatrial.errors import ExitCode, PlanError


@click.group()
def plan() -> None:
    """Show, check and describe plan files."""


@plan.command(short_help="Print a compiled plan and its cases.")
@click.argument("file", metavar="FILE")
@json_option
def show(file: str, json_target: str | None) -> None:
    """Print a plan with every default filled in, its limits, its cases and how long they take."""
    from seatrial.plan.cases import compile_cases
    from seatrial.plan.read import read_plan
    from seatrial.plan.shown.compiled import compiled_document
    from seatrial.plan.shown.text import plan_text

    the_plan = read_plan(file)
    cases = compile_cases(the_plan)
    if json_target:
        write_document(compiled_document(the_plan, cases), json_target)
    if json_target != "-":
        click.echo(plan_text(the_plan, cases))


@plan.command(short_help="Say every mistake with its place.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def lint(files: tuple[str, ...]) -> None:
    """Say `ok`, or every mistake with its place; exits with 2 if there is one."""
    verdicts = [_is_right(file) for file in files]
    if not all(verdicts):
        raise SystemExit(ExitCode.BAD_INPUT)


@plan.command(short_help="Print the JSON Schema of a plan file.")
@json_option
def schema(json_target: str | None) -> None:
    """Print the JSON Schema (draft 2020-12) of a plan file, for editors that complete and check YAML."""
    from seatrial.plan.shown.schema import json_schema

    write_document(json_schema(), json_target or "-")


def _is_right(file: str) -> bool:
    from seatrial.plan.read import read_plan

    try:
        read_plan(file)
    except PlanError as error:
        print_error(error)
        return False
    click.echo(f"{file}: ok")
    return True
