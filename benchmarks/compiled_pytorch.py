"""The same training with a whole step in one graph of ``torch.compile``, the fastest form in PyTorch that was found."""

import torch

from experiments.pytorch import RATE, GmNet, loss_of
from gmjax.gmface import GmFace

B1, B2, EPSILON = 0.9, 0.999, 1e-8


class CompiledTraining:
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

    def step(self) -> torch.Tensor:
        """Takes one step; returns the loss before it."""
        value, self.state = self._step(*self.state)
        return value
