"""Gated mixing of frames and channels at long, median and short range: the network of MCMSH.

A tensor that goes through a unit is ``(n, lines, length)``: the unit mixes along the length and its gate weighs the
lines. Several encoder passes can go through the network as one batch; ``passes`` is their number. Pass k of video v is
then item ``v * passes + k``, and batch statistics are those of each pass alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.dropout import dropout


class PassNorm(nn.BatchNorm1d):
    """Batch normalisation of several passes at once, equal to giving them to a BatchNorm1d one after the other."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x: Tensor, passes: int = 1) -> Tensor:
        """Return a tensor of the shape of ``x``, (n * passes, channels, length).

        A batch of one video has no variance between videos; the running statistics normalise it and stay as they are.
        """
        if not self.training or len(x) <= passes:
            return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        mean, var = torch.zeros_like(self.running_mean).repeat(2, passes)
        # As the pass is the faster index of the batch, channel c of pass k is channel k * channels + c of a view.
        y = functional.batch_norm(
            x.unflatten(0, (-1, passes)).flatten(1, 2),
            mean,
            var,
            self.weight.repeat(passes),
            self.bias.repeat(passes),
            training=True,
            momentum=1.0,
            eps=self.eps,
        )
        self._track(mean, var, passes)
        return y.view_as(x)

    def _track(self, mean: Tensor, var: Tensor, passes: int) -> None:
        """Make the passes' exponential updates at once: pass k weighs momentum * (1 - momentum) ** (passes - 1 - k)."""
        decay = 1 - self.momentum
        later = torch.arange(passes - 1, -1, -1, device=mean.device, dtype=mean.dtype)
        shares = self.momentum * decay**later
        self.running_mean.mul_(decay**passes).add_(shares @ mean.view(passes, -1))
        self.running_var.mul_(decay**passes).add_(shares @ var.view(passes, -1))
        self.num_batches_tracked.add_(passes)


class Gate(nn.Module):
    """What the three ranges share: mix along the length, weigh by a gate, mix again.

    ``fc1`` and ``fc2`` act on the length with one weight matrix for all lines; they are convolutions of kernel 1 in the
    authors' code, and their weights keep that shape.
    """

    def __init__(self, length: int, lines: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv1d(length, length, 1)
        self.bn1 = PassNorm(hidden)
        self.bn2 = PassNorm(lines)
        self.fc2 = nn.Conv1d(length, length, 1)


class LongGate(Gate):
    """One weight per line, from the lines' means."""

    def __init__(self, length: int, lines: int, hidden: int) -> None:
        super().__init__(length, lines, hidden)
        self.conv = nn.Linear(lines, hidden, bias=False)
        self.deconv = nn.Linear(hidden, lines, bias=False)
        nn.init.normal_(self.conv.weight, std=0.001)
        nn.init.normal_(self.deconv.weight, std=0.001)

    def forward(self, x: Tensor, passes: int = 1) -> Tensor:
        """Return a tensor of the shape of ``x``, (n * passes, lines, length)."""
        (first, one), (second, two) = ((layer.weight.squeeze(2), layer.bias) for layer in (self.fc1, self.fc2))
        assert one is not None and two is not None
        means = x @ first.mean(0) + one.mean()
        inner = functional.relu(self.bn1(self.conv(means), passes))
        gate = torch.sigmoid(self.bn2(self.deconv(inner), passes))
        # A weight that is the same along the length commutes with fc2, so that both mixings are one.
        return torch.addcmul(two, functional.linear(x, second @ first, second @ one), gate.unsqueeze(2))


class ShortGate(Gate):
    """A weight per line and position, from its neighbours at distance 1."""

    def __init__(self, length: int, lines: int, hidden: int, groups: int) -> None:
        super().__init__(length, lines, hidden)
        self.conv = nn.Conv1d(lines, hidden, 3, padding=1, groups=groups, bias=False)
        self.deconv = nn.Conv1d(hidden, lines, 3, padding=1, groups=groups, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.xavier_normal_(self.deconv.weight)

    def gate(self, mixed: Tensor, passes: int) -> Tensor:
        """Return the weights, a tensor of the shape of ``mixed``."""
        inner = functional.relu(self.bn1(self.conv(mixed), passes))
        return torch.sigmoid(self.bn2(self.deconv(inner), passes))

    def forward(self, x: Tensor, passes: int = 1) -> Tensor:
        """Return a tensor of the shape of ``x``, (n * passes, lines, length)."""
        mixed = functional.linear(x, self.fc1.weight.squeeze(2), self.fc1.bias)
        return functional.linear(mixed * self.gate(mixed, passes), self.fc2.weight.squeeze(2), self.fc2.bias)


class MedianGate(ShortGate):
    """A short-range gate on averages over a third as many positions, itself averaged back to the length."""

    down: Tensor
    up: Tensor

    def __init__(self, length: int, lines: int, hidden: int, groups: int) -> None:
        super().__init__(length, lines, hidden, groups)
        fewer = max(1, length // 3)
        self.register_buffer("down", _averages(length, fewer), persistent=False)
        self.register_buffer("up", _averages(fewer, length), persistent=False)

    def gate(self, mixed: Tensor, passes: int) -> Tensor:
        """Return the weights, a tensor of the shape of ``mixed``."""
        return functional.linear(super().gate(functional.linear(mixed, self.down), passes), self.up)


def _averages(length: int, bins: int) -> Tensor:
    """Return adaptive average pooling as a matrix (bins, length): a product with it is faster than torch's loops."""
    return functional.adaptive_avg_pool1d(torch.eye(length), bins).T.contiguous()


class Ranges(nn.Module):
    """The sum of the gated units of the three ranges; names of its parts are those of the authors' checkpoints."""

    def __init__(self, length: int, lines: int, reduction: int, grouped: bool) -> None:
        super().__init__()
        hidden = max(1, lines // reduction)
        groups = hidden if grouped else 1
        self.lrd = LongGate(length, lines, hidden)
        self.mrd = MedianGate(length, lines, hidden, groups)
        self.srd = ShortGate(length, lines, hidden, groups)

    def gated(self, x: Tensor, passes: int) -> Tensor:
        """Return a tensor of the shape of ``x``, (n * passes, lines, length)."""
        x = x.contiguous()
        return self.lrd(x, passes) + self.mrd(x, passes) + self.srd(x, passes)


class Mlp(nn.Module):
    """Two linear layers with the exact (erf) GELU between them, dropout after each."""

    def __init__(self, width: int, expansion: int, rate: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, expansion * width)
        self.fc2 = nn.Linear(expansion * width, width)
        self.rate = rate

    def along(self, layer: nn.Linear, x: Tensor) -> Tensor:
        """Return what the layer makes of the axis that is mixed: the last."""
        return layer(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``, three axes."""
        hidden = dropout(functional.gelu(self.along(self.fc1, x)), self.rate, self.training)
        return dropout(self.along(self.fc2, hidden), self.rate, self.training)


class FrameMlp(Mlp):
    """An MLP on the axis before the last."""

    def along(self, layer: nn.Linear, x: Tensor) -> Tensor:
        """Return what the layer makes of the axis that is mixed: the one before the last."""
        return torch.baddbmm(layer.bias[:, None], layer.weight.expand(len(x), -1, -1), x)


class Mixer(Ranges):
    """An MLP on one axis, then the three ranges on the other, around a residual connection."""

    def __init__(self, length: int, lines: int, reduction: int, grouped: bool, mlp: Mlp) -> None:
        super().__init__(length, lines, reduction, grouped)
        self.mlp = mlp


class GatedMixer(Ranges):
    """Frames to hidden frames: a linear layer, a mixer of each kind, and the three ranges once more."""

    def __init__(
        self, frames: int, dim: int, width: int, expansion: int, reductions: tuple[int, int], rate: float
    ) -> None:
        """Take ``reductions``, by how much a gate's inner layer is narrower: of frames, and of channels."""
        by_frame, by_channel = reductions
        super().__init__(frames, width, by_channel, grouped=True)
        self.preproj = nn.Linear(dim, width)
        self.token_mixer = Mixer(width, frames, by_frame, False, FrameMlp(frames, expansion, rate))
        self.channel_mixer = Mixer(frames, width, by_channel, True, Mlp(width, expansion, rate))

    def forward(self, frames: Tensor, passes: int = 1) -> Tensor:
        """Return ``(n * passes, width, T)``, channels first, for ``frames`` (n * passes, T, dim)."""
        x = functional.relu(self.preproj(frames))
        x = x + self.token_mixer.gated(self.token_mixer.mlp(x), passes)
        mixed = self.channel_mixer.mlp(x).transpose(1, 2)
        x = x.transpose(1, 2) + self.channel_mixer.gated(mixed, passes)
        return self.gated(x, passes)
