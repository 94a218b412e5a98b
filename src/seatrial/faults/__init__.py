"""What goes wrong on demand in a program of ours that stands for another: written, planted, and made to happen."""
