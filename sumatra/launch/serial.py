"""One process on this machine."""

from collections.abc import Sequence

from sumatra.launch.base import Ended, Launcher, Plan
from sumatra.launch.supervise import supervise

__all__ = ["BACKEND", "SerialLauncher"]


class SerialLauncher(Launcher):
    """The program as it is."""

    name = "serial"

    def words(self, program: Sequence[str]) -> list[str]:
        return list(program)

    def run(self, plan: Plan) -> Ended:
        return supervise(self.words(plan.words), plan)


BACKEND = SerialLauncher
