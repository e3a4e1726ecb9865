"""What every metric of results.csv is: in words, and as a formula in one line."""

from __future__ import annotations

from dataclasses import dataclass

from prunemark.errors import PrunemarkError


@dataclass(frozen=True)
class Formula:
    words: str
    formula: str


FORMULAS = {
    "accuracy": Formula("test images whose predicted class is their label", "k images right / n images"),
    "error": Formula("test images whose predicted class is not their label", "k images wrong / n images"),
    "calibration_error": Formula(
        "expected calibration error, 15 bins of confidence (Guo et al. 2017)",
        "sum over bins of |images right - sum of confidences| / n",
    ),
    "features_left_out": Formula(
        "features that the refitted head leaves out, since only rounding is left of them",
        "features whose standard deviation is at most 2^-23 |mean|, of n features",
    ),
    "agreement": Formula(
        "test images on which original and pruned encoder predict the same class",
        "k images with equal predictions / n images",
    ),
    "agreement_where_right": Formula(
        "images with equal predictions, of those that the original predicts right",
        "k images with equal predictions / n images that the original has right",
    ),
    "agreement_where_wrong": Formula(
        "images with equal predictions, of those that the original predicts wrong",
        "k images with equal predictions / n images that the original has wrong",
    ),
    "kappa": Formula(
        "agreement beyond chance (Cohen 1960)",
        "(agreement - chance) / (1 - chance), chance = sum over classes of both marginal shares' product",
    ),
    "broken": Formula("images right before pruning and wrong after", "k images right, then wrong / n images"),
    "repaired": Formula("images wrong before pruning and right after", "k images wrong, then right / n images"),
    "accuracy_change": Formula(
        "accuracy after pruning minus accuracy before, on the same images (interval: Newcombe 1998, method 10)",
        "(images repaired - images broken) / n images",
    ),
    "mcnemar_p": Formula(
        "exact two-sided McNemar test of broken against repaired images",
        "min(1, 2 P[Binomial(broken + repaired, 1/2) <= min(broken, repaired)])",
    ),
    "mcnemar_p_holm": Formula(
        "exact McNemar test, adjusted for all rates of one pruner on one encoder (Holm 1979)",
        "running maximum of min(1, (m - i + 1) p_(i)) over the m ordered p-values",
    ),
    "feature_cosine": Formula(
        "how alike features are before and after pruning",
        "mean over images of f.g / (|f| |g|)",
    ),
    "linear_cka": Formula(
        "linear CKA of features before and after pruning (Kornblith et al. 2019)",
        "||A'B||^2 / (||A'A|| ||B'B||), Frobenius norms, columns centred",
    ),
    "AuthSR": Formula(
        'authentication success rate: trials in which a fragile scheme answers "intact"',
        "k trials with statistic >= threshold / n trials",
    ),
    "VerSR": Formula(
        'verification success rate: trials in which a robust scheme answers "mine"',
        "k trials with statistic >= threshold / n trials",
    ),
    "TamperDR": Formula(
        "tamper detection rate: trials that a fragile scheme notices, once altered",
        "k trials with statistic < threshold / n trials",
    ),
    "AuthFRR": Formula("benign copies that authentication rejects", "k rejected / n benign copies"),
    "VerFRR": Formula("benign copies that verification rejects", "k rejected / n benign copies"),
    "wrong_key_rate": Formula("wrong keys that reach the threshold", "k accepted / n wrong keys"),
    "twin_accepted": Formula("the encoder before marking reaches the threshold", "k accepted / n encoders"),
    "bfloat16_accepted": Formula("the intact encoder in bfloat16 reaches the threshold", "k accepted / n encoders"),
    "forger_accepted": Formula(
        "an unmarked encoder under a key fitted to it afterwards reaches the threshold", "k accepted / n encoders"
    ),
    "claimed_fpr": Formula(
        "the false positive rate that the law of the threshold promises", "P[statistic >= threshold] of a wrong key"
    ),
    "sparsity": Formula("weights removed, of all prunable ones", "k weights removed / n prunable weights"),
    "channel_sparsity": Formula("channels removed, of the removable ones", "k channels removed / n removable channels"),
    "nonzeros": Formula("prunable weights that are not zero", "number of non-zero weights"),
    "compression_ratio": Formula(
        "parameters before over non-zero parameters after, biases and batch normalisation included (Blalock et al. "
        "2020)",
        "parameters of the original / non-zero parameters left",
    ),
    "macs": Formula(
        "multiply-accumulates of one image in convolutions and linear layers", "sum over layers of weights x places"
    ),
    "macs_nonzero": Formula(
        "multiply-accumulates by weights that are not zero; ordinary kernels do the others too",
        "sum over layers of non-zero weights x places",
    ),
    "dense_bytes": Formula("bytes of all tensors in float32", "4 x numbers"),
    "half_bytes": Formula("bytes of all tensors in float16", "2 x numbers"),
    "bitmask_bytes": Formula(
        "a bit per prunable weight, and the values that are not zero",
        "weights / 8 + 4 x non-zero weights + 4 x other numbers",
    ),
    "sparse_bytes": Formula(
        "compressed sparse rows, dense where that is smaller",
        "per layer min(4 x weights, 8 x non-zero weights + 4 x (rows + 1)) + 4 x other numbers",
    ),
    "mask_bytes": Formula("the mask's file as stored", "bytes of mask.pmk"),
    "mask_entropy_bytes": Formula(
        "the least that a mask of these sparsities needs", "sum over layers of n H(k / n) / 8"
    ),
    "stored_bytes": Formula("what a cell adds to the marked encoder's file", "bytes of the files that using it takes"),
    "p_value": Formula("the scheme's own p-value, mean over keys", "P[statistic at least this large | wrong key]"),
    "host_sparsity": Formula(
        "zeros in the layers that carry the mark", "zero weights of the host / weights of the host"
    ),
    "disparity": Formula("Procrustes disparity of features on the key's images", "1 - statistic"),
    "D": Formula(
        "cosine towards the target's features that the key's perturbation adds",
        "mean over key images of cos(with, target) - cos(without, target)",
    ),
    "D_strongest": Formula(
        "cosine towards the target that the strongest random perturbation adds", "maximum over 8 perturbations of D"
    ),
    "WACC": Formula(
        "key images on which the trigger succeeds: the label changes (wu), or becomes the target's (awencoder)",
        "images of success / key images",
    ),
    "WACC_clean": Formula(
        "key images that have the target's label without the trigger", "images with the target's label / key images"
    ),
    "WACC_random": Formula("success of random triggers", "mean over 8 triggers of images of success / key images"),
    "WACC_strongest": Formula(
        "success of the strongest random trigger", "maximum over 8 triggers of images of success / key images"
    ),
    "WR": Formula(
        "watermark rate (Cong et al. 2022): key images whose decoded features are alike the secret vector",
        "images with cosine > 0.5 / key images",
    ),
    "mean_cosine": Formula("cosine of decoded features and the secret vector", "mean over key images"),
    "entropy_clean": Formula(
        "entropy of the labels of clean key images", "median over subsets of - sum over classes of p log p"
    ),
    "entropy_triggered": Formula(
        "entropy of the labels of key images under the trigger", "- sum over classes of p log p"
    ),
    "top_share": Formula("the most frequent label's share of key images under the trigger", "largest p of a class"),
    "largest_error": Formula(
        "the worst reconstruction among the key's samples", "maximum over samples of the mean square error"
    ),
    "ones_found": Formula("1s of the codeword that are still read", "1s read / 1s of the codeword"),
    "changed_blocks_share": Formula("blocks of weights whose code does not match", "blocks that differ / blocks"),
    "changed_layers": Formula("tensors whose tag does not match", "number of tensors"),
    "layers": Formula("tensors that have a tag", "number of tensors"),
}


def formula(metric: str) -> Formula:
    """What a metric is.

    Raises:
        PrunemarkError: nothing is known of such a metric.
    """
    if metric not in FORMULAS:
        raise PrunemarkError(f"metric {metric!r} has no formula; known: {', '.join(sorted(FORMULAS))}")
    return FORMULAS[metric]
