"""Vibrant leaves with torch alone: a whole batch on the device, from the leaf table to the image.

The same scenes as the compiled CPU engine; see docs/vibrant-leaves-engines.md.
"""
