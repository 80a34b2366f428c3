"""The paper's GmNet and its training in PyTorch."""

import numpy as np
import torch
from torch import nn

from gmjax.gmface import GmFace, pixel_axes

RATE = 1e-3


class GmNet(nn.Module):
    """The sum of Gaussians on the pixel grid of ``shape`` (H, W); its parameters are those of the formula."""

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


def loss_of(picture: torch.Tensor, image: torch.Tensor, pae_weight: float) -> torch.Tensor:
    """MSE + lambda PAE, the paper's equation (12)."""
    error = picture - image
    return error.square().mean() + pae_weight * error.abs().amax()


class EagerTraining:
    """The training of a ``GmNet`` by PyTorch's own Adam, in eager mode."""

    def __init__(self, params: GmFace, image, pae_weight: float):
        self.net, self.image, self.pae_weight = GmNet(params, image.shape), torch.tensor(image), pae_weight
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=RATE, fused=True)

    def step(self) -> torch.Tensor:
        """Takes one step; returns the loss before it."""
        loss = self.value_and_gradient()
        self.optimizer.step()
        return loss

    def value_and_gradient(self) -> torch.Tensor:
        """Returns the loss, and leaves the gradient in the parameters."""
        self.optimizer.zero_grad()
        loss = loss_of(self.net(), self.image, self.pae_weight)
        loss.backward()
        return loss
