"""One run, one directory: the writer, the readers, the event stream."""
