"""Layer of networks. In: Tensors. Out: layers, networks, losses, metrics as frozen records; parameters as
plain trees. Knows no training.
"""

from saltus.nn import activations, constraints, initializers, losses, metrics, regularizers
from saltus.nn.activating import ELU, LeakyReLU, PReLU, ReLU, Softmax, Step
from saltus.nn.attention import AdditiveAttention, Attention, GroupQueryAttention, MultiHeadAttention
from saltus.nn.bag import EmbeddingBag
from saltus.nn.border import Cropping1D, Cropping2D, Cropping3D, ZeroPadding1D, ZeroPadding2D, ZeroPadding3D
from saltus.nn.config import from_config, register, to_config
from saltus.nn.containers import Parallel, Residual, Sequential
from saltus.nn.convolution import Conv1D, Conv2D, Conv3D
from saltus.nn.convolution_transpose import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from saltus.nn.core import (
    Activation,
    ActivityRegularization,
    Dense,
    Flatten,
    Identity,
    Lambda,
    Permute,
    RepeatVector,
    Rescaling,
    Reshape,
)
from saltus.nn.depthwise import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from saltus.nn.embedding import Embedding, TableInput, embedding_width
from saltus.nn.graph import Input, Network
from saltus.nn.group_normalization import GroupNormalization, InstanceNormalization, SpectralNormalization, UnitNormalization
from saltus.nn.layer import Layer, Spec
from saltus.nn.merge import Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract
from saltus.nn.module import Applied, Description, Variables, apply, describe, init
from saltus.nn.noise import Dropout, GaussianDropout, GaussianNoise, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
from saltus.nn.normalization import BatchNormalization, LayerNormalization
from saltus.nn.perceptron import Perceptron
from saltus.nn.positions import PositionEmbedding, RotaryEmbedding, SinePositionEncoding, TokenAndPositionEmbedding
from saltus.nn.rms_normalization import RMSNormalization
from saltus.nn.scope import Scope
from saltus.nn.transformer import TransformerDecoder, TransformerEncoder, decoding

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AdditiveAttention",
    "Applied",
    "Attention",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Description",
    "Dot",
    "Dropout",
    "Embedding",
    "EmbeddingBag",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GroupNormalization",
    "GroupQueryAttention",
    "Identity",
    "Input",
    "InstanceNormalization",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Network",
    "PReLU",
    "Parallel",
    "Perceptron",
    "Permute",
    "PositionEmbedding",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Residual",
    "RotaryEmbedding",
    "Scope",
    "SeparableConv1D",
    "SeparableConv2D",
    "Sequential",
    "SinePositionEncoding",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "Spec",
    "SpectralNormalization",
    "Step",
    "Subtract",
    "TableInput",
    "TokenAndPositionEmbedding",
    "TransformerDecoder",
    "TransformerEncoder",
    "UnitNormalization",
    "Variables",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "activations",
    "apply",
    "constraints",
    "decoding",
    "describe",
    "embedding_width",
    "from_config",
    "init",
    "initializers",
    "losses",
    "metrics",
    "register",
    "regularizers",
    "to_config",
]
