"""Spheres, boxes and cylinders on a plane, by an analytic ray tracer.

Scenes follow the rules of CLEVR (Johnson et al., CVPR 2017); they are not its images.
"""
