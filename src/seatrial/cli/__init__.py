"""The commands, one a file; each gets resolved settings and hands its work to the stages."""

import gc

# Hardly anything of what is imported is garbage, and looking for some is a tenth of the time until a command starts.
gc.set_threshold(20_000)
