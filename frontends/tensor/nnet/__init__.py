"""Functions of neural networks: activations, softmaxes, losses and layers of images."""

from arignote.frontends.tensor.nnet import activations, losses, nnet, sigm, softmaxes
from arignote.frontends.tensor.nnet.activations import *  # noqa: F403
from arignote.frontends.tensor.nnet.local import local_response_normalization
from arignote.frontends.tensor.nnet.losses import *  # noqa: F403
from arignote.frontends.tensor.nnet.sampling import affine_grid, bilinear_sampling, spatial_transformer
from arignote.frontends.tensor.nnet.sigm import *  # noqa: F403
from arignote.frontends.tensor.nnet.softmaxes import *  # noqa: F403

__all__ = [
    "affine_grid",
    "bilinear_sampling",
    "local_response_normalization",
    "nnet",
    "sigm",
    "spatial_transformer",
]
for _module in (activations, losses, sigm, softmaxes):
    __all__.extend(_module.__all__)
