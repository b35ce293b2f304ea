import numpy as np
import pytest
import torch

from pathnet_agents.progressive import Columns
from pathnet_agents.transfer import Plan
from pathnet_rl.optimizer import Adam
from pathnet_rl.settings import NetworkSettings, SearchSettings

NETWORK = NetworkSettings(layers=3, modules=9, active=2, units=5)


def columns(many, network=NETWORK):
    made = Columns(Plan(network, SearchSettings(), 8, 4, 0, Adam(1e-2).state_names, "cpu"))
    for index in range(many):
        made.begin(f"task {index}", index)
    return made


def column(made, number, optimizer=None):
    return made.gather(f"task {number}", made.propose(None), np.array([0]), optimizer)


def plain(made, number, inputs_bi):
    """The paper's equation 1: a matrix a connection."""

    def layer_of(column, layer, sources):
        matrix_io = made.columns[f"task {column}"][layer][0, 0].detach()
        connections = matrix_io[:-1].chunk(len(sources))
        return matrix_io[-1] + sum(
            source @ connection for source, connection in zip(sources, connections, strict=True)
        )

    given = [layer_of(k, 0, [inputs_bi]).relu() for k in range(number + 1)]
    for layer in range(1, NETWORK.layers):
        given = [layer_of(k, layer, given[: k + 1]).relu() for k in range(number + 1)]
    return layer_of(number, NETWORK.layers, given)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_column_takes_itself_and_all_before_it(number):
    made, inputs_bi = columns(4), torch.randn(7, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        column(made, number).forward(inputs_bi[None, None])[0, 0], plain(made, number, inputs_bi)
    )


@pytest.mark.parametrize("number", [0, 1, 3])
def test_what_is_encoded_comes_behind_the_observation_and_gives_the_same(number):
    made, inputs_bi = columns(number + 1), torch.randn(7, 8, generator=torch.Generator().manual_seed(0))
    encoded_be, width = made.encode(inputs_bi), made.columns["task 0"][0].shape[-1]
    assert encoded_be.shape == (7, 8 + NETWORK.layers * number * width)
    assert torch.equal(encoded_be[:, :8], inputs_bi)
    of = column(made, number)
    assert torch.equal(of.forward(encoded_be[None, None]), of.forward(inputs_bi[None, None]))


def test_what_was_encoded_is_not_computed_again():
    made, inputs_bi = columns(2), torch.randn(7, 8, generator=torch.Generator().manual_seed(0))
    encoded_be = made.encode(inputs_bi)
    before = column(made, 1).forward(encoded_be[None, None])
    with torch.no_grad():
        made.columns["task 0"][1].zero_()
    assert torch.equal(column(made, 1).forward(encoded_be[None, None]), before)
    assert not torch.equal(column(made, 1).forward(inputs_bi[None, None]), before)


def test_a_step_changes_the_column_alone_and_what_it_gives():
    made, inputs = columns(2), torch.ones(1, 1, 3, 8)
    before = [[tensor.detach().clone() for tensor in values] for values in made.columns.values()]
    of = column(made, 1, Adam(1e-2))
    run = of.run(inputs)
    loss = run.outputs.square().mean()
    of.step(run, run.outputs.detach())
    assert of.forward(inputs).square().mean() < loss
    assert all(torch.equal(*pair) for pair in zip(before[0], made.columns["task 0"], strict=True))
    assert not any(torch.equal(*pair) for pair in zip(before[1], made.columns["task 1"], strict=True))


def test_a_column_that_failed_to_begin_makes_room():
    made = columns(2)
    made.begin("another", 1)
    assert list(made.columns) == ["task 0", "another"]
    assert made.columns["another"][1].shape == columns(2).columns["task 1"][1].shape


@pytest.mark.parametrize("units", [5, 32])
def test_a_column_alone_has_as_many_numbers_as_the_largest_path(units):
    network = NETWORK.model_copy(update={"units": units})
    made = columns(2, network)
    path = network.active * units * (9 + 2 * (units + 1)) + (units + 1) * 4
    first, second = (sum(tensor.numel() for tensor in values) for values in made.columns.values())
    width = made.columns["task 0"][0].shape[-1]
    assert path <= first < path + 9 + 2 * (2 * width + 2) + 4, "one unit less would do"
    assert second == first + 2 * width**2 + 4 * width
