"""Child processes: started, guarded, ended, and found again after a crash."""
