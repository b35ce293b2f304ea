from pathnet_agents.settings import PathNetDQNSettings
from pathnet_rl.key_reference import keys
from pathnet_rl.settings import AdvanceSettings, SubTaskSettings


def test_every_key_is_there_with_its_meaning():
    found = {key.place: key for key in keys()}
    assert {f"agent.{name}" for name in PathNetDQNSettings.model_fields} <= found.keys()
    assert {f"tasks[].advance.{name}" for name in AdvanceSettings.model_fields} <= found.keys()
    assert {f"tasks[].{name}" for name in SubTaskSettings.model_fields if name != "advance"} <= found.keys()
    assert all(key.says for key in found.values())


def test_ranges_choices_and_defaults_are_told():
    found = {key.place: (key.allowed, key.default) for key in keys()}
    assert found["network.modules"] == ("whole number from 1 to 4,096", "40")
    assert found["agent.transfer"] == ("freeze | fine-tune | progressive | none", "freeze")
    assert found["agent.double"] == ("true | false", "true")
    assert found["agent.learning_rate"] == ("number above 0.0 to 1.0", "0.0005")
    assert found["tasks[].name"][1] == "required"
