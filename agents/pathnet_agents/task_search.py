"""The search for one task's path: who acts in which environment, what that earned, who is replaced."""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathnet_rl.agent import AgentError
from pathnet_rl.evolution import EVOLUTIONS, Alone, Replacement
from pathnet_rl.paths import Path, Paths
from pathnet_rl.search import Generation, PathSearch
from pathnet_rl.settings import SearchSettings
from pathnet_rl.task import Outcome

LONGEST = 10  # times its steps that a search waits for the first finished episode


class TaskSearch:
    """The bookkeeping of a search; it holds no network, so that it is saved as it is.

    Environments that are a multiple of the members are spread over them; in any other number the members act in
    turn, an episode each.
    After ``settings.search_env_steps`` the best member is left alone; where nobody has finished an episode by then,
    as in many short calls of ``learn``, it is waited for, at most ``LONGEST`` times as long.

    Args:
        task: Whose path is searched.
        population: Paths to start from, ``(members, layers, active)``.
        modules: Modules in a layer, the range of a gene.
        rng: The source of the evolution's draws.
        settings: How the path is searched.
        lanes: Environments stepped together.
    """

    def __init__(
        self,
        task: str,
        population: Paths,
        *,
        modules: int,
        rng: np.random.Generator,
        settings: SearchSettings,
        lanes: int,
    ) -> None:
        self.task, self.modules, self.rng = task, modules, rng
        strategy = EVOLUTIONS[settings.evolution]
        # Early returns are often all alike; to choose by them puts mutated modules in the place of trained ones.
        evolution = strategy(
            population,
            modules,
            rng,
            train_all=True,
            tie_replaces=False,
        )
        self.search = PathSearch(evolution)
        self.heads: NDArray[np.int64] = np.arange(len(population))
        self.searching = True
        self.env_steps = 0
        self.latest: Generation | None = None
        self.plan(settings)
        self._forget_returns()
        self.spread(lanes)

    def plan(self, settings: SearchSettings) -> None:
        """Search as long, and judge as often, as these settings say; before the first step."""
        self.settings = settings
        self.search.evolution.grace_generations = settings.grace_generations
        self._judge_from = settings.generation_env_steps

    @property
    def population(self) -> Paths:
        """The paths that learn, ``(members, layers, active)``."""
        return self.search.evolution.population

    @property
    def best(self) -> int:
        """The member with the highest fitness; of equals the one that has learned longest, then the first."""
        evolution = self.search.evolution
        return max(
            range(len(self.population)), key=lambda member: (evolution.scores[member], evolution.age[member])
        )

    @property
    def best_path(self) -> Path:
        """Its path, ``(layers, active)``."""
        return self.population[self.best]

    def _forget_returns(self) -> None:
        kept = self.settings.fitness_episodes
        self._returns = [deque[float](maxlen=kept) for _ in self.population]

    def spread(self, lanes: int) -> None:
        """Give every member as many lanes as the others, now or in turn."""
        members = len(self.population)
        self._in_turn = lanes % members != 0
        owners = np.arange(lanes) % members if self._in_turn else np.arange(lanes) * members // lanes
        self.member_of_lane: NDArray[np.int64] = owners
        self._next_member = lanes % members
        self.interrupt()

    def interrupt(self) -> None:
        """Let the running episodes count for nobody, as others acted in them or their environment is reset."""
        self._earned = np.zeros(len(self.member_of_lane))
        self._counts = np.zeros(len(self.member_of_lane), dtype=bool)

    def step(self, rewards: NDArray[Any], ended: NDArray[Any]) -> None:
        """Take what one step of every lane earned, ``(lanes,)`` each."""
        self.env_steps += len(rewards)
        self._earned += rewards
        for lane in np.flatnonzero(ended):
            if self._counts[lane]:
                self._returns[self.member_of_lane[lane]].append(float(self._earned[lane]))
            self._counts[lane], self._earned[lane] = True, 0.0
            if self._in_turn:
                self.member_of_lane[lane] = self._next_member
                self._next_member = (self._next_member + 1) % len(self.population)

    @property
    def due(self) -> bool:
        """Whether a generation is over."""
        return self.env_steps >= self._judge_from

    def judge(self, finite: NDArray[np.bool_]) -> Generation:
        """Hold a tournament on the members' mean returns.

        Args:
            finite: Which members have only finite numbers, ``(members,)``; the others have failed.
        """
        self._judge_from = self.env_steps + self.settings.generation_env_steps
        means = np.array([float(np.mean(returns)) if returns else 0.0 for returns in self._returns])
        completed = np.array([len(returns) > 0 for returns in self._returns])
        sound = finite & np.isfinite(means)
        self.search.ask()
        self.latest = self.search.tell(Outcome(np.where(sound, means, np.nan), completed | ~finite))
        if self.latest.replacement is not None:
            self._begin_anew(self.latest.replacement.loser)
        return self.latest

    def replace_failed(self) -> list[Replacement]:
        """Put mutated copies of the best in the place of members that failed, and return who replaced whom.

        Raises:
            AgentError: If all of them have.
        """
        if self.latest is not None and self.latest.failed == len(self.population):
            raise AgentError(
                f"task {self.task!r}: after {self.env_steps} environment steps all members have weights or returns "
                "that are not finite; look for such rewards or observations, or give a lower learning_rate"
            )
        replacements = self.search.evolution.replace_failed()
        for each in replacements:
            self._begin_anew(each.loser)
        return replacements

    def _begin_anew(self, member: int) -> None:
        """Let a member start without returns; its running episodes were begun by another."""
        self._returns[member].clear()
        self._counts[self.member_of_lane == member] = False

    @property
    def over(self) -> bool:
        """Whether the search has had its steps, knows something of its members, and the best may be left alone."""
        times = 1 if any(self._returns) else LONGEST
        return self.searching and self.env_steps >= times * self.settings.search_env_steps

    def consolidate(self) -> None:
        """Leave the best member alone, in all lanes."""
        self.searching, self.heads = False, self.heads[[self.best]]
        alone = Alone(self.best_path[None], self.modules, self.rng)
        self.search = PathSearch(alone, first_index=self.search.next_index)
        self._forget_returns()
        self.spread(len(self.member_of_lane))
