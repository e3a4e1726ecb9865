"""Remove channels of one marked encoder at one rate (part of the prune stage): the artefact is the smaller encoder.

The mask of the removed channels' weights is kept beside it, so that a mark that lies in weights can still be read.
"""

from __future__ import annotations

from prunemark import registry
from prunemark.disk.files import sha256_file, write_bytes
from prunemark.disk.tensors import write_encoder
from prunemark.formats.sparsity import ChannelCount, Count
from prunemark.formats.written import write
from prunemark.model.encoder import Encoder
from prunemark.pruning import mask as masks
from prunemark.pruning.channel_groups import groups
from prunemark.pruning.channel_groups import shrink as shrunk
from prunemark.pruning.channels import Kept, channel_mask, keep_channels
from prunemark.pruning.mask import Mask
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import ShrinkRequest
from prunemark.stages.prune import sparsity
from prunemark.stages.pruning_run import Subject


def shrink(request: ShrinkRequest) -> None:
    """Score the channels, remove the share ``rate`` of those that can go, write what is left and what went."""
    recorder = Recorder("shrink", request.out, request.parameters(), request.seed)
    subject = Subject(request, recorder)
    criterion, found = registry.load("structured", request.method), groups(subject.encoder)
    kept: Kept = {}

    def mask_at(encoder: Encoder, before: Mask, rate: str) -> Mask:
        scores = criterion.scores(encoder, found, subject.batches, subject.draws("scores"), **request.set)
        for name, alive in kept.items():
            scores[name] = scores[name].double().masked_fill(~alive, float("-inf"))
        kept.update(keep_channels(found, scores, rate, request.scope))
        return channel_mask(encoder, found, kept)

    pruned, mask = subject.pruned(mask_at)
    write_encoder(request.out / "encoder.safetensors", shrunk(pruned, found, kept))
    write_bytes(request.out / "mask.pmk", masks.encode(mask, sha256_file(subject.weights_file)))
    counted = sparsity(mask, request.rate).model_copy(update={"channels": channels(kept)})
    write(request.out / "sparsity.json", counted)
    recorder.wrote("encoder.safetensors", "mask.pmk", "sparsity.json")
    recorder.finish()


def channels(kept: Kept) -> ChannelCount:
    """How many channels were there and how many went, over all groups and per group."""
    groups = {name: Count(total=len(part), removed=int((~part).sum())) for name, part in kept.items()}
    total, removed = (sum(getattr(group, what) for group in groups.values()) for what in ("total", "removed"))
    return ChannelCount(total=total, removed=removed, achieved=removed / total, groups=groups)
