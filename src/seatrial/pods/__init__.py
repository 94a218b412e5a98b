"""Programs of ours in pods: an Indexed Job of them, lines to each through attach, lines from each through its log."""
