"""Batches of samples: drawn, paired with noise, filed."""
