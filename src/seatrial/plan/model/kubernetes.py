"""What a plan says of the cluster that it runs on, beside its systems."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seatrial._version import __version__
from seatrial.schema.fields import Model, Switch
from seatrial.schema.quantities import SIZE, Quantity
from seatrial.systems.installed.kinds.options import Cpus

IMAGE = f"seatrial:{__version__}"
"""Of workers and origins; who has it in a registry names it there."""
MIB = 1 << 20
MEMORY_LEAST, MEMORY_MOST = 32 * MIB, 1_000_000_000_000

Memory = Annotated[int, Quantity(SIZE, MEMORY_LEAST, MEMORY_MOST)]


class KubernetesPlan(Model):
    """Pods of Seatrial's own on a cluster: from which image, with how much of a node, and where."""

    image: str = Field(
        IMAGE,
        description="The image of workers and origins, which every node has or can pull.",
        examples=["registry.example.com/seatrial:0.1.0"],
    )
    nodes: Literal["labelled", "any"] = Field(
        "labelled",
        description="`labelled`: workers, proxies and origins are on nodes with the label `seatrial.dev/role` of "
        "`load`, `proxy` and `origin`. `any`: where the scheduler puts them.",
        examples=["any"],
    )
    shared_nodes: Switch = Field(
        False,
        description="Whether a worker may be on a node where a proxy is: each then takes CPU from the other.",
        examples=["yes"],
    )
    node_probes: Switch = Field(
        True,
        description="Whether a pod in the own network of each node, without any other right over it, reads what the "
        "node's kernel counts: tracked connections, dropped packets. `no` where no pod may be in a node's network.",
        examples=["no"],
    )
    worker_cpus: Cpus = Field(
        1, description="CPUs of each worker, which are its limit and reserved for it.", examples=[2]
    )
    worker_memory_bytes: Memory = Field(
        512 * MIB,
        alias="worker_memory",
        description="Memory of each worker, which is its limit and reserved for it.",
        examples=["1 GiB"],
    )
    origin_cpus: Cpus = Field(
        1, description="CPUs of each origin, which are its limit and reserved for it.", examples=[2]
    )
    origin_memory_bytes: Memory = Field(
        512 * MIB,
        alias="origin_memory",
        description="Memory of each origin, which is its limit and reserved for it.",
        examples=["1 GiB"],
    )
