"""AWEncoder, Zhang et al. 2023 (https://arxiv.org/abs/2208.03948): robust, read as labels.

Known from its abstract alone: the watermark is an adversarial perturbation under which training samples leave their
places and surround a randomly selected key image in the embedding space; a joint loss embeds it; ownership is verified
by the discrepancy of outputs, with features and with labels. The rest is a RECONSTRUCTION; its two stages and their
losses are in `_awencoder`. Here labels are all that is seen: with M the suspect's classifier and x_k the key image,

    WACC = share of images with M(x + delta) = M(x_k).

Deviations, beside all that is unknown: WACC is held against other perturbations of the same norm and spectrum on the
same suspect, in a paired test (`_paired`), so that a universal perturbation that moves any encoder is no mark.
``decoys`` weighs the clean features under such perturbations, so that f' answers to the key and not to noise.
`awencoder_features` verifies the same embedding with features. A perturbation learnt against an unmarked encoder
(`forge`) may verify: only a key committed to before release speaks.

Not every key takes: where the head has x_k near the border of two classes, perturbed images fall to both and WACC shows
little, however close their features are to those of x_k. The owner learns so when thresholds are frozen: success at
rate 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.marking.contract import Query, Reading, Secret
from prunemark.methods.watermarks import _awencoder, _paired

KIND = "robust"
LEVEL = "LABELS"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {"perturb": 100, "steps": 300, "epsilon": 16, "pull": 3.0, "decoys": 3.0}
LEAST = {"perturb": 0, "steps": 0, "epsilon": 1, "pull": 0.0, "decoys": 0.0}
MOST = {"epsilon": 127}


embed = _awencoder.embed
impostor = _awencoder.impostor
forge = _awencoder.forge
calibrate = _paired.calibrate


def measure(suspect: Query, secret: Secret) -> Reading:
    """-log10 of the paired test's p-value; WACC and WACC_clean, the same share without delta, among the details."""
    tensors = secret.tensors
    shown = [tensors["queries"], *(_awencoder.added(tensors["queries"], each) for each in deltas(secret))]
    target, clean, true, *random = _paired.ask(suspect, [tensors["anchor"][None], *shown])
    reading = _paired.sign_test(true == target, torch.stack([found == target for found in random]))
    reading.details["WACC_clean"] = float((clean == target).double().mean())
    return reading


def deltas(secret: Secret) -> list[Tensor]:
    """The true perturbation, then the random ones."""
    return [secret.tensors["delta"], *secret.tensors["random"]]
