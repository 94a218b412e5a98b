"""One simulated cloud: what it is made from, and all of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field

from seatrial.errors import PlanError
from seatrial.faults.planted import FAULTS_LIMIT, Faults
from seatrial.openstack.calls import Calls
from seatrial.openstack.cloud.cloud import RESOURCES_LIMIT, Cloud
from seatrial.openstack.cloud.projects import PROJECTS_LIMIT, Directory
from seatrial.openstack.cloud.services import Services, Shape
from seatrial.openstack.cloud.tokens import Tokens
from seatrial.openstack.faults.fault import CloudFault
from seatrial.openstack.faults.rates import Rate, RateLimit

PASSWORD = "seatrial"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a cloud is made from; the same settings give the same names, ids and addresses."""

    shape: Shape = field(default_factory=lambda: Shape(services=0, projects=1))
    seed: int = 1
    password: str = PASSWORD
    token_life_s: float = 3_600.0
    pending_s: float = 0.5
    page_limit: int | None = None
    rate: Rate | None = None
    faults: tuple[CloudFault, ...] = ()


class Simulation:
    """The parts of a cloud; raises ``PlanError`` for more than it may hold."""

    def __init__(self, settings: Settings) -> None:
        require_room(settings.shape, 0)
        if len(settings.faults) > FAULTS_LIMIT:
            raise PlanError(f"{len(settings.faults)} faults: {FAULTS_LIMIT} at a time at most")
        self.settings = settings
        self.cloud = Cloud(settings.seed)
        clock = self.cloud.clock
        self.directory = Directory(settings.seed, settings.password)
        self.tokens = Tokens(clock, round(settings.token_life_s * 1e9))
        self.services = Services(self.cloud, self.directory)
        self.faults = Faults(CloudFault, "openstack", settings.seed, clock.now_ns)
        self.faults.plant(settings.faults)
        self.rate_limit = RateLimit(clock, settings.rate)
        self.calls = Calls()
        for _ in self.services.create(settings.shape):
            pass
        self.cloud.open()


def require_room(shape: Shape, there: int) -> None:
    """Raise ``PlanError`` where there would be more than a cloud holds."""
    for what, number, limit in (
        ("resources", shape.resources + there, RESOURCES_LIMIT),
        ("projects", shape.projects, PROJECTS_LIMIT),
    ):
        if number > limit:
            raise PlanError(
                f"{number:,} {what} are more than a simulated cloud holds",
                cause=f"it has {limit:,} at most, so that its memory is bounded",
                next_step="ask for fewer services, projects, listeners or members",
            )
