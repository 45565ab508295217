"""Theano's path `tensor.nnet.nnet`: the activations, softmaxes and losses of the package."""

from arignote.frontends.tensor.nnet import activations, losses, softmaxes
from arignote.frontends.tensor.nnet.activations import *  # noqa: F403
from arignote.frontends.tensor.nnet.losses import *  # noqa: F403
from arignote.frontends.tensor.nnet.sigm import *  # noqa: F403
from arignote.frontends.tensor.nnet.softmaxes import *  # noqa: F403

__all__ = [*activations.__all__, *losses.__all__, *softmaxes.__all__]
