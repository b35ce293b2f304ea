"""``play``: fly a sub-task by hand."""

from typing import Annotated

import typer

from pathnet_rl.cli.app import INTERRUPTED, refuse


def play(
    env: Annotated[str, typer.Argument(metavar="ID", help="An environment's id, or its sub-goal's name: hover.")],
    level: Annotated[float, typer.Option(help="Difficulty, from 0 to 1.")] = 1.0,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Of the first episode.")] = None,
    reward: Annotated[str, typer.Option(help="What is paid: sparse, shaped or native.")] = "shaped",
) -> None:
    """Fly a sub-task by keyboard: the arrow keys fire the engines, R restarts, Escape leaves."""
    from gymnasium.error import Error

    from pathnet_envs.play import play as fly

    try:
        flights = fly(env, level=level, reward=reward, seed=seed)
    except (ValueError, Error) as error:
        refuse(error)
    try:
        for number, flight in enumerate(flights, start=1):
            outcome = "success" if flight.is_success else "no success"
            typer.echo(f"episode {number}: {outcome}, {flight.steps} steps, return {flight.episode_return:.3f}")
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
