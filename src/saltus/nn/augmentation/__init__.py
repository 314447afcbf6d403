"""Augmentation: layers that change samples while training. See `base`."""

from saltus.nn.augmentation.base import Augmentation, ImageAugmentation, Mixing, Pipeline, pipeline_of
from saltus.nn.augmentation.color import (
    RandomBrightness,
    RandomColorJitter,
    RandomContrast,
    RandomErasing,
    RandomGaussianBlur,
    RandomGrayscale,
    RandomHue,
    RandomPosterization,
    RandomSaturation,
    Solarization,
)
from saltus.nn.augmentation.draws import Draws, sample_keys
from saltus.nn.augmentation.geometry import (
    RandomCrop,
    RandomElasticTransform,
    RandomFlip,
    RandomPerspective,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from saltus.nn.augmentation.mixing import CutMix, MixUp
from saltus.nn.augmentation.policies import AugMix, RandAugment, TrivialAugment
from saltus.nn.augmentation.series import (
    RandomFeatureDropout,
    RandomMagnitudeWarp,
    RandomNoise,
    RandomScaling,
    RandomTimeWarp,
    RandomWindowSlice,
)
from saltus.nn.augmentation.tokens import (
    RandomSynonyms,
    RandomTokenCutoff,
    RandomTokenDeletion,
    RandomTokenInsertion,
    RandomTokenSwap,
    nearest_tokens,
)
from saltus.nn.augmentation.tone import AutoContrast, Equalization, RandomInvert, RandomSharpness

__all__ = [
    "AugMix",
    "Augmentation",
    "AutoContrast",
    "CutMix",
    "Draws",
    "Equalization",
    "ImageAugmentation",
    "MixUp",
    "Mixing",
    "Pipeline",
    "RandAugment",
    "RandomBrightness",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFeatureDropout",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomMagnitudeWarp",
    "RandomNoise",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomScaling",
    "RandomSharpness",
    "RandomShear",
    "RandomSynonyms",
    "RandomTimeWarp",
    "RandomTokenCutoff",
    "RandomTokenDeletion",
    "RandomTokenInsertion",
    "RandomTokenSwap",
    "RandomTranslation",
    "RandomWindowSlice",
    "RandomZoom",
    "Solarization",
    "TrivialAugment",
    "nearest_tokens",
    "pipeline_of",
    "sample_keys",
]
