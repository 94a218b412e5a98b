"""The load: what it is, how it is split over workers, and how it is driven."""
