"""Agents that learn a curriculum along paths of a PathNet."""
