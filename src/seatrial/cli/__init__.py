"""The commands, one a file; each gets resolved settings and hands its work to the stages."""
