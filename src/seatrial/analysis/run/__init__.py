"""The trials of a run to its cases, verdicts and answers."""
