"""How the encoder of a request was trained, for what trains on."""

from __future__ import annotations

from prunemark.model.training import Recipe
from prunemark.requests.stage_requests import AlterRequest, PruneRequest


def trained_by(request: PruneRequest | AlterRequest) -> Recipe:
    """Epochs and learning rates are left out: what trains on has its own."""
    return Recipe(
        objective=request.objective,
        set=request.objective_set,
        epochs=1,
        batch_size=request.batch_size,
        optimizer=request.optimizer,
        learning_rate=0.0,
        warmup_epochs=0,
        momentum=request.momentum,
        weight_decay=request.weight_decay,
        seed=request.seed,
    )
