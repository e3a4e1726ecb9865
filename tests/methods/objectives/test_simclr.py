"""NT-Xent against Chen et al. 2020, written out; and the projector."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from prunemark.methods.objectives.simclr import build, nt_xent
from prunemark.model.randomness import generator


def written_out(projections: np.ndarray, tau: float) -> float:
    """Chen et al. 2020, equation 1 and algorithm 1: the mean of l(i, j) over all positive pairs, both ways round."""
    count = len(projections)
    z = projections.astype(np.float64)

    def s(i: int, j: int) -> float:
        return float(z[i] @ z[j] / (np.linalg.norm(z[i]) * np.linalg.norm(z[j])))

    def pair_loss(i: int, j: int) -> float:
        denominator = sum(math.exp(s(i, k) / tau) for k in range(count) if k != i)
        return -math.log(math.exp(s(i, j) / tau) / denominator)

    half = count // 2
    return sum(pair_loss(k, k + half) + pair_loss(k + half, k) for k in range(half)) / count


def draw(pairs: int, dimensions: int, seed: int = 0) -> Tensor:
    return torch.randn(2 * pairs, dimensions, generator=generator("test projections", seed))


@pytest.mark.parametrize("tau", [0.05, 0.5, 1.0, 3.0])
@pytest.mark.parametrize(("pairs", "dimensions"), [(1, 3), (2, 2), (7, 5), (32, 16)])
def test_equals_the_formula_written_out(pairs: int, dimensions: int, tau: float) -> None:
    projections = draw(pairs, dimensions)
    assert nt_xent(projections, tau).item() == pytest.approx(written_out(projections.numpy(), tau), rel=1e-5, abs=1e-6)


@given(st.integers(1, 40), st.floats(0.05, 5))
def test_equal_projections_give_the_logarithm_of_all_others(pairs: int, tau: float) -> None:
    projections = torch.tensor([1.0, -2.0, 0.5]).repeat(2 * pairs, 1)
    assert nt_xent(projections, tau).item() == pytest.approx(math.log(2 * pairs - 1), abs=1e-5)


def test_orthogonal_pairs_have_a_closed_form() -> None:
    """Both views of an image equal, all images orthogonal: -log(e^(1/tau) / (e^(1/tau) + 2N - 2))."""
    projections = torch.eye(6).repeat(2, 1)
    expected = -math.log(math.exp(2) / (math.exp(2) + 10))
    assert nt_xent(projections, 0.5).item() == pytest.approx(expected, rel=1e-6)


def test_the_order_of_images_and_of_views_does_not_matter() -> None:
    projections = draw(16, 8)
    loss = nt_xent(projections, 0.5)
    order = torch.randperm(16, generator=generator("test order"))
    torch.testing.assert_close(nt_xent(projections[torch.cat([order, order + 16])], 0.5), loss)
    torch.testing.assert_close(nt_xent(projections.roll(16, 0), 0.5), loss)


def test_another_pairing_is_another_loss() -> None:
    projections = draw(4, 8)
    projections[4:] = projections[:4]
    assert nt_xent(projections, 0.5) < nt_xent(projections[torch.tensor([0, 1, 2, 3, 5, 6, 7, 4])], 0.5) - 0.1


def test_lengths_do_not_matter() -> None:
    projections = draw(8, 4)
    lengths = torch.rand(16, 1, generator=generator("test lengths")) + 0.1
    torch.testing.assert_close(nt_xent(projections * lengths, 0.2), nt_xent(projections, 0.2))


def test_the_gradient_is_that_of_the_formula() -> None:
    projections = draw(3, 4).requires_grad_()
    nt_xent(projections, 0.5).backward()
    assert projections.grad is not None
    values, step = projections.detach().double().numpy(), 1e-6
    for i, j in ((0, 0), (2, 3), (4, 1)):
        up, down = values.copy(), values.copy()
        up[i, j] += step
        down[i, j] -= step
        slope = (written_out(up, 0.5) - written_out(down, 0.5)) / (2 * step)
        assert projections.grad[i, j].item() == pytest.approx(slope, abs=1e-5)


def test_the_loss_of_half_precision_projections_is_taken_in_single() -> None:
    projections = draw(4, 8).bfloat16()
    assert nt_xent(projections, 0.05).dtype == torch.float32
    assert nt_xent(projections, 0.05).item() == pytest.approx(written_out(projections.float().numpy(), 0.05), rel=1e-4)


def test_the_projector_is_the_papers() -> None:
    objective = build(12, generator("test"), temperature=0.5, projection_dim=5)
    kinds = [type(part) for part in objective.projector]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    views = torch.randn(8, 12, generator=generator("test views"))
    loss = objective(lambda x: x, views)
    first, norm, _, last = objective.projector
    hidden = views.double() @ first.weight.double().T
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + norm.eps).sqrt()
    projected = hidden.clamp(min=0) @ last.weight.double().T + last.bias.double()
    assert projected.shape == (8, 5)
    assert loss.item() == pytest.approx(written_out(projected.detach().numpy(), 0.5), rel=1e-5)


def test_terms_are_the_losses_of_the_views_one_by_one() -> None:
    """-log of the softmax over all other views, at the other view of the same image; their mean is the loss."""
    objective = build(5, generator("test"), temperature=0.2, projection_dim=4).eval()
    views = torch.randn(6, 5, generator=generator("test views"))
    terms = objective.terms(lambda x: x, views)
    assert terms.shape == (6,)
    z = objective.projector(views).detach().double().numpy()
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    for i, term in enumerate(terms.tolist()):
        weights = {k: math.exp(z[i] @ z[k] / 0.2) for k in range(6) if k != i}
        assert term == pytest.approx(-math.log(weights[(i + 3) % 6] / sum(weights.values())), rel=1e-5)
    assert terms.mean().item() == pytest.approx(objective(lambda x: x, views).item(), rel=1e-6)


def test_the_projector_is_drawn_from_its_generator_alone() -> None:
    def weights(seed: int, ambient: int) -> Tensor:
        torch.manual_seed(ambient)
        objective = build(6, generator("test", seed), temperature=0.5, projection_dim=4)
        return torch.cat([parameter.detach().flatten() for parameter in objective.parameters()])

    assert torch.equal(weights(0, 1), weights(0, 2))
    assert not torch.equal(weights(0, 1), weights(1, 1))
