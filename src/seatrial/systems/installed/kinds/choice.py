"""What each kind of system of a plan is on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.errors import PlanError
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.kinds.found import FoundOptions
from seatrial.systems.installed.kinds.recipes import ContourRecipe, EnvoyGatewayRecipe, TraefikRecipe

if TYPE_CHECKING:
    from seatrial.systems.installed.kinds.recipe import Recipe
    from seatrial.systems.installed.manifests.objects import Site
    from seatrial.systems.options import SystemOptions

_CARRIED = (
    "proxies", "concurrency", "limits", "access_log", "keepalive_upstream", "buffer_bytes", "header_buffer_bytes",
    "tls_upstream",
)  # fmt: skip


def needs_of(options: SystemOptions, site: Site) -> tuple[tuple[str, str], ...]:
    """Return the kinds of objects that a cluster has to know for a system, by API version."""
    return () if isinstance(options, FoundOptions) else recipe_of(options, site).needs


def recipe_of(options: SystemOptions, site: Site) -> Recipe:
    """Return how a system of a plan is installed at a site; an ``envoy`` is one that Contour configures.

    Raises ``PlanError`` where there is no controller for it that Seatrial installs, or not with these options.
    """
    kind: str = options.kind  # type: ignore[attr-defined]
    given: Any = options
    if kind == "contour":
        return ContourRecipe(site, given)
    if kind == "envoy-gateway":
        return EnvoyGatewayRecipe(site, given)
    if kind == "traefik":
        return TraefikRecipe(site, _traefik(given))
    if kind == "envoy":
        return ContourRecipe(site, _contour_of(given))
    if options.discovers:
        raise PlanError(
            f"`{kind}` does not run on a cluster",
            cause="a discoverer runs on this machine, and leads into a cluster",
            next_step="leave out `place: kubernetes` and --on kubernetes",
        )
    raise PlanError(
        f"`{kind}` is not installed on a cluster",
        cause="Seatrial installs no controller that configures it",
        next_step="`contour`, `envoy-gateway` or `traefik`; `ingress: {class: NAME}` for a controller that is there",
    )


def _traefik(options: Any) -> Any:
    """Return the options of a Traefik that may be had on a cluster."""
    lacks = {
        "config": (
            options.config is not None,
            "on a cluster it is configured by its arguments, which Seatrial writes",
        ),
        "tls_upstream": (options.tls_upstream, "TLS to the origin is not rendered for a cluster"),
        "access_log": (options.access_log == "file", "a pod has no file that would outlive it: `stdout`"),
    }
    for name, (is_given, why) in lacks.items():
        if is_given:
            raise PlanError(f"`{name}` of `traefik` cannot be had on a cluster", cause=why)
    return options


def _contour_of(options: Any) -> ContourOptions:
    """Return the Contour that has the Envoys of a plan written for one machine."""
    if options.config is not None:
        raise PlanError(
            "`config` of `envoy` is a bootstrap, which on a cluster is Contour's own",
            next_step="`contour: {config: ...}`, which is merged into Contour's configuration file",
        )
    given = {name: getattr(options, name) for name in _CARRIED}
    try:
        return ContourOptions(**given)
    except ValueError as error:
        raise PlanError(f"this `envoy` cannot be had on a cluster: {error}") from None
