"""The tool: one method for each function that wit/tool.wit exports. What is raised as Err fails the run, and costs nothing."""

import wit_world
from componentize_py_types import Err


class WitWorld(wit_world.WitWorld):
    def greet(self, name: str) -> str:
        if not name.strip():
            raise Err("whom to greet?")
        return f"Hello, {name}!"
