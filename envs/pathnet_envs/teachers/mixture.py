"""GaussianMixture: a few Gaussians fitted to points by expectation maximization.

Source: Dempster et al. 1977; k-means++ for the first means, Arthur and Vassilvitskii 2007; the number of Gaussians
by Akaike's criterion (1974).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_ITERATIONS = 100
MIN_GAIN = 1e-3
"""Gain in mean log-likelihood below which a fit has settled; the default of scikit-learn, which the paper uses."""
VARIANCE_FLOOR = 1e-4
"""Added to each variance, for data scaled to about [0, 1]: no Gaussian gets narrower than 0.01."""


@dataclass(frozen=True)
class GaussianMixture:
    """A weighted sum of Gaussians.

    Attributes:
        weights: ``(components,)``, summing to 1.
        means: ``(components, axes)``.
        covariances: ``(components, axes, axes)``.
    """

    weights: Floats
    means: Floats
    covariances: Floats

    def log_joint(self, points: Floats) -> Floats:
        """Return the log of weight times density of each point under each Gaussian, ``(points, components)``."""
        offsets = points[None, :, :] - self.means[:, None, :]  # (component, point, axis)
        solved = np.linalg.solve(self.covariances, offsets.transpose(0, 2, 1)).transpose(0, 2, 1)
        squares = (offsets * solved).sum(axis=2)
        log_volumes = np.linalg.slogdet(2.0 * np.pi * self.covariances)[1]
        return (np.log(self.weights)[:, None] - 0.5 * (squares + log_volumes[:, None])).T

    def log_likelihood(self, points: Floats) -> float:
        """Return the log-likelihood of all points together."""
        return float(np.logaddexp.reduce(self.log_joint(points), axis=1).sum())

    def aic(self, points: Floats) -> float:
        """Return Akaike's criterion, twice the free parameters less twice the log-likelihood; lower is better."""
        components, axes = self.means.shape
        parameters = components * (1 + axes + axes * (axes + 1) // 2) - 1
        return 2.0 * parameters - 2.0 * self.log_likelihood(points)


def fit_best(points: Floats, most_components: int, rng: np.random.Generator) -> GaussianMixture:
    """Fit mixtures of 1 to ``most_components`` Gaussians and return the best by Akaike's criterion.

    Args:
        points: ``(points, axes)``, scaled to about [0, 1].
        most_components: The largest mixture to try, 1 or more.
        rng: Draws where each fit begins.
    """
    fits = [fit(points, components, rng) for components in range(1, most_components + 1)]
    return min(fits, key=lambda mixture: mixture.aic(points))


def fit(points: Floats, components: int, rng: np.random.Generator) -> GaussianMixture:
    """Fit so many Gaussians to the points, from one random beginning.

    Args:
        points: ``(points, axes)``, scaled to about [0, 1].
        components: How many Gaussians, 1 or more.
        rng: Draws the first means.
    """
    mixture = _beginning(points, components, rng)
    settled = -np.inf
    for _ in range(MAX_ITERATIONS):
        log_joint = mixture.log_joint(points)
        log_evidence = np.logaddexp.reduce(log_joint, axis=1)
        if log_evidence.mean() - settled < MIN_GAIN:
            break
        settled = log_evidence.mean()
        mixture = _maximize(points, np.exp(log_joint - log_evidence[:, None]))
    return mixture


def _beginning(points: Floats, components: int, rng: np.random.Generator) -> GaussianMixture:
    """Put means on points that are far from each other, each Gaussian as wide as all the data."""
    means = points[rng.integers(len(points))][None]
    for _ in range(components - 1):
        distances = ((points[:, None, :] - means[None]) ** 2).sum(axis=2).min(axis=1)
        total = distances.sum()
        chances = distances / total if total > 0.0 else None  # None where all points are the same
        means = np.vstack([means, points[rng.choice(len(points), p=chances)]])
    one = _maximize(points, np.ones((len(points), 1)))
    return GaussianMixture(
        np.full(components, 1.0 / components), means, np.repeat(one.covariances, components, axis=0)
    )


def _maximize(points: Floats, responsibilities: Floats) -> GaussianMixture:
    """Return the mixture most likely for these shares of each point, ``(points, components)``."""
    counts = responsibilities.sum(axis=0) + 1e-12  # a Gaussian without points must not divide by 0
    means = responsibilities.T @ points / counts[:, None]
    offsets = points[None, :, :] - means[:, None, :]  # (component, point, axis)
    spread = (responsibilities.T[:, :, None] * offsets).transpose(0, 2, 1) @ offsets
    floor = VARIANCE_FLOOR * np.eye(points.shape[1])
    return GaussianMixture(counts / counts.sum(), means, spread / counts[:, None, None] + floor)
