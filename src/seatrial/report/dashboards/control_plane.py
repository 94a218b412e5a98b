"""The control plane: how soon changes are live, and what the controllers do for it."""

from __future__ import annotations

from seatrial.report.dashboards.go import runtime
from seatrial.report.dashboards.panels import Dashboard, Panel, Query, Row
from seatrial.report.dashboards.promql import MOMENTS, OF_TRIAL, TRIALS, mean, per_second, quantile, total

_CHANGE = "system, case, change, milestone"
_CHANGE_NAMED = "{{system}} {{case}} {{change}} {{milestone}}"
_MILESTONES = f'seatrial_change_milestone_seconds_bucket{{{OF_TRIAL},milestone!="asked"}}'


def _rate(name: str, by: str = "", words: str = "", labels: str = "") -> Query:
    of = f"{{{labels}}}" if labels else ""
    legend = f"{{{{instance}}}} {words or ' '.join(f'{{{{{label}}}}}' for label in by.split(', '))}".rstrip()
    return Query(per_second(f"{name}{of}", f"instance, {by}" if by else "instance"), legend)


_CHANGES = Row(
    "Changes, as Seatrial sees them",
    (
        Panel(
            "Time until a milestone, p50 and p99",
            "s",
            "From when a change was asked for until the API server had it, until its status was written, until it "
            "was live at a proxy, and stayed so; all of the trial so far. Live long after accepted: the controller, "
            "or what carries its word.",
            tuple(
                Query(
                    f"histogram_quantile({share}, {total(_MILESTONES, f'{_CHANGE}, le')})",
                    f"{_CHANGE_NAMED} {name}",
                )
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
        ),
        Panel(
            "Changes by milestone",
            "ops",
            "Changes that reached each milestone. Asked faster than live: a queue grows somewhere.",
            (
                Query(
                    per_second(f"seatrial_change_milestone_seconds_count{{{OF_TRIAL}}}", _CHANGE),
                    _CHANGE_NAMED,
                ),
            ),
        ),
    ),
)
_CONTOUR = Row(
    "Contour",
    (
        Panel(
            "Rebuilds of the DAG",
            "ops",
            "How often Contour built its graph of routes anew. It waits 100 ms for more changes, 500 ms at most.",
            (_rate("contour_dagrebuild_total", words="rebuilds"),),
        ),
        Panel(
            "Mean time of a rebuild",
            "s",
            "How long one takes, and all of an update of what Envoy is served. It grows with the number of routes, "
            "each time.",
            (
                Query(mean("contour_dagrebuild_seconds", "", "instance"), "{{instance}} rebuild"),
                Query(
                    mean("contour_cachehandler_onupdate_duration_seconds", "", "instance"),
                    "{{instance}} update",
                ),
            ),
        ),
        Panel(
            "Since the last rebuild",
            "s",
            "How long ago the graph was built last. Long, while routes change: Contour does not hear of them.",
            (Query("time() - max by (instance) (contour_dagrebuild_timestamp)", "{{instance}}"),),
        ),
        Panel(
            "Events from the API server",
            "ops",
            "Objects that were added, updated and deleted, by kind. Updates of what nobody changed are Contour's "
            "own statuses.",
            (_rate("contour_eventhandler_operation_total", "kind, op"),),
        ),
        Panel(
            "HTTPProxies",
            "short",
            "HTTPProxies that there are, and those of them that are valid and invalid.",
            (
                Query(total("contour_httpproxy", "instance"), "{{instance}} all"),
                Query(total("contour_httpproxy_valid", "instance"), "{{instance}} valid"),
                Query(total("contour_httpproxy_invalid", "instance"), "{{instance}} invalid"),
            ),
        ),
        Panel(
            "Status updates of Contour",
            "ops",
            "Statuses that Contour set out to write, those that were as they should be already, and those that "
            "failed or met another writer. Failures and conflicts that go on are bad.",
            (
                _rate("contour_status_update_total", words="all"),
                _rate("contour_status_update_noop_total", words="nothing to do"),
                _rate("contour_status_update_conflict_total", words="conflicts"),
                _rate("contour_status_update_failed_total", words="failed"),
            ),
        ),
        Panel(
            "Mean time of a status update of Contour",
            "s",
            "How long one takes. Contour's client of the API server limits itself: a mean near 200 ms is that limit "
            "(5 a second), not the server.",
            (
                Query(
                    mean("contour_status_update_duration_seconds", "", "instance, kind"),
                    "{{instance}} {{kind}}",
                ),
            ),
        ),
        Panel(
            "xDS messages to Envoy",
            "ops",
            "Configurations that were sent, by kind of resource. Each goes to every Envoy.",
            (_rate("grpc_server_msg_sent_total", "grpc_method"),),
        ),
        Panel(
            "xDS streams opened",
            "cps",
            "Streams that Envoys opened. One that opens again and again is cut, by a time limit or a crash.",
            (_rate("grpc_server_started_total", "grpc_method", labels='grpc_service=~"envoy.*"'),),
        ),
    ),
)
_GATEWAY = Row(
    "Envoy Gateway",
    (
        Panel(
            "Snapshots",
            "ops",
            "Configurations that were made for Envoys, and sent, by how it went. Anything but success is bad.",
            (
                _rate("xds_snapshot_create_total", "status", words="made {{status}}"),
                _rate("xds_snapshot_update_total", "status", words="sent {{status}}"),
            ),
        ),
        Panel(
            "Depth of its own queues",
            "short",
            "What waits between its parts, by message. One that does not empty names the part that is behind.",
            (
                Query(
                    total("watchable_depth", "instance, runner, message"),
                    "{{instance}} {{runner}} {{message}}",
                ),
            ),
        ),
        Panel(
            "Time to handle a message, p99",
            "s",
            "How long each part takes for what it is handed.",
            (
                Query(
                    quantile(0.99, "watchable_subscribe_duration_seconds_bucket", "instance, runner"),
                    "{{instance}} {{runner}}",
                ),
            ),
        ),
        Panel(
            "Messages handled",
            "ops",
            "What its parts handled, by how it went. Anything but success is bad.",
            (_rate("watchable_subscribe_total", "runner, status"),),
        ),
        Panel(
            "Status updates of Envoy Gateway",
            "ops",
            "Statuses that were written, by kind of object and how it went; no_action is one that was as it should be.",
            (_rate("status_update_total", "kind, status"),),
        ),
        Panel(
            "Time of a status update of Envoy Gateway, p99",
            "s",
            "How long one takes, by kind of object. Seconds: the API server, or its limit on this client, holds "
            "them up.",
            (
                Query(
                    quantile(0.99, "status_update_duration_seconds_bucket", "instance, kind"),
                    "{{instance}} {{kind}}",
                ),
            ),
        ),
        Panel(
            "Objects applied",
            "ops",
            "Deployments, services and such that it applied for its Envoys. It should be still while only routes "
            "change.",
            (_rate("resource_apply_total", "kind, status"),),
        ),
        Panel(
            "Work queue",
            "short",
            "Objects that wait for controller-runtime's workers. One that grows: events come faster than they are "
            "handled.",
            (Query(total("workqueue_depth", "instance, name"), "{{instance}} {{name}}"),),
        ),
        Panel(
            "Time in the work queue, p99",
            "s",
            "How long an object waits there.",
            (
                Query(
                    quantile(0.99, "workqueue_queue_duration_seconds_bucket", "instance, name"),
                    "{{instance}} {{name}}",
                ),
            ),
        ),
        Panel(
            "Time of a reconciliation, p99",
            "s",
            "How long controller-runtime's workers take for one. It grows with the number of objects where all are "
            "read each time.",
            (
                Query(
                    quantile(
                        0.99, "controller_runtime_reconcile_time_seconds_bucket", "instance, controller"
                    ),
                    "{{instance}} {{controller}}",
                ),
            ),
        ),
    ),
)
_TRAEFIK = Row(
    "Traefik",
    (
        Panel(
            "Reloads",
            "ops",
            "Configurations that were taken over, each by every Traefik for itself. It puts changes together for 2 "
            "s by itself.",
            (_rate("traefik_config_reloads_total", words="reloads"),),
        ),
        Panel(
            "Since the last reload",
            "s",
            "How long ago the last was taken over. Long, while routes change: it does not get through.",
            (Query("time() - max by (instance) (traefik_config_last_reload_success)", "{{instance}}"),),
        ),
    ),
)
_API = Row(
    "The API server, as its clients see it",
    (
        Panel(
            "Requests to the API server",
            "reqps",
            "What Contour and Envoy Gateway ask of it, by code. 409 are conflicts, 429 is a server that has too "
            "much to do.",
            (_rate("rest_client_requests_total", "method, code"),),
        ),
    ),
)
_MARKERS = "(contour_build_info or xds_snapshot_create_total or traefik_config_reloads_total)"
CONTROL_PLANE = Dashboard(
    "control-plane",
    "control plane",
    "How soon changed routes are live, by Seatrial's own probes, and what Contour, Envoy Gateway and Traefik do for "
    "it. A Prometheus of the cluster has to scrape the controllers.",
    TRIALS,
    MOMENTS,
    (_CHANGES, _CONTOUR, _GATEWAY, _TRAEFIK, _API, runtime(_MARKERS, "{{job}} {{instance}}")),
)
