"""Least squares whose intervals hold where errors differ in size and come in clusters.

The standard errors are those of the jackknife over clusters (CR3; with one point a cluster: HC3): the fit is repeated without each cluster
in turn. They need no equal variances and do not trust points that pull the line their way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prompt_joules.warehouse.statistics.intervals import Floats, student


@dataclass(frozen=True)
class Fit:
    """Coefficients and how far they can be off."""

    coefficients: Floats  # p numbers
    covariance: Floats  # p × p
    clusters: int  # how many clusters were left out in turn
    left: float  # the sum of the squares that the fit leaves

    def at(self, place: Floats) -> tuple[float, float]:
        """What the fit gives at p regressors, and half the width of its 95 % interval."""
        square = float(place @ self.covariance @ place)
        return float(place @ self.coefficients), student(self.clusters - len(place)) * float(np.sqrt(max(square, 0)))


def fit(squares: Floats, products: Floats, total: float) -> Fit | None:
    """The fit from sums over each cluster.

    Args:
        squares: clusters × p × p, sums of the products of the regressors with each other.
        products: clusters × p, sums of their products with what is fitted.
        total: the sum of the squares of what is fitted.

    Returns:
        None where the regressors do not vary enough, or would not without one of the clusters.
    """
    clusters, size = products.shape
    square, product = squares.sum(axis=0), products.sum(axis=0)
    scale = np.sqrt(np.maximum(np.diagonal(square), 1e-300))
    squares, square = squares / np.outer(scale, scale), square / np.outer(scale, scale)
    without = square - squares
    # Their diagonals are about 1: one that is nearly singular cannot be solved.
    if clusters <= size or not (np.linalg.cond(np.concatenate([square[None], without])) < 1e10).all():
        return None
    each = np.linalg.solve(without, ((product - products) / scale)[..., None])[..., 0]
    found = np.linalg.solve(square, product / scale)
    away = each - found
    covariance = (clusters - 1) / clusters * (away.T @ away) / np.outer(scale, scale)
    return Fit(found / scale, covariance, clusters, max(0.0, total - float(found @ (product / scale))))


def clustered(regressors: Floats, values: Floats, clusters: NDArray[np.generic]) -> Fit | None:
    """The fit of values on regressors.

    Args:
        regressors: points × p; a column of ones is the constant.
        values: one a point.
        clusters: a name a point; points of one name are left out together.
    """
    names, places = np.unique(clusters, return_inverse=True)
    squares = np.zeros((len(names), regressors.shape[1], regressors.shape[1]))
    products = np.zeros((len(names), regressors.shape[1]))
    np.add.at(squares, places, regressors[:, :, None] * regressors[:, None, :])
    np.add.at(products, places, regressors * values[:, None])
    return fit(squares, products, float(values @ values))
