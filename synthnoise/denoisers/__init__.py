"""Denoisers: ``forward(noisy, sigma)``, networks and classical methods, and weights files."""
