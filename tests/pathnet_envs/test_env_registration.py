"""Registration: ids, specs, and what an import costs."""

import importlib
import subprocess
import sys

import gymnasium
import pytest
from gymnasium.envs.registration import EnvSpec

import pathnet_envs
from pathnet_envs import SUB_GOALS, catalogue

HEAVY = ("torch", "pathnet_rl", "pathnet_agents", "stable_baselines3")


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("sub_goal", SUB_GOALS.values(), ids=SUB_GOALS)
def test_a_spec_survives_json_and_still_makes_its_environment(sub_goal):
    env = gymnasium.make(sub_goal.env_id, reward="sparse", level=0.25)
    spec = EnvSpec.from_json(env.spec.to_json())
    again = gymnasium.make(spec)
    assert again.unwrapped.goal is sub_goal
    assert (again.unwrapped.reward, again.unwrapped.level) == ("sparse", 0.25)


def test_the_curriculum_is_registered_in_its_order():
    flights = ("KillSpin", "Upright", "BrakeFall", "Hover", "GoToAltitude", "GoToX")
    landings = ("LandLow", "LandCentre", "LandAnywhere", "LandWind", "LandFuel", "Land")
    assert [row.env_id for row in catalogue()] == [f"PathNet/Lander{title}-v0" for title in (*flights, *landings)]
    assert all({row.env_id, row.continuous_env_id} <= gymnasium.registry.keys() for row in catalogue())


def test_naming_the_package_in_the_id_is_enough():
    code = "import gymnasium; print(gymnasium.make('pathnet_envs:PathNet/LanderHover-v0').spec.id)"
    assert run_python(code).strip() == "PathNet/LanderHover-v0"


def test_the_package_needs_no_learner():
    code = (
        "import sys, gymnasium, pathnet_envs, pathnet_envs.scripted\n"
        "gymnasium.make('PathNet/LanderLand-v0').reset(seed=0)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_importing_twice_is_silent_and_changes_nothing():
    before = dict(gymnasium.registry)
    importlib.reload(pathnet_envs)  # a warning would be an error here
    assert gymnasium.registry == before


def test_an_unknown_environment_is_refused():
    with pytest.raises(gymnasium.error.NameNotFound, match="LanderHover"):
        gymnasium.make("PathNet/LanderHovr-v0")


def test_the_environments_load_where_warnings_are_errors():
    code = "import warnings; warnings.simplefilter('error'); import pathnet_envs.lander; print('loaded')"
    assert run_python(code).strip() == "loaded"
