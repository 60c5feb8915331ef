"""Noise made to share statistics with photographs: spectrum, colours, wavelet marginals.

After Baradad, Wulff, Wang, Isola and Torralba, *Learning to see by looking at noise*, NeurIPS 2021.
"""
