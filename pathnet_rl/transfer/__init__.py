"""The reinforcement-learning study: what a curriculum buys, told by many runs of it and of its controls."""
