"""The cluster's command line: stdout is data, stderr is talk."""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from seatrial.errors import ExitCode, SeatrialError
from tools.cluster import build, debian, objects, processes, remains
from tools.cluster.access import kubeconfig
from tools.cluster.down import down
from tools.cluster.images import asked, catalogue
from tools.cluster.layout import Cluster
from tools.cluster.programs import BUILT, NEEDED
from tools.cluster.up import up

COMMANDS = {
    "up": "start the cluster, building what is missing, and make it kubectl's current context; what runs already stays",
    "down": "end it and remove all of it, from the kubeconfig, too",
    "status": "print what runs of it; exit 4 unless everything does",
    "env": "print what a shell needs: eval $(python -m tools.cluster env)",
    "scan": "print what is there of it, processes to folders; exit 4 if anything is",
    "build": "build every program, also those that are only tested on it, and every image; what was cut off goes on. "
    "Exit 4 where this machine or its network is in the way, 1 where what is pinned cannot be built",
    "images": "print the images that its nodes have",
}


def main() -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.cluster",
        description="A real Kubernetes cluster of three nodes on this machine.",
        epilog="\n".join(f"{name:8} {text}" for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument(
        "--name", default="seatrial", help="which cluster; several live side by side (default: %(default)s)"
    )
    parser.add_argument("--needed", action="store_true", help="build: only what every cluster needs")
    parser.add_argument("--within", type=float, metavar="SECONDS", help="build: give up after so long")
    arguments = parser.parse_args()
    try:
        return _run(arguments, Cluster(arguments.name))
    except SeatrialError as error:
        _report(f"error: {error.what}")
        for word, text in (("cause", error.cause), ("hint", error.next_step)):
            if text:
                _report(f"{word}: {text}")
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _run(arguments: argparse.Namespace, cluster: Cluster) -> int:
    match arguments.command:
        case "up":
            up(cluster, _report)
            kubeconfig.enter(cluster, _report)
        case "down":
            # What was done to it is noted among what goes now.
            done = kubeconfig.noted(cluster)
            down(cluster, _report)
            kubeconfig.leave(cluster, done, _report)
        case "status":
            return _print_status(cluster)
        case "env":
            _print_environment(cluster)
        case "scan":
            left = remains.scan(cluster)
            print(*left, sep="\n", end="\n" if left else "")
            return ExitCode.ENVIRONMENT if left else ExitCode.PASS
        case "build":
            build.build(NEEDED if arguments.needed else BUILT, _report, arguments.within)
            debian.provide(_report)
            if not arguments.needed:
                catalogue.make(_report)
        case "images":
            for image in catalogue.available():
                print(
                    image.reference,
                    *(f"{name} = {image.reference}" for name in asked.of(image.reference)),
                    sep="\n",
                )
    return ExitCode.PASS


def _print_status(cluster: Cluster) -> int:
    running = processes.recorded(cluster)
    if not running:
        print(f"cluster {cluster.name} is down")
        return ExitCode.ENVIRONMENT
    for name, pid in running.items():
        print(f"{name:28} process {pid}")
    print(objects.kubectl(cluster, "get", "nodes", "--show-labels"), end="")
    daemons = 5 + 3 * len(cluster.nodes)
    return ExitCode.PASS if len(running) == daemons else ExitCode.ENVIRONMENT


def _print_environment(cluster: Cluster) -> None:
    kubectl = cluster.home / "bin"
    print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
    print(f"export PATH={shlex.quote(str(kubectl))}{os.pathsep}$PATH")


def _report(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
