"""State to resume a run from: weights and optimizer moments in one safetensors file."""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def save_state(
    path: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    notes: dict[str, str],
    average: torch.nn.Module | None = None,
) -> None:
    """Write the state, to a temporary file first, so that a kill never leaves half of it; `notes` come back with it."""
    tensors = {f"model.{name}": value.detach().clone() for name, value in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": value.detach().clone() for name, value in average.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.detach().clone() for name, value in state.items()}
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata=notes)
    temporary.replace(path)


def load_state(
    path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, average: torch.nn.Module | None = None
) -> dict[str, str]:
    """Load a state into the model, optimizer and average that it was saved of, and return its notes."""
    with safe_open(path, "pt") as file:
        notes = file.metadata()
    tensors = load_file(path)
    model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    if average is not None:
        average.load_state_dict({name[8:]: value for name, value in tensors.items() if name.startswith("average.")})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return dict(notes)
