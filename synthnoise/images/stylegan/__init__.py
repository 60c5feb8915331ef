"""Images of an untrained generator: random weights, random styles.

Baradad, Wulff, Wang, Isola and Torralba, *Learning to see by looking at noise*, NeurIPS 2021, section 3.3.
The network is a small one of our own with the layers of Karras et al., StyleGAN2, CVPR 2020.
"""
