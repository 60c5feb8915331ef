"""Vibrant leaves with fused Triton kernels: one program sees and shades a tile of a layer.

The same scenes as the other engines; see docs/vibrant-leaves-engines.md. Its modules import triton, which
comes with torch where torch knows CUDA, and is no dependency of this package.
"""
