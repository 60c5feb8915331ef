"""Models of clean scenes: (options, seed, number) to linear light."""
