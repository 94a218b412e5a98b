"""Views of the event stream while a run goes on; they can change nothing."""
