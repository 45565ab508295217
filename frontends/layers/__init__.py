"""Layers, networks of them, and their training. `import arignote.layers as L`.

Networks are written by placing layers behind each other, as expressions are made and compiled with `function`:

    x = L.Input((None, 784))
    net = L.Dense(L.Dropout(L.Dense(x, 256, "relu")), 10, "softmax")
    p = L.get_output(net, deterministic=True)
    params = L.get_all_params(net, trainable=True)

or with everything around them: `Model` and `Sequential`, see `arignote.frontends.layers.model`.
"""

from arignote._archive import ArchiveError
from arignote.frontends.layers import objectives
from arignote.frontends.layers.activations import ACTIVATIONS, activation
from arignote.frontends.layers.base import Layer, Run, layer
from arignote.frontends.layers.basic import (
    Bias,
    Dense,
    Dropout,
    Embedding,
    Expression,
    GaussianNoise,
    Input,
    Masking,
    Nonlinearity,
)
from arignote.frontends.layers.callbacks import (
    BestWeights,
    Callback,
    Display,
    EarlyStopping,
    History,
    LearningRateSchedule,
    ReduceLearningRate,
    ResetStates,
)
from arignote.frontends.layers.convolution import Conv2D, Pool2D, Transformer, TransposedConv2D, Unpool2D, Upscale2D
from arignote.frontends.layers.graph import (
    count_params,
    get_all_layers,
    get_all_param_values,
    get_all_params,
    get_output,
    get_output_shape,
    named_params,
    penalty,
    set_all_param_values,
)
from arignote.frontends.layers.init import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    Normal,
    Orthogonal,
    Uniform,
    seeded,
    set_seed,
)
from arignote.frontends.layers.losses import LOSSES, METRICS
from arignote.frontends.layers.model import RULES, Model, Sequential
from arignote.frontends.layers.normalization import BatchNorm, Scale
from arignote.frontends.layers.recurrent import GRU, LSTM, RNN, Bidirectional, Recurrent
from arignote.frontends.layers.regularization import (
    apply_penalty,
    l1,
    l2,
    regularize_layer_params,
    regularize_layer_params_weighted,
    regularize_network_params,
)
from arignote.frontends.layers.sequences import Buckets, buckets, pad_sequences, sort_by_length
from arignote.frontends.layers.shaping import (
    Concat,
    Dimshuffle,
    ElemwiseMerge,
    ElemwiseSum,
    Flatten,
    GlobalPool,
    Reshape,
    Slice,
)
from arignote.frontends.layers.training import DivergedError

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LOSSES",
    "LSTM",
    "METRICS",
    "RNN",
    "RULES",
    "ArchiveError",
    "BatchNorm",
    "BestWeights",
    "Bias",
    "Bidirectional",
    "Buckets",
    "Callback",
    "Concat",
    "Constant",
    "Conv2D",
    "Dense",
    "Dimshuffle",
    "Display",
    "DivergedError",
    "Dropout",
    "EarlyStopping",
    "ElemwiseMerge",
    "ElemwiseSum",
    "Embedding",
    "Expression",
    "Flatten",
    "GaussianNoise",
    "GlobalPool",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "History",
    "Initializer",
    "Input",
    "Layer",
    "LearningRateSchedule",
    "Masking",
    "Model",
    "Nonlinearity",
    "Normal",
    "Orthogonal",
    "Pool2D",
    "Recurrent",
    "ReduceLearningRate",
    "ResetStates",
    "Reshape",
    "Run",
    "Scale",
    "Sequential",
    "Slice",
    "Transformer",
    "TransposedConv2D",
    "Uniform",
    "Unpool2D",
    "Upscale2D",
    "activation",
    "apply_penalty",
    "buckets",
    "count_params",
    "get_all_layers",
    "get_all_param_values",
    "get_all_params",
    "get_output",
    "get_output_shape",
    "l1",
    "l2",
    "layer",
    "named_params",
    "objectives",
    "pad_sequences",
    "penalty",
    "regularize_layer_params",
    "regularize_layer_params_weighted",
    "regularize_network_params",
    "seeded",
    "set_all_param_values",
    "set_seed",
    "sort_by_length",
]
