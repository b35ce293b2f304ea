"""IsolatedEnv: an environment in a process of its own, which may hang or die without taking the run with it."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import gymnasium

ORPHANED_AFTER_S = 5.0  # how often a process that waits for work looks whether its parent is still there


class EnvironmentDied(Exception):
    """The process of an environment has ended by itself."""


class IsolatedEnv(gymnasium.Env[Any, Any]):
    """Passes every call on to an environment in another process.

    Whatever goes wrong in a call, an exception there, the end of the process, or one that is raised here because
    the answer takes too long, the process is killed: the environment is of no use any more.

    Args:
        env: Gymnasium id.
        env_kwargs: Keyword arguments of the environment.
        silent_s: Seconds after which a process that has not answered a call ends, wherever it hangs and even if
            nobody waits for it any more; 0 for never. Whoever waits should lose patience before.

    Raises:
        EnvironmentDied: By every call, if the process is gone.
    """

    def __init__(self, env: str, env_kwargs: Mapping[str, Any], silent_s: float = 0.0) -> None:
        # Forked, it knows every environment that is registered here, and its parent is this process.
        context = multiprocessing.get_context("fork")
        self._connection, remote = context.Pipe()
        arguments = (remote, env, dict(env_kwargs), os.getpid(), silent_s)
        self._process = context.Process(target=_serve, args=arguments, daemon=True, name=f"lane of {env}")
        self._process.start()
        remote.close()
        self.observation_space, self.action_space, self.metadata = self._answer()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        return self._call("reset", seed=seed, options=options)

    def step(self, action: Any) -> Any:
        """Take a step."""
        return self._call("step", action)

    def set_wrapper_attr(self, name: str, value: Any, *, force: bool = True) -> bool:
        """Set an attribute of the environment."""
        return self._call("set_wrapper_attr", name, value, force=force)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _call(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        with contextlib.suppress(OSError):  # it is gone; the answer says how
            self._connection.send((method, arguments, keywords))
        return self._answer()

    def _answer(self) -> Any:
        try:
            failure, answer = self._connection.recv()
        except BaseException as error:
            self.close()
            if isinstance(error, (EOFError, OSError)) and not isinstance(error, TimeoutError):
                raise EnvironmentDied(f"its process ended, {_how(self._process.exitcode)}") from None
            raise
        if failure is not None:
            self.close()
            raise failure
        return answer


def _serve(connection: Connection, env_id: str, env_kwargs: dict[str, Any], parent: int, silent_s: float) -> None:
    """Make the environment and answer calls until the parent is gone; answers are ``(exception, value)``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the run's to answer; it ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, in compiled code too
    try:
        env = gymnasium.make(env_id, **env_kwargs)
        connection.send((None, (env.observation_space, env.action_space, env.metadata)))
        while True:
            # A process forked later holds a copy of the parent's end, so its death alone closes nothing.
            while not connection.poll(ORPHANED_AFTER_S):
                if os.getppid() != parent:
                    return
            method, arguments, keywords = connection.recv()
            signal.setitimer(signal.ITIMER_REAL, silent_s)
            answer = getattr(env, method)(*arguments, **keywords)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send((None, answer))
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - environments of others raise what they like
        _send_failure(connection, error)


def _send_failure(connection: Connection, error: Exception) -> None:
    """Send an exception, or its words where it cannot be sent."""
    try:
        connection.send((error, None))
    except Exception:  # noqa: BLE001 - pickling calls the exception's own code
        connection.send((RuntimeError(f"{type(error).__name__}: {error}"), None))


def _how(exit_code: int | None) -> str:
    """Say how a process ended."""
    if exit_code is not None and exit_code < 0:
        return f"by signal {signal.Signals(-exit_code).name}"
    return f"with status {exit_code}"
