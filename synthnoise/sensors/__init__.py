"""The virtual camera: a simulated sensor whose every parameter is known, against which all else is tested."""
