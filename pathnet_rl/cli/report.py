"""``report``: the figures and the page of a study."""

from pathlib import Path
from typing import Annotated

import typer

from pathnet_rl.cli.app import refuse


def report(
    study: Annotated[Path, typer.Argument(help="A study directory.")],
    repeat: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM:INDEX", help="Draw this repeat of a digit study by itself too; can be repeated."),
    ] = None,
) -> None:
    """Write a study's figures (PDF and PNG) and its report.html."""
    if (study / "transfer.json").is_file():
        _report_curriculum(study, repeat)
    elif (study / "study.json").is_file():
        _report_digits(study, repeat or [])
    else:
        refuse(f"{study} is no study: neither transfer.json nor study.json is there; give what `study --out` wrote")


def _report_curriculum(directory: Path, repeat: list[str] | None) -> None:
    from pathnet_rl.transfer.report import write_report
    from pathnet_rl.transfer.study import TransferError, TransferStudy

    if repeat:
        refuse(f"--repeat {repeat[0]}: {directory} is a study of a curriculum; its runs have pictures of their own")
    try:
        page = write_report(TransferStudy.open(directory))
    except TransferError as error:
        refuse(error)
    typer.echo(f"wrote {page} and {page.parent / 'figures'}")


def _report_digits(directory: Path, repeats: list[str]) -> None:
    from pathnet_rl.study.report import write_report
    from pathnet_rl.study.study import Study, StudyError

    single: list[tuple[str, int]] = []
    for text in repeats:
        arm, colon, index = text.partition(":")
        if not colon or not index.isdecimal():
            refuse(f"--repeat {text}: is no ARM:INDEX; write search+search:3, say")
        single.append((arm, int(index)))
    try:
        page = write_report(Study.open(directory), single=single)
    except StudyError as error:
        refuse(error)
    typer.echo(f"wrote {page} and {page.parent / 'figures'}")
