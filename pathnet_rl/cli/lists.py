"""``keys`` and ``envs``: what there is to choose from."""

from typing import Annotated

import typer

from pathnet_rl.cli.app import refuse


def keys(
    word: Annotated[str | None, typer.Argument(help="Only keys whose name or meaning has this word.")] = None,
) -> None:
    """List every key that a curriculum file may have: what it may be, its default, what it means."""
    from rich.console import Console as Screen

    from pathnet_rl.console import keys_table
    from pathnet_rl.key_reference import keys as all_keys

    chosen = [key for key in all_keys() if word is None or word.lower() in f"{key.place} {key.says}".lower()]
    if not chosen:
        refuse(f"{word}: is in no key; `pathnet-rl keys` lists them all")
    screen = Screen()
    if not screen.is_terminal:
        screen.width = max(screen.width, 250)  # a line a key, for grep
    screen.print(keys_table(chosen))


def envs(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all that is known of them, for a program.")
    ] = False,
) -> None:
    """List the LunarLander sub-tasks."""
    import pathnet_envs

    if as_json:
        import json

        typer.echo(json.dumps([row.to_dict() for row in pathnet_envs.catalogue()], indent=2))
        return
    from rich.console import Console as Screen

    from pathnet_rl.console import environments_table

    Screen().print(environments_table(pathnet_envs.catalogue()))
