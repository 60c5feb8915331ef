"""synthnoise: two photographs of a camera become a denoiser for it.

Importing this loads nothing heavy; torch, SciPy and the RAW decoder come with the first call that
needs them.
"""

from __future__ import annotations

__version__ = "0.1.0"
