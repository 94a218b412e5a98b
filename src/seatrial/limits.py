"""A limit on everything that a plan may ask for; the compiled plan prints them all."""

from __future__ import annotations

# The file. A plan is a page of text: these only keep hostile or generated files from costing much.
MAX_FILE_BYTES = 1 << 20
MAX_NODES = 10_000
# Envoy's configuration of one filter of a route, merged in, is 20 deep.
MAX_DEPTH = 32
MAX_SCALAR_CHARACTERS = 4_096
MAX_PROBLEMS_SHOWN = 100

# The shape. 1000 cases of one minute are most of a day; whoever wants more wants several plans.
MAX_SYSTEMS = 16
MAX_VALUES_PER_VARIABLE = 64
MAX_CASES = 1_000
MAX_REPEAT = 100
MAX_TRIALS = 10_000
MAX_RETRY = 100
MAX_OBJECTIVES = 32
MAX_DISTURBANCES = 32
MAX_HEADERS = 64
MAX_QUERIES = 64
MAX_SOURCES = 256
# A whole 127.0.0.0/16; a wider range is a typing error.
MAX_SOURCE_ADDRESSES = 65_536
MAX_EXPECTED_STATUSES = 32

# The values. At 10 million connections and requests per second the design's arithmetic for a cluster ends.
MAX_CONNECTIONS = 10_000_000
MAX_RATE_PER_S = 10_000_000.0
MIN_RATE_PER_S = 0.01
MAX_WORKERS = 1_024
MAX_PROCESSES = 1_024
MAX_ROUTES = 20_000
# Each is a listening socket of every process of the origin, which may have 20,000 descriptors on a careful machine.
MAX_ENDPOINTS = 10_000
# Each is two objects of an API server, and as many at a source: whose etcd holds 2 GB unless it is told otherwise.
MAX_DISCOVERED_SERVICES = 20_000
MAX_BODY_BYTES = 64 << 20
MAX_DURATION_S = 86_400.0
MIN_MEASURE_S = 0.5
# What is below is interim and no answer; three digits are all that a status has (RFC 9110, section 15).
MIN_STATUS = 200
MAX_STATUS = 999
# The engine counts in nanoseconds: a shorter time may be none to it.
MIN_TIME_S = 1e-6
MAX_TIMEOUT_S = 3_600.0
# Each frame takes the worker's time away from sending.
MIN_INTERVAL_S = 0.01
# A series with fewer points than minutes shows nothing of how a system behaves.
MAX_INTERVAL_S = 60.0
# The engine keeps counts of one connection in 32 bits.
MAX_ENGINE_COUNT = 2**32 - 1
# Finer than 10 us, the kernel's wake-up is the coarser clock; coarser than 10 ms, the schedule is bursts.
MIN_RESOLUTION_S = 10e-6
MAX_RESOLUTION_S = 10e-3


def named_limits() -> dict[str, int | float]:
    """Return every limit by its name in lower case, as the compiled plan shows it."""
    return {name.lower(): value for name, value in globals().items() if name.isupper()}
