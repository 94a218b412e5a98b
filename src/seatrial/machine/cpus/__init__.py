"""The CPUs of this machine: which there are, which role of a trial is kept to which, and who shares one with whom."""
