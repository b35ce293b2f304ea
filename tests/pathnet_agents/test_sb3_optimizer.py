import pytest
import torch
from sb3_models import make_model

from pathnet_agents.sb3_optimizer import TorchOptimizer, rule_for
from pathnet_rl.optimizer import Adam


def rows(*gradients):
    """Return one layer of rows of two numbers, all 1, and a gradient for each row."""
    values = torch.ones(1, len(gradients), 2, 1)
    gradient = torch.tensor(gradients)[None, :, None, None].expand_as(values).clone()
    return values, gradient


def test_torchs_optimizer_moves_rows_as_it_would_alone():
    values, gradient = rows(1.0, -2.0)
    alone = torch.nn.Parameter(values.clone())
    expected = torch.optim.RMSprop([alone], lr=0.1, alpha=0.5)
    rule = TorchOptimizer(torch.optim.RMSprop, {"alpha": 0.5}, 0.1)
    for _ in range(3):
        alone.grad = gradient.clone()
        expected.step()
        rule.step([values], [gradient], {}, [])
    assert torch.equal(values, alone)


def test_a_row_without_a_gradient_does_not_move():
    values, gradient = rows(1.0, 0.0)
    rule = TorchOptimizer(torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.5}, 0.1)
    rule.step([values], [gradient], {}, [])
    assert (values[0, 0] < 1).all()
    assert (values[0, 1] == 1).all()


def test_the_learning_rate_is_the_present_one():
    values, gradient = rows(1.0)
    rule = TorchOptimizer(torch.optim.SGD, {}, 0.1)
    rule.step([values], [gradient], {}, [])
    rule.learning_rate = 0.0
    rule.step([values], [gradient], {}, [])
    assert torch.allclose(values, torch.tensor(0.9))


def test_adam_keeps_the_state_of_every_module():
    assert rule_for(torch.optim.Adam, {"betas": (0.8, 0.9), "eps": 1e-5}) == Adam(0.0, 0.8, 0.9, 1e-5)
    assert isinstance(rule_for(torch.optim.Adam, {"amsgrad": True}), TorchOptimizer)
    assert isinstance(rule_for(torch.optim.AdamW, {}), TorchOptimizer)


def test_an_optimizer_that_evaluates_the_loss_is_refused():
    with pytest.raises(ValueError, match="optimizer_class=LBFGS evaluates the loss by itself; give one that takes"):
        make_model(network={"optimizer_class": torch.optim.LBFGS})


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.RMSprop, torch.optim.SGD, torch.optim.Adagrad])
def test_another_optimizer_learns_and_is_loaded(tmp_path, kind):
    model = make_model(network={"optimizer_class": kind}).learn(400)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model", env=model.get_env())
    assert torch.equal(loaded.q_net.layer_0, model.q_net.layer_0)
    loaded.learn(50, reset_num_timesteps=False)
