"""How does a stage get from the first step to the last? Steps, checkpoints, resuming, averaged weights, the curve.

A stage can be stopped at any minute and goes on from its last checkpoint: the pictures of a step depend on the recipe's
seed and the step alone. Checkpoints are safetensors: tensors only, no code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors.torch
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from training.curve import append_point
from training.progress import Progress
from training.recipes import Stage

_LONGEST_GRADIENT = 5.0  # L2 norm that a step's gradient is clipped to


class Task(Protocol):
    """What a stage learns: a network, the data of each step, and the loss of it."""

    name: str
    stage: Stage

    @property
    def network(self) -> nn.Module:
        """What learns, with whatever teaches it."""

    def to(self, device: str) -> None:
        """Move everything that computes to a device of torch's."""

    def batch(self, random: np.random.Generator) -> Any:
        """Make a step's pictures and targets, on the CPU; runs in processes of its own."""

    def losses(self, batch: Any) -> Mapping[str, torch.Tensor]:
        """Run the network forward; the losses by name, weighted, are summed."""


def train(
    task: Task, folder: Path, *, seed: int, progress: Progress, device: str = "cpu", painters: int = 1
) -> nn.Module:
    """Train until the last step, from the last checkpoint in `folder` if there is one.

    `painters` processes make the pictures: the same ones, however many they are. Returns the network with the averaged
    weights, on the CPU. Writes `folder/NAME.checkpoint.safetensors` and `NAME.curve.jsonl`.
    """
    stage = task.stage
    task.to(device)
    learner = _Learner(task.network, stage)
    checkpoint = folder / f"{task.name}.checkpoint.safetensors"
    first = learner.resume(checkpoint) if checkpoint.is_file() else 0
    batches = DataLoader(_Steps(task, seed, first), batch_size=None, num_workers=painters)
    for step, batch in enumerate(batches, start=first):
        losses = task.losses(_moved(batch, device))
        learner.learn(torch.stack(list(losses.values())).sum(), step)
        append_point(
            folder / f"{task.name}.curve.jsonl", step, {name: float(each.detach()) for name, each in losses.items()}
        )
        if (step + 1) % stage.save_every == 0 or step + 1 == stage.steps:
            learner.save(checkpoint, step + 1)
        progress(step + 1, stage.steps)
    learner.settle()
    task.to("cpu")
    return task.network


def _moved(batch: Any, device: str) -> Any:
    """Bring a batch, a dataclass of tensors and of such dataclasses, to a device."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if not is_dataclass(batch) or isinstance(batch, type):
        return batch
    return replace(batch, **{each.name: _moved(getattr(batch, each.name), device) for each in fields(batch)})


class _Steps(Dataset[Any]):
    """The steps still to do, as a data set: item i is a batch that depends on seed and step alone."""

    def __init__(self, task: Task, seed: int, first: int) -> None:
        self._task, self._seed, self._first = task, seed, first

    def __len__(self) -> int:
        return max(self._task.stage.steps - self._first, 0)

    def __getitem__(self, place: int) -> Any:
        if place >= len(self):
            raise IndexError(place)
        return self._task.batch(np.random.default_rng([self._seed, self._first + place]))


class _Learner:
    """A network on its way: its optimiser, and the running average of the weights that learn."""

    def __init__(self, network: nn.Module, stage: Stage) -> None:
        self._network, self._stage = network, stage
        self._learnt = {name: each for name, each in network.named_parameters() if each.requires_grad}
        self._optimiser = torch.optim.AdamW(
            list(self._learnt.values()), lr=stage.learning_rate, weight_decay=stage.decay
        )
        self._average = {name: each.detach().clone() for name, each in self._learnt.items()}

    def learn(self, loss: torch.Tensor, step: int) -> None:
        """Go one step down the loss."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._stage.learning_rate * _schedule(step, self._stage)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(list(self._learnt.values()), _LONGEST_GRADIENT)
        self._optimiser.step()
        share = min(self._stage.average, (1 + step) / (10 + step))  # early on, a shorter memory: the start is far off
        for name, each in self._learnt.items():
            self._average[name].lerp_(each.detach(), 1 - share)

    def settle(self) -> None:
        """Put the averaged weights into the network."""
        with torch.no_grad():
            for name, each in self._learnt.items():
                each.copy_(self._average[name])

    def save(self, path: Path, step: int) -> None:
        """Write everything that `resume` needs; a file that was there stays whole until the new one is."""
        tensors = {f"network/{name}": tensor for name, tensor in self._network.state_dict().items()}
        tensors |= {f"average/{name}": tensor for name, tensor in self._average.items()}
        for number, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{number}/{key}": torch.as_tensor(value) for key, value in state.items()}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        partial = path.with_suffix(".partial")
        safetensors.torch.save_file(tensors, partial, metadata={"step": str(step)})
        partial.replace(path)

    def resume(self, path: Path) -> int:
        """Take up what `save` wrote; returns the step to go on with."""
        with safetensors.safe_open(path, "pt") as stored:
            step = int(stored.metadata()["step"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
        self._network.load_state_dict(_under(tensors, "network/"))
        for name, tensor in _under(tensors, "average/").items():
            self._average[name].copy_(tensor)
        states: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _under(tensors, "optimiser/").items():
            number, _, key = name.partition("/")
            states.setdefault(int(number), {})[key] = tensor
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": states})
        return step


def _schedule(step: int, stage: Stage) -> float:
    """Rise over the warm-up, then fall along half a cosine to a hundredth."""
    rise = min(1.0, (step + 1) / stage.warm_up)
    return rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / max(stage.steps, 1))))


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
