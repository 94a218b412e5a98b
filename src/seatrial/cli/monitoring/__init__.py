"""Commands that hand a run, or what a plan asks, to other tools."""
