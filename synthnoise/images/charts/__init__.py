"""Test charts whose every pixel is known: edges, stars and leaves for measuring resolution and texture."""
