"""Classifiers of images made of layers, in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.twins import NoTwinError


class ImageTwin:
    """The layers of a task's network one by one, with PyTorch's functions and its automatic derivatives.

    Dropout draws other numbers than Arignote does: with it, curves agree in course and not in digits.
    """

    def __init__(self, task: Any) -> None:
        import torch

        from arignote import layers as L

        self.torch, self.task, self.model = torch, task, task.model
        self.output = task.trainer.classifier.network.layers
        self.layers = L.get_all_layers(self.output)
        named = L.named_params(self.output)
        trained = set(L.named_params(self.output, trainable=True))
        self.of = {id(v): torch.from_numpy(v.get_value().copy()) for v in named.values()}
        variables = [v for name, v in named.items() if name in trained]
        self.trained = [self.of[id(v)].requires_grad_() for v in variables]
        self.rule = _rule(torch, self.model, self.trained, [v.name for v in variables])
        torch.manual_seed(0)

    def train(self, epoch: int, epochs: int, minibatch: int) -> float:
        task = self.task
        if task.trainer.feed is None:
            rows = slice(minibatch * task.batch, (minibatch + 1) * task.batch)
            x, y = task.data.train.x[rows], task.data.train.y[rows]
        else:
            x, y = task.trainer.feed(epoch, minibatch)
        loss, _ = self._loss(x, y, training=True)
        self.rule(self.torch.autograd.grad(loss, self.trained), self.model.rate_at(epoch, epochs))
        return float(loss.detach())

    def validate(self) -> tuple[float, float]:
        data, batch = self.task.data.valid, self.task.batch
        found = []
        with self.torch.no_grad():
            for i in range(len(data.x) // batch):
                loss, p = self._loss(data.x[i * batch : (i + 1) * batch], data.y[i * batch : (i + 1) * batch], False)
                wrong = p.argmax(1).numpy() != data.y[i * batch : (i + 1) * batch].reshape(-1)
                found.append((float(loss), float(wrong.mean())))
        loss, error = np.mean(found, axis=0)
        return float(loss), float(error)

    def end_epoch(self, loss: float) -> None:
        """The rate depends on the epoch alone."""

    def _loss(self, x: Any, y: Any, training: bool) -> tuple[Any, Any]:
        torch = self.torch
        shape = self.layers[0].output_shape[1:]
        images = torch.from_numpy(np.ascontiguousarray(x, np.float32)).reshape(-1, *shape)
        outputs: dict[Any, Any] = {self.layers[0]: images}
        for layer in self.layers[1:]:
            outputs[layer] = self._apply(layer, [outputs[below] for below in layer.incoming], training)
        scores = outputs[self.output]
        return torch.nn.functional.cross_entropy(scores, torch.from_numpy(y.reshape(-1)).long()), scores

    def _apply(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        found: Callable[[Any, list[Any], bool], Any] | None = getattr(self, f"_{layer.kind.lower()}", None)
        if found is None:
            raise NoTwinError(f"layers of kind {layer.kind} are not written for PyTorch")
        return found(layer, inputs, training)

    def _value(self, variable: Any) -> Any:
        return None if variable is None else self.of[id(variable)]

    def _active(self, layer: Any, x: Any) -> Any:
        which = layer.nonlinearity
        if which is None or (which == "softmax" and layer is self.output):  # the loss takes scores
            return x
        if which not in ("relu", "tanh", "sigmoid"):
            raise NoTwinError(f"the nonlinearity {which!r} is not written for PyTorch")
        return getattr(self.torch, which)(x)

    def _conv2d(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        if layer.flip:
            raise NoTwinError("convolutions with filters turned around are not written for PyTorch")
        borders = {"valid": (0, 0), "half": tuple(n // 2 for n in layer.size)}
        W, b = self._value(layer.W), self._value(layer.b)
        y = self.torch.nn.functional.conv2d(
            inputs[0], W, b, layer.stride, borders[layer.border], layer.dilation, layer.groups
        )
        return self._active(layer, y)

    def _pool2d(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        functional = self.torch.nn.functional
        pool = functional.max_pool2d if layer.mode == "max" else functional.avg_pool2d
        return pool(inputs[0], layer.size, layer.stride, layer.pad)

    def _dense(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        y = inputs[0] @ self._value(layer.W)
        return self._active(layer, y if layer.b is None else y + self._value(layer.b))

    def _flatten(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        return inputs[0].flatten(1)

    def _reshape(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        if not all(isinstance(size, int) for size in layer.shape):
            raise NoTwinError("shapes that take sizes from the input are not written for PyTorch")
        return inputs[0].reshape(*layer.shape)

    def _globalpool(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        return inputs[0].mean(dim=(2, 3))

    def _nonlinearity(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        return self._active(layer, inputs[0])

    def _elemwisesum(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        return sum(inputs)

    def _concat(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        return self.torch.cat(inputs, dim=layer.axis)

    def _dropout(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        if layer.shared_axes or not layer.rescale:
            raise NoTwinError("dropout of whole blocks is not written for PyTorch")
        return self.torch.nn.functional.dropout(inputs[0], layer.p, training=training)

    def _transformer(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        functional = self.torch.nn.functional
        images, theta = inputs
        size = [len(images), images.shape[1], *layer.output_shape[2:]]
        grid = functional.affine_grid(theta.reshape(-1, 2, 3), size, align_corners=True)
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=True)

    def _batchnorm(self, layer: Any, inputs: list[Any], training: bool) -> Any:
        x, mean, variance = inputs[0], self._value(layer.mean), self._value(layer.variance)
        scale, shift = self._value(layer.gamma), self._value(layer.beta)
        functional = self.torch.nn.functional
        if not training:
            return functional.batch_norm(x, mean, variance, scale, shift, eps=layer.epsilon)
        with self.torch.no_grad():  # the running variance of PyTorch's function is another one, divided by n - 1
            axes = [0, *range(2, x.ndim)]
            mean.lerp_(x.mean(axes), layer.alpha)
            variance.lerp_(x.var(axes, correction=0), layer.alpha)
        return functional.batch_norm(x, None, None, scale, shift, training=True, eps=layer.epsilon)


def _rule(torch: Any, model: Any, parameters: list[Any], names: list[Any]) -> Callable[[Any, float], None]:
    """How the model's parameters, of those names, are updated from gradients and the rate."""
    from arignote.models.book.mnist_cnn import MnistCnn
    from arignote.models.book.stn import TransformerModel
    from arignote.models.layered import MomentumModel

    if isinstance(model, TransformerModel):
        shares = [model.share(name) for name in names]
        optimiser = torch.optim.Adam([{"params": [p]} for p in parameters], eps=1e-8)

        def adam(gradients: Any, rate: float) -> None:
            for p, g in zip(parameters, gradients, strict=True):
                p.grad = g
            torch.nn.utils.clip_grad_norm_(parameters, 5.0)
            for group, share in zip(optimiser.param_groups, shares, strict=True):
                group["lr"] = rate * share
            optimiser.step()

        return adam
    if not isinstance(model, (MomentumModel, MnistCnn)):
        raise NoTwinError(f"the update rule of {model.name} is not written for PyTorch")
    velocities = [torch.zeros_like(p) for p in parameters]
    decay = getattr(model, "decay", 0.0)

    def nesterov(gradients: Any, rate: float) -> None:
        with torch.no_grad():
            for p, v, g in zip(parameters, velocities, gradients, strict=True):
                if p.ndim > 1:
                    g = g.add(p, alpha=decay)
                v.mul_(model.momentum).sub_(g, alpha=rate)
                p.add_(v, alpha=model.momentum).sub_(g, alpha=rate)

    return nesterov
