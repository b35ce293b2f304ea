"""Statistics of the study: effects with intervals and corrected p-values, never a bare picture.

Repeats of one index share their modules and draws, so arms are compared in pairs. A repeat that hits the limit
of generations is censored: its length is known to be at least that, and it is never dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pathnet_rl.paths import layer_overlap_distribution, layer_overlap_given_sizes, overlap_distribution
from pathnet_rl.study.arms import ARMS
from pathnet_rl.study.records import LearnedTask, RepeatRecord
from pathnet_rl.study.settings import StudySettings

CONFIDENCE = 0.95
RESAMPLES = 5_000
Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """One comparison.

    Attributes:
        question: What is compared, in words.
        difference: The first minus the second, with its interval.
        standardised: The difference in standard deviations (of the pairs' differences, or of the arm).
        test: Which test gave the p-value.
        p: Two-sided.
        p_corrected: After Holm's correction over the comparisons that a report takes together.
        repeats: How many repeats (or pairs) it rests on.
    """

    question: str
    difference: Estimate
    standardised: float
    test: str
    p: float
    repeats: int
    p_corrected: float = float("nan")


@dataclass(frozen=True)
class Lengths:
    """How long the repeats of an arm took to reach the threshold on a task, in evaluations."""

    arm: str
    task: int
    evaluations: NDArray[np.int64]
    censored: NDArray[np.bool_]

    @property
    def data(self) -> stats.CensoredData:
        """What SciPy's survival functions take."""
        return stats.CensoredData.right_censored(self.evaluations, self.censored)

    def median(self) -> float | None:
        """Return the Kaplan-Meier median, None where fewer than half reached the threshold."""
        median = float(kaplan_meier_median(self.evaluations.astype(np.float64), ~self.censored))
        return median if np.isfinite(median) else None

    def mean(self) -> Estimate:
        """Return the mean up to the limit: censored repeats count as the limit, so it is a lower bound."""
        return mean(self.evaluations.astype(np.float64))


def kaplan_meier_median(times: Values, reached: NDArray[np.bool_]) -> Values:
    """Return when half of the runs have reached something, ``(..., runs) -> (...)``; infinite where half never do.

    A run that did not reach it is known to need longer than its time (censored).

    Example:
        >>> float(kaplan_meier_median(np.array([4.0, 1, 3, 2]), np.array([True, True, False, True])))
        2.0
    """
    order = np.lexsort((~reached, times), axis=-1)  # by time; among equal ones those that reached it first
    ordered, event = np.take_along_axis(times, order, -1), np.take_along_axis(reached, order, -1)
    at_risk = np.arange(times.shape[-1], 0, -1)
    survival = np.cumprod(1 - event / at_risk, axis=-1)
    below = survival <= 0.5 + 1e-12
    first = np.argmax(below, axis=-1)
    median = np.take_along_axis(ordered, first[..., None], -1)[..., 0]
    return np.where(below.any(axis=-1), median, np.inf)


def mean(values: Values) -> Estimate:
    """Return the mean with its interval by Student's t; of a single value without one (not a number)."""
    value = float(values.mean())
    if len(values) < 2:
        return Estimate(value, float("nan"), float("nan"))
    if np.ptp(values) == 0:
        return Estimate(value, value, value)
    half = float(stats.sem(values) * stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return Estimate(value, value - half, value + half)


def wilson_errors(counts: NDArray[np.int64], total: int) -> Values:
    """Return how far the interval of each share ``counts / total`` reaches below and above it, ``(2, counts)``."""
    intervals = [stats.binomtest(int(count), total).proportion_ci(CONFIDENCE, method="wilson") for count in counts]
    shares = counts / total
    below, above = (np.array([getattr(each, side) for each in intervals]) for side in ("low", "high"))
    return np.stack([shares - below, above - shares])


def fixed_length(arm: str, task: int) -> bool:
    """Say whether an arm trains task 0 or 1 for a given number of evaluations, and not to the threshold."""
    return task == 0 and ARMS[arm].needs is not None


def lengths(records: Sequence[RepeatRecord], arm: str, task: int) -> Lengths:
    """Return the lengths of an arm's repeats on task 0 or 1."""
    learned = [each for record in records if record.arm == arm and (each := _task(record, task)) is not None]
    return Lengths(
        arm,
        task,
        np.array([each.evaluations for each in learned], dtype=np.int64),
        np.array([not each.solved for each in learned], dtype=bool),
    )


def _task(record: RepeatRecord, task: int) -> LearnedTask | None:
    return record.first if task == 0 else record.second


def effects(study: StudySettings, records: Sequence[RepeatRecord]) -> list[Effect]:
    """Return every comparison that the records allow, p-values corrected over all of them."""
    found = [*_reuse_effects(study, records), *_length_effects(records), *_accuracy_effects(records)]
    corrected = holm(np.array([effect.p for effect in found]))
    return [replace(effect, p_corrected=float(p)) for effect, p in zip(found, corrected, strict=True)]


def holm(p: Values) -> Values:
    """Correct p-values for their number (Holm 1979), in the order given.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    scaled = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected


def against_distribution(question: str, counts: NDArray[np.int64], probabilities: Values) -> Effect:
    """Compare the mean of counts with an exact distribution of one count; see :func:`against_distributions`."""
    return against_distributions(question, counts, [probabilities] * len(counts))


def against_distributions(question: str, counts: NDArray[np.int64], probabilities: Sequence[Values]) -> Effect:
    """Compare the mean of independent counts with an exact distribution of each.

    The p-value is exact too: twice the smaller tail of the distribution of the sum of all counts.
    """
    expected = np.array([each @ np.arange(len(each)) for each in probabilities])
    tail = _smaller_tail(_sum_distribution(probabilities), int(counts.sum()))
    deviation = float(np.std(counts - expected, ddof=1)) if len(counts) > 1 else 0.0
    difference = mean(counts - expected)
    return Effect(
        question=question,
        difference=difference,
        standardised=difference.value / deviation if deviation else float("nan"),
        test="exact",
        p=min(1.0, 2 * tail),
        repeats=len(counts),
    )


def _sum_distribution(probabilities: Sequence[Values]) -> Values:
    """Return the distribution of the sum of independent counts, convolved in pairs, so that both grow alike."""
    distributions = list(probabilities)
    while len(distributions) > 1:
        pairs = zip(distributions[::2], distributions[1::2], strict=False)
        odd = distributions[-1:] if len(distributions) % 2 else []
        distributions = [np.convolve(*pair) for pair in pairs] + odd
    return distributions[0]


def _smaller_tail(distribution: Values, total: int) -> float:
    """Return the probability of the smaller tail at a total, which belongs to both tails."""
    return float(min(distribution[: total + 1].sum(), distribution[total:].sum()))


def in_pairs(
    question: str, first: Values, second: Values, *, test: Literal["Wilcoxon", "sign"] = "Wilcoxon"
) -> Effect:
    """Compare two arms index by index: mean difference, t interval, and a test.

    Args:
        question: What is compared.
        first: ``(pairs,)``.
        second: ``(pairs,)``.
        test: Wilcoxon's signed-rank test; or the sign test, where no more is known of a difference than its sign.
    """
    differences = first - second
    moved = differences[differences != 0]
    p = 1.0
    if len(moved):
        tested: Any = (
            stats.wilcoxon(moved) if test == "Wilcoxon" else stats.binomtest(int((moved > 0).sum()), len(moved))
        )
        p = float(tested.pvalue)
    deviation = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    return Effect(
        question=question,
        difference=mean(differences),
        standardised=float(differences.mean()) / deviation if deviation else float("nan"),
        test=test,
        p=p,
        repeats=len(differences),
    )


def by_survival(question: str, first: Lengths, second: Lengths) -> Effect:
    """Compare lengths by the log-rank test; the difference is of means up to the limit, by bootstrap."""
    rng = np.random.default_rng(0)
    interval = stats.bootstrap(
        (first.evaluations, second.evaluations),
        _difference_of_means,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=rng,
    ).confidence_interval
    difference = float(first.evaluations.mean() - second.evaluations.mean())
    pooled = float(np.sqrt((first.evaluations.var(ddof=1) + second.evaluations.var(ddof=1)) / 2))
    return Effect(
        question=question,
        difference=Estimate(difference, float(interval.low), float(interval.high)),
        standardised=difference / pooled if pooled else float("nan"),
        test="log-rank",
        p=float(stats.logrank(first.data, second.data).pvalue),
        repeats=min(len(first.evaluations), len(second.evaluations)),
    )


def _difference_of_means(first: Values, second: Values, axis: int) -> Values:
    return first.mean(axis=axis) - second.mean(axis=axis)


def correlation(first: Values, second: Values) -> Estimate:
    """Return Spearman's rank correlation with a bootstrap interval; not a number where one side is constant."""
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    ranked: Any = stats.spearmanr(first, second)
    value = float(ranked.statistic)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(first), size=(RESAMPLES // 5, len(first)))
    ranks = stats.rankdata(first[drawn], axis=1), stats.rankdata(second[drawn], axis=1)
    centred = [each - each.mean(axis=1, keepdims=True) for each in ranks]
    norms = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    values = (centred[0] * centred[1]).sum(1)[norms > 0] / norms[norms > 0]
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high))


def reuse_counts(records: Sequence[RepeatRecord], arm: str) -> NDArray[np.int64]:
    """Return the modules in both paths, by repeat and layer: ``(repeats, layers)``; empty without paths."""
    rows = [record.reuse.by_layer for record in records if record.arm == arm and record.reuse is not None]
    return np.array(rows, dtype=np.int64) if rows else np.zeros((0, 0), dtype=np.int64)


def arms_with_reuse(records: Sequence[RepeatRecord]) -> list[str]:
    """Return the arms whose repeats have two paths, in the order of the records."""
    return list(dict.fromkeys(record.arm for record in records if record.reuse is not None))


def overlaps_given_sizes(study: StudySettings, records: Sequence[RepeatRecord], arm: str) -> list[list[Values]]:
    """Return, by layer and repeat, the exact overlap of random paths as large as the arm's: size apart from choice.

    A search that prefers large paths shares more modules by their size alone.
    """
    by_layer: list[list[Values]] = [[] for _ in range(study.network.layers)]
    for record in records:
        if record.arm == arm and record.reuse is not None and record.first is not None:
            assert record.first.path is not None and record.second.path is not None
            for layer, sizes in enumerate(zip(record.first.path, record.second.path, strict=True)):
                first, second = map(len, sizes)
                by_layer[layer].append(layer_overlap_given_sizes(study.network.modules, first, second))
    return by_layer


def expected_given_sizes(study: StudySettings, records: Sequence[RepeatRecord], arm: str) -> Values:
    """Return the mean reuse in each layer of random paths as large as the arm's, ``(layers,)``."""
    by_layer = overlaps_given_sizes(study, records, arm)
    return np.array([[each @ np.arange(len(each)) for each in layer] for layer in by_layer]).mean(axis=1)


def _reuse_effects(study: StudySettings, records: Sequence[RepeatRecord]) -> list[Effect]:
    network, found = study.network, list[Effect]()
    total = overlap_distribution(network.layers, network.modules, network.active)
    in_layer = layer_overlap_distribution(network.modules, network.active)
    for arm in arms_with_reuse(records):
        counts, given_sizes = reuse_counts(records, arm), overlaps_given_sizes(study, records, arm)
        found.append(against_distribution(f"reuse: {arm} - random", counts.sum(1), total))
        of_sum = [_sum_distribution(layers) for layers in zip(*given_sizes, strict=True)]
        found.append(against_distributions(f"reuse: {arm} - random of its sizes", counts.sum(1), of_sum))
        for layer in range(network.layers):
            question = f"reuse in layer {layer + 1}: {arm} - random"
            found.append(against_distribution(question, counts[:, layer], in_layer))
            found.append(against_distributions(f"{question} of its sizes", counts[:, layer], given_sizes[layer]))
    found += _paired(records, "search+search", "pick+search", "reuse", _reuse_total)
    for layer in range(network.layers):
        name = f"reuse in layer {layer + 1}"
        found += _paired(
            records, "search+search", "pick+search", name, lambda record, at=layer: _reuse_in(record, at)
        )
    return found


def _reuse_total(record: RepeatRecord) -> float | None:
    return None if record.reuse is None else float(record.reuse.total)


def _reuse_in(record: RepeatRecord, layer: int) -> float | None:
    return None if record.reuse is None else float(record.reuse.by_layer[layer])


def _length_effects(records: Sequence[RepeatRecord]) -> list[Effect]:
    """Compare the second task's length: all against search+search, and pick+search against learning anew."""
    arms, found = {record.arm for record in records}, list[Effect]()
    pairs = [("search+search", other) for other in ("pick+search", "de-novo", "fine-tune", "progressive")]
    for one, other in [*pairs, ("pick+search", "de-novo")]:
        if {one, other} <= arms:
            first, second = lengths(records, one, 1), lengths(records, other, 1)
            if min(len(first.evaluations), len(second.evaluations)) > 1:
                found.append(by_survival(f"evaluations for task 2: {one} - {other}", first, second))
    return found


def _accuracy_effects(records: Sequence[RepeatRecord]) -> list[Effect]:
    found: list[Effect] = []
    for other in ("pick+search", "de-novo", "fine-tune", "progressive"):
        found += _paired(
            records, "search+search", other, "test accuracy on task 2", lambda record: record.second.test_accuracy
        )
    for arm in dict.fromkeys(record.arm for record in records):
        of_arm = [record for record in records if record.arm == arm]
        after = np.array([record.first_test_after for record in of_arm if record.first_test_after is not None])
        before = np.array([record.first.test_accuracy for record in of_arm if record.first is not None])
        if len(after) > 1 and len(after) == len(before):
            found.append(in_pairs(f"test accuracy on task 1, {arm}: after task 2 - before", after, before))
    return found


def _paired(
    records: Sequence[RepeatRecord],
    one: str,
    other: str,
    name: str,
    measure: Callable[[RepeatRecord], float | None],
) -> list[Effect]:
    """Return the comparison of two arms over the indexes that both have, if there are at least two."""
    measured = {
        arm: {
            record.index: value
            for record in records
            if record.arm == arm and (value := measure(record)) is not None
        }
        for arm in (one, other)
    }
    common = sorted(measured[one].keys() & measured[other].keys())
    if len(common) < 2:
        return []
    values = [np.array([measured[arm][index] for index in common]) for arm in (one, other)]
    return [in_pairs(f"{name}: {one} - {other}", *values)]
