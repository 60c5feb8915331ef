"""Camera files in and out: reading RAW, writing and rewriting DNG, developing a view."""
