"""Vibrant Leaves: dead leaves of many shapes, textured, in three depths, coloured as one photograph.

R. Achddou et al., arXiv 2504.10201 (2025). :mod:`.table` draws what is
random, :mod:`.painter` finds which leaf is seen where, :mod:`.shading` colours what is seen, and
:mod:`.depth` blurs, puts the layers together and reduces.
"""
