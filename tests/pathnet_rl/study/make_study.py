"""Small studies on the real digits, and made-up records."""

from pathnet_rl.study.records import LearnedTask, RepeatRecord, Reuse
from pathnet_rl.study.settings import study_from_dict

SMALL = {
    "study": "first-path",
    "name": "small",
    "repeats": 2,
    "sequences": [[[3, 4], [1, 2]]],
    "network": {"layers": 2, "modules": 5, "active": 2, "units": 6},
    "training": {"minibatches": 10},
    "search": {"population": 6, "threshold": 0.9, "limit_generations": 6},
}


def make_study(**sections):
    """Return a study; a section that is a mapping changes single keys."""
    data = dict(SMALL)
    for name, value in sections.items():
        data[name] = {**SMALL.get(name, {}), **value} if isinstance(value, dict) else value
    return study_from_dict(data, "test")


def make_record(arm="search+search", index=0, by_layer=(1, 0), evaluations=(4, 8), accuracy=(0.9, 0.95), after=0.9):
    """Return a record of two solved tasks; ``by_layer=None`` for an arm without paths."""
    path = None if by_layer is None else [[0, 1], [2]]
    first, second = (
        LearnedTask(
            path=path,
            fitness=0.98,
            solved=True,
            evaluations=length,
            average_training=length / 2,
            test_accuracy=each,
            curve=[[100.0, 120.0]] * (length // 2),
        )
        for length, each in zip(evaluations, accuracy, strict=True)
    )
    reuse = None if by_layer is None else Reuse(sum(by_layer), list(by_layer))
    return RepeatRecord(arm, index, 0, first, second, reuse, after, wall_s=1.0)
