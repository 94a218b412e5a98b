"""What a file that a person writes is modelled with: frozen models, and numbers with units."""
