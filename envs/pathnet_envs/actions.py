"""LunarLander's four discrete actions by name."""

NOTHING, TURN_LEFT, MAIN_ENGINE, TURN_RIGHT = range(4)
