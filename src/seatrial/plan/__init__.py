"""From a plan file to frozen models, cases and trials. The only place where a plan is text."""
