"""What random numbers are for; the numbers themselves are drawn by :mod:`synthnoise.rng`."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Stream(IntEnum):
    """What a random number is for. A number is given once and never reused, else two draws correlate.

    0-31 are noise, 32-63 images, 64-95 training and datasets, those from PLUGIN (128) to 255 free for
    plugins. Within one stream, draw one kind of number in one kind of shape.
    """

    SHOT_NOISE = 0
    READ_NOISE = 1
    PHASE = 2
    DARK_CROP = 3
    ROW_NOISE = 4
    COLUMN_NOISE = 5
    HOT_PIXELS = 6
    BANDING = 7
    GAIN = 8
    DARK_CHOICE = 9
    AMPLITUDE = 10
    ROUNDING = 11
    PROBE = 12
    HOT_PLACES = 13
    FIXED_PIXELS = 14
    FIXED_ROWS = 15
    FIXED_COLUMNS = 16
    WAVES = 17
    SENSOR_PLACE = 18
    HOT_FLICKER = 19
    ROW_MODES = 20
    PHOTO_RESPONSE = 21

    LEAF_RADIUS = 32
    LEAF_POSITION = 33
    LEAF_COLOUR = 34
    LEAF_SHAPE = 35
    LEAF_ANGLE = 36
    LEAF_TEXTURE = 37
    LEAF_SHADING = 38
    LEAF_DEPTH = 39
    LEAF_COUNT = 40
    PALETTE = 41
    BACKGROUND = 42
    ILLUMINATION = 43
    BLUR = 44
    TEXTURE_FIELD = 45
    SPECTRUM = 46
    CONTRAST = 47
    COLOUR_CHOICE = 48
    COLOUR_NOISE = 49
    BAND_SHAPE = 50
    PARTITION = 51
    AFFINE_MAPS = 52
    CHAOS_GAME = 53
    SCENE = 54
    LAYER_WEIGHTS = 55
    LAYER_STYLE = 56
    LAYER_NOISE = 57
    WINDOW = 58
    RANDOM_PHASE = 59

    CROP = 64
    EXPOSURE = 65
    RATIO = 66
    ISO = 67
    AUGMENTATION = 68
    ORDER = 69
    NOISE_LEVEL = 70
    WHITE_BALANCE = 71
    OPTICS = 72
    CUT = 73
    CAMERA = 74

    PLUGIN = 128
