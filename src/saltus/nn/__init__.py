"""Layer of networks. In: Tensors. Out: layers, networks, losses, metrics as frozen records; parameters as
plain trees. Knows no training.
"""

from saltus.nn import activations, constraints, initializers, losses, metrics, networks, regularizers
from saltus.nn.activating import ELU, LeakyReLU, PReLU, ReLU, Softmax, Step
from saltus.nn.adaptive_pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
)
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
from saltus.nn.ensemble import Ensemble
from saltus.nn.folding import Folded, fold
from saltus.nn.graph import Input, Network
from saltus.nn.group_normalization import GroupNormalization, InstanceNormalization, SpectralNormalization, UnitNormalization
from saltus.nn.layer import Layer, Spec
from saltus.nn.merge import Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract
from saltus.nn.module import Applied, Description, Variables, apply, describe, init
from saltus.nn.noise import Dropout, GaussianDropout, GaussianNoise, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
from saltus.nn.normalization import BatchNormalization, LayerNormalization
from saltus.nn.perceptron import Perceptron
from saltus.nn.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    MaxUnpooling1D,
    MaxUnpooling2D,
    MaxUnpooling3D,
)
from saltus.nn.positions import PositionEmbedding, RotaryEmbedding, SinePositionEncoding, TokenAndPositionEmbedding
from saltus.nn.recurrent import GRU, LSTM, RNN, SimpleRNN
from saltus.nn.recurrent_cells import Cell, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from saltus.nn.recurrent_convolution import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from saltus.nn.recurrent_wrappers import Bidirectional, Masking, TimeDistributed
from saltus.nn.resizing import Resizing, UpSampling1D, UpSampling2D, UpSampling3D
from saltus.nn.rms_normalization import RMSNormalization
from saltus.nn.scope import Scope
from saltus.nn.sequences import Packed, length_batches, pack_sequences, reset_carried
from saltus.nn.summarise import Summary, summary
from saltus.nn.transformer import TransformerDecoder, TransformerEncoder, decoding

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AdditiveAttention",
    "Applied",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "BatchNormalization",
    "Bidirectional",
    "Cell",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
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
    "Ensemble",
    "Flatten",
    "Folded",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "Identity",
    "Input",
    "InstanceNormalization",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "MaxUnpooling1D",
    "MaxUnpooling2D",
    "MaxUnpooling3D",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Network",
    "PReLU",
    "Packed",
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
    "Resizing",
    "RotaryEmbedding",
    "Scope",
    "SeparableConv1D",
    "SeparableConv2D",
    "Sequential",
    "SimpleRNN",
    "SimpleRNNCell",
    "SinePositionEncoding",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "Spec",
    "SpectralNormalization",
    "StackedRNNCells",
    "Step",
    "Subtract",
    "Summary",
    "TableInput",
    "TimeDistributed",
    "TokenAndPositionEmbedding",
    "TransformerDecoder",
    "TransformerEncoder",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
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
    "fold",
    "from_config",
    "init",
    "initializers",
    "length_batches",
    "losses",
    "metrics",
    "networks",
    "pack_sequences",
    "register",
    "regularizers",
    "reset_carried",
    "summary",
    "to_config",
]
