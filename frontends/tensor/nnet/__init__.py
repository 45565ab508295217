"""Functions of neural networks: activations, softmaxes, losses, convolutions, layers of images."""

from arignote.frontends.tensor.nnet import (
    Conv3D,
    abstract_conv,
    activations,
    bn,
    conv,
    conv3d2d,
    losses,
    neighbours,
    nnet,
    sigm,
    softmaxes,
)
from arignote.frontends.tensor.nnet.abstract_conv import (
    causal_conv1d,
    conv2d,
    conv2d_grad_wrt_inputs,
    conv2d_grad_wrt_weights,
    conv3d,
    conv3d_grad_wrt_inputs,
    conv3d_grad_wrt_weights,
    separable_conv2d,
    separable_conv3d,
)
from arignote.frontends.tensor.nnet.activations import *  # noqa: F403
from arignote.frontends.tensor.nnet.bn import (
    batch_normalization,
    batch_normalization_test,
    batch_normalization_train,
)
from arignote.frontends.tensor.nnet.local import local_response_normalization
from arignote.frontends.tensor.nnet.losses import *  # noqa: F403
from arignote.frontends.tensor.nnet.sampling import affine_grid, bilinear_sampling, spatial_transformer
from arignote.frontends.tensor.nnet.sigm import *  # noqa: F403
from arignote.frontends.tensor.nnet.softmaxes import *  # noqa: F403

__all__ = [
    "Conv3D",
    "abstract_conv",
    "affine_grid",
    "batch_normalization",
    "batch_normalization_test",
    "batch_normalization_train",
    "bilinear_sampling",
    "bn",
    "causal_conv1d",
    "conv",
    "conv2d",
    "conv2d_grad_wrt_inputs",
    "conv2d_grad_wrt_weights",
    "conv3d",
    "conv3d2d",
    "conv3d_grad_wrt_inputs",
    "conv3d_grad_wrt_weights",
    "local_response_normalization",
    "neighbours",
    "nnet",
    "separable_conv2d",
    "separable_conv3d",
    "sigm",
    "spatial_transformer",
]
for _module in (activations, losses, sigm, softmaxes):
    __all__.extend(_module.__all__)
