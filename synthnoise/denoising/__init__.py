"""Taking noise out of frames, files and batches."""

from synthnoise.denoising.batches import denoise_stream
from synthnoise.denoising.denoise import DenoiseResult, denoise_frame
from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.denoising.files import denoise_files

__all__ = ["DenoiseResult", "Denoiser", "Settings", "denoise_files", "denoise_frame", "denoise_stream"]
