import pytest
import torch

from pathnet_rl.optimizer import SGD, Adam


def test_adam_equals_the_reference_for_every_module():
    torch.manual_seed(0)
    adam = Adam(learning_rate=0.01)
    values = [torch.randn(2, 3, 5, dtype=torch.float64)]
    reference = [row.clone().requires_grad_() for row in values[0].flatten(0, 1)]
    theirs = [torch.optim.Adam([row], lr=0.01) for row in reference]
    state = {name: [torch.zeros_like(values[0])] for name in adam.state_names}
    updates = [torch.zeros(2, 3, 1, dtype=torch.int64)]
    for _ in range(20):
        gradient = torch.randn_like(values[0])
        updates[0] += 1
        adam.step(values, [gradient.clone()], state, updates)
        for row, optimizer, row_gradient in zip(reference, theirs, gradient.flatten(0, 1), strict=True):
            row.grad = row_gradient.clone()
            optimizer.step()
    assert torch.allclose(values[0].flatten(0, 1), torch.stack([row.detach() for row in reference]), atol=1e-12)


@pytest.mark.parametrize("updates_before", [0, 7])
def test_a_row_without_gradient_and_state_stays_as_it_is_to_the_bit(updates_before):
    adam = Adam(learning_rate=0.5)
    values = [torch.randn(1, 2, 4)]
    before = values[0].clone()
    state = {name: [torch.zeros_like(before)] for name in adam.state_names}
    gradient = torch.randn_like(before)
    gradient[0, 0] = 0
    adam.step(values, [gradient], state, [torch.full((1, 2, 1), updates_before + 1)])
    assert torch.equal(values[0][0, 0], before[0, 0])
    assert not torch.equal(values[0][0, 1], before[0, 1])
    assert state["mean"][0][0, 0].abs().sum() == 0


def test_plain_descent_moves_against_the_gradient_and_nothing_else():
    values, gradients = [torch.ones(1, 2, 3)], [torch.tensor([[[1.0, 2, 0], [0, 0, 0]]])]
    SGD(0.5).step(values, gradients, {}, [])
    assert values[0].tolist() == [[[0.5, 0.0, 1.0], [1.0, 1.0, 1.0]]]
