"""The same model and the same training in PyTorch, as its users write them: with a module, and compiled whole."""

import numpy as np
import torch
from torch import nn

from gmjax.gmface import GmFace, pixel_axes

THREADS = 2
RATE, B1, B2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


class GmNet(nn.Module):
    """The sum of Gaussians on the pixel grid of ``shape``; its parameters are the formula's own."""

    def __init__(self, params: GmFace, shape: tuple[int, int]):
        super().__init__()
        parts = params.weights, params.means, params.precision_chol
        self.w, self.mu, self.L = (nn.Parameter(torch.tensor(np.asarray(part))) for part in parts)
        rows, columns = (torch.tensor(np.asarray(axis), dtype=torch.float32) for axis in pixel_axes(shape))
        self.register_buffer("rows", rows[None, :, None])
        self.register_buffer("columns", columns[None, None, :])

    def forward(self):
        l11, l21, l22 = self.L[:, :, None, None].unbind(1)
        mean_row, mean_column = self.mu[:, :, None, None].unbind(1)
        row, column = self.rows - mean_row, self.columns - mean_column
        u, v = l11 * row + l21 * column, l22 * column
        g = torch.exp(-(u * u + v * v))
        return (self.w @ g.flatten(1)).reshape(g.shape[1:])


def loss_of(picture: torch.Tensor, image: torch.Tensor, pae_weight: float):
    error = picture - image
    return error.square().mean() + pae_weight * error.abs().amax()


class Eager:
    """``step`` is value, gradient and update, with PyTorch's own Adam."""

    def __init__(self, params: GmFace, image, pae_weight: float):
        self.net, self.image, self.pae_weight = GmNet(params, image.shape), torch.tensor(image), pae_weight
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=RATE, fused=True)

    def step(self):
        loss = self.value_and_gradient()
        self.optimizer.step()
        return loss

    def value_and_gradient(self):
        """The loss; the gradient is in the parameters."""
        self.optimizer.zero_grad()
        loss = loss_of(self.net(), self.image, self.pae_weight)
        loss.backward()
        return loss


class Compiled:
    """The same with the whole step in one graph of ``torch.compile``: the fastest way that we found."""

    def __init__(self, params: GmFace, image, pae_weight: float):
        net, image = GmNet(params, image.shape), torch.tensor(image)

        def loss(parameters):
            return loss_of(torch.func.functional_call(net, parameters, ()), image, pae_weight)

        def value_and_gradient(parameters):
            return torch.func.grad_and_value(loss)(parameters)[::-1]

        @torch.compile(fullgraph=True)
        def step(parameters, first, second, count):
            value, gradient = value_and_gradient(parameters)
            first = {k: B1 * first[k] + (1 - B1) * g for k, g in gradient.items()}
            second = {k: B2 * second[k] + (1 - B2) * g * g for k, g in gradient.items()}
            count = count + 1
            rate, scale = RATE / (1 - B1**count), 1 / (1 - B2**count)
            parameters = {
                k: p - rate * first[k] / ((scale * second[k]).sqrt() + EPSILON) for k, p in parameters.items()
            }
            return value, (parameters, first, second, count)

        start = {k: p.detach().clone() for k, p in net.named_parameters()}
        zeros = [{k: torch.zeros_like(p) for k, p in start.items()} for _ in range(2)]
        self.state, self._step = (start, *zeros, torch.zeros(())), step

    def step(self):
        value, self.state = self._step(*self.state)
        return value
