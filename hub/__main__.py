"""``python -m hub`` is the manager."""

from hub.manager import program

program()
