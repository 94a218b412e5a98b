"""What discoverers say of themselves on their own pages: Seatrial's, Gimbal's, and Kubernetes' mirroring."""

from __future__ import annotations

from seatrial.report.dashboards.panels import Panel, Query, Row
from seatrial.report.dashboards.promql import mean, per_second, quantile, total

_BACKEND = "instance, backend"
_OF_BACKEND = "{{instance}} {{backend}}"
_GIMBAL = "instance, backendname, backendtype"
_OF_GIMBAL = "{{instance}} {{backendname}}"
_MIRRORING = '{name="endpoint_slice_mirroring"}'


def _own(name: str, words: str, by: str = _BACKEND) -> Query:
    return Query(per_second(f"seatrial_discoverer_{name}", by), f"{_OF_BACKEND} {words}")


def _of_gimbal(name: str, words: str) -> Query:
    return Query(total(f"gimbal_discoverer_{name}_total", _GIMBAL), f"{_OF_GIMBAL} {words}")


SEATRIAL = Row(
    "Seatrial's discoverer",
    (
        Panel(
            "Its queue",
            "short",
            "Items that are waiting, delayed or in work. It should be empty but for moments.",
            (Query(total("seatrial_discoverer_queue_depth", _BACKEND), _OF_BACKEND),),
        ),
        Panel(
            "What its queue does",
            "ops",
            "Items that it enqueued, did, dropped and tried again. Retries are calls that failed.",
            (
                _own("enqueued_total", "enqueued"),
                _own("done_total", "done"),
                _own("dropped_total", "dropped"),
                _own("retries_total", "retries"),
            ),
        ),
        Panel(
            "Services of the source and of the destination",
            "short",
            "Services that the source had when it was read last, and those that the destination has alike. Fewer for "
            "long: it does not keep up, or cannot write.",
            (
                Query(total("seatrial_discoverer_upstream_services", _BACKEND), f"{_OF_BACKEND} source"),
                Query(
                    total("seatrial_discoverer_replicated_services", _BACKEND), f"{_OF_BACKEND} destination"
                ),
            ),
        ),
        Panel(
            "Its calls",
            "reqps",
            "Calls to the destination's API server. Status 429: it is told to wait; 409: somebody else writes; 0: no "
            "answer came.",
            (
                Query(
                    per_second("seatrial_discoverer_api_calls_total", f"{_BACKEND}, verb, resource, status"),
                    f"{_OF_BACKEND} {{{{verb}}}} {{{{resource}}}} {{{{status}}}}",
                ),
            ),
        ),
        Panel(
            "Its cycles, mean and p99",
            "s",
            "How long it takes to read the source and to find what differs. Longer than its period: changes wait.",
            (
                Query(mean("seatrial_discoverer_cycle_seconds", "", _BACKEND), f"{_OF_BACKEND} mean"),
                Query(
                    quantile(0.99, "seatrial_discoverer_cycle_seconds_bucket", _BACKEND),
                    f"{_OF_BACKEND} p99",
                ),
            ),
        ),
        Panel(
            "What went wrong in it",
            "ops",
            "Errors by kind: of the source, of the destination, and of single calls. Any that go on are bad.",
            (
                Query(
                    per_second("seatrial_discoverer_errors_total", f"{_BACKEND}, errortype"),
                    f"{_OF_BACKEND} {{{{errortype}}}}",
                ),
            ),
        ),
    ),
)
GIMBAL = Row(
    "Gimbal's discoverers",
    (
        Panel(
            "Queue of Gimbal",
            "short",
            "Items in its queue, without those that wait for its rate limiter: there may be many more.",
            (Query(total("gimbal_queuesize", _GIMBAL), _OF_GIMBAL),),
        ),
        Panel(
            "Services in Gimbal's books",
            "short",
            "Services of the backend, those that are replicated, and those that cannot be. Replicated below upstream "
            "for a minute is the alert that Gimbal came with.",
            (
                _of_gimbal("upstream_services", "upstream"),
                _of_gimbal("replicated_services", "replicated"),
                _of_gimbal("invalid_services", "invalid"),
            ),
        ),
        Panel(
            "Endpoints in Gimbal's books",
            "short",
            "The same of endpoints. Fewer that are replicated: traffic goes to part of a backend only.",
            (
                _of_gimbal("upstream_endpoints", "upstream"),
                _of_gimbal("replicated_endpoints", "replicated"),
                _of_gimbal("invalid_endpoints", "invalid"),
            ),
        ),
        Panel(
            "Mean time of a cycle of Gimbal",
            "s",
            "How long it takes to read a whole backend, in full seconds. Longer than its reconciliation period: "
            "changes wait for the next. Its buckets begin at a minute, so there is no percentile below.",
            (Query(mean("gimbal_discoverer_cycle_duration_seconds", "", _GIMBAL), _OF_GIMBAL),),
        ),
        Panel(
            "Mean time of a call to the backend",
            "ms",
            "How long the backend's API takes to answer, all paths together: each pool has a path of its own.",
            (Query(mean("gimbal_discoverer_api_latency_milliseconds", "", _GIMBAL), _OF_GIMBAL),),
        ),
        Panel(
            "Since Gimbal's last write",
            "s",
            "How long ago it last wrote a service, and endpoints. Short while nothing changes: it writes what is as it "
            "should be already.",
            (
                Query(
                    f"time() - max by ({_GIMBAL}) (gimbal_service_event_timestamp)",
                    f"{_OF_GIMBAL} services",
                ),
                Query(
                    f"time() - max by ({_GIMBAL}) (gimbal_endpoints_event_timestamp)",
                    f"{_OF_GIMBAL} endpoints",
                ),
            ),
        ),
        Panel(
            "Errors of Gimbal",
            "ops",
            "What failed, by kind: of reading the backend, of services and of endpoints. Any that go on are bad.",
            tuple(
                Query(per_second(name, f"{_GIMBAL}, errortype"), f"{_OF_GIMBAL} {words} {{{{errortype}}}}")
                for name, words in (
                    ("gimbal_discoverer_error_total", "reading"),
                    ("gimbal_service_error_total", "services"),
                    ("gimbal_endpoints_error_total", "endpoints"),
                )
            ),
        ),
    ),
)
_MIRROR = "endpoint_slice_mirroring_controller"
MIRRORING = Row(
    "Kubernetes' mirroring of EndpointSlices",
    (
        Panel(
            "Queue of the mirroring",
            "short",
            "Services that wait for a worker, without those that are tried again later. One that grows: Endpoints "
            "change faster than slices are written.",
            (Query(total(f"workqueue_depth{_MIRRORING}", "instance"), "{{instance}}"),),
        ),
        Panel(
            "What the mirroring's queue does",
            "ops",
            "Items that were added, done, and added again after a failure.",
            (
                Query(
                    per_second(f"workqueue_adds_total{_MIRRORING}", "instance"),
                    "{{instance}} added",
                ),
                Query(
                    per_second(f"workqueue_work_duration_seconds_count{_MIRRORING}", "instance"),
                    "{{instance}} done",
                ),
                Query(
                    per_second(f"workqueue_retries_total{_MIRRORING}", "instance"),
                    "{{instance}} retries",
                ),
            ),
        ),
        Panel(
            "Time in the mirroring's queue and at work, p99",
            "s",
            "How long an item waits, and how long a worker takes for it. Long waits beside short work: more workers "
            "would help (--mirroring-concurrent-service-endpoint-syncs).",
            (
                Query(
                    quantile(0.99, f"workqueue_queue_duration_seconds_bucket{_MIRRORING}", "instance"),
                    "{{instance}} waiting",
                ),
                Query(
                    quantile(0.99, f"workqueue_work_duration_seconds_bucket{_MIRRORING}", "instance"),
                    "{{instance}} at work",
                ),
            ),
        ),
        Panel(
            "Slices that are mirrored",
            "short",
            "EndpointSlices that there are, and as many as there should be. Fewer: not all is mirrored yet.",
            (
                Query(total(f"{_MIRROR}_num_endpoint_slices", "instance"), "{{instance}} there"),
                Query(total(f"{_MIRROR}_desired_endpoint_slices", "instance"), "{{instance}} desired"),
            ),
        ),
        Panel(
            "Changes of mirrored slices",
            "ops",
            "Slices that it created, updated and deleted. Updates while no Endpoints change are writes for nothing.",
            (
                Query(
                    per_second(f"{_MIRROR}_changes", "instance, operation"),
                    "{{instance}} {{operation}}",
                ),
            ),
        ),
    ),
)
GO = f"(gimbal_queuesize or workqueue_depth{_MIRRORING})"
"""Series that a discoverer has which is a Go program."""
