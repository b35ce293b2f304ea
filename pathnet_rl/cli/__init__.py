"""The command line, ``pathnet-rl COMMAND``; each command imports what it needs, so that all answer at once."""

from pathnet_rl.cli import lists, look, play, report, study, train
from pathnet_rl.cli.app import app, main

__all__ = ["app", "main"]

for command in (
    train.train,
    train.resume,
    look.check,
    look.evaluate,
    study.study,
    report.report,
    lists.keys,
    lists.envs,
    play.play,
):
    app.command()(command)
