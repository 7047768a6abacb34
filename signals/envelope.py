"""Least and greatest value of each bucket of samples: what a tracing looks like from far away.

A screen has a few thousand columns and a day of ECG has tens of millions of samples. The envelope
keeps two values for each bucket, so that drawing a whole day costs no more than drawing ten
seconds, and a spike one sample wide is still seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FANOUT = 16


@dataclass(frozen=True, eq=False)
class Envelope:
    """Extremes of one channel, by bucket, in digital values.

    Parameters
    ----------
    bucket : int
        Samples a bucket; the last one may hold fewer.
    minima, maxima : numpy.ndarray, integer, shape (buckets,)
        In a bucket without a sample the minimum is above the maximum.
    """

    bucket: int
    minima: NDArray[np.signedinteger[Any]]
    maxima: NDArray[np.signedinteger[Any]]

    @cached_property
    def _coarser(self) -> Envelope:
        edges = np.arange(0, len(self.minima), _FANOUT)
        return Envelope(
            self.bucket * _FANOUT,
            np.minimum.reduceat(self.minima, edges),
            np.maximum.reduceat(self.maxima, edges),
        )

    def columns(
        self, start: float, stop: float, count: int
    ) -> tuple[NDArray[np.signedinteger[Any]], NDArray[np.signedinteger[Any]]]:
        """Return minima and maxima of `count` equal columns between two samples.

        Parameters
        ----------
        start, stop : float
            Sample indices, start < stop; what lies outside the recording is drawn as nothing.
        count : int
            Columns, at least 1. Each should span a bucket or more: for less, draw the samples.

        Returns
        -------
        minima, maxima : numpy.ndarray, integer, shape (count,)
            A column without a sample has its minimum above its maximum.
        """
        if (stop - start) / count >= self.bucket * _FANOUT and len(self.minima) > _FANOUT:
            return self._coarser.columns(start, stop, count)
        edges = np.linspace(start / self.bucket, stop / self.bucket, count + 1)
        first = np.floor(edges[:-1]).astype(np.int64)
        last = np.maximum(np.ceil(edges[1:]).astype(np.int64), first + 1)
        inside = (last > 0) & (first < len(self.minima))
        limits = np.iinfo(self.minima.dtype)
        minima = np.full(count, limits.max, self.minima.dtype)
        maxima = np.full(count, limits.min, self.maxima.dtype)
        # Neighbouring columns may share a bucket, so each has its own pair of edges; the sentinel
        # at the end lets the last pair end where the recording does.
        pairs = np.clip(np.column_stack([first[inside], last[inside]]), 0, len(self.minima))
        if len(pairs):
            padded_minima = np.append(self.minima, minima.dtype.type(limits.max))
            padded_maxima = np.append(self.maxima, maxima.dtype.type(limits.min))
            minima[inside] = np.minimum.reduceat(padded_minima, pairs.ravel())[::2]
            maxima[inside] = np.maximum.reduceat(padded_maxima, pairs.ravel())[::2]
        return minima, maxima


class EnvelopeBuilder:
    """Makes the :class:`Envelope` of a channel from its samples, block by block.

    Parameters
    ----------
    missing : int or None
        The digital value that stands for "no sample".
    bucket : int, default 64
        Samples a bucket.
    """

    def __init__(self, missing: int | None = None, bucket: int = 64) -> None:
        self._missing = missing
        self._bucket = bucket
        self._rest: NDArray[np.signedinteger[Any]] = np.empty(0, np.int16)
        self._minima: list[NDArray[np.signedinteger[Any]]] = []
        self._maxima: list[NDArray[np.signedinteger[Any]]] = []

    def push(self, samples: NDArray[np.signedinteger[Any]]) -> None:
        """Take the next samples, shape (n,), of any length."""
        samples = np.concatenate([self._rest.astype(samples.dtype), samples])
        whole = len(samples) - len(samples) % self._bucket
        self._add(samples[:whole])
        self._rest = samples[whole:]

    def finish(self) -> Envelope:
        """Return the envelope of everything pushed."""
        self._add(self._rest)
        self._rest = self._rest[:0]
        empty = [np.empty(0, self._rest.dtype)]
        return Envelope(
            self._bucket,
            np.concatenate(self._minima or empty),
            np.concatenate(self._maxima or empty),
        )

    def _add(self, samples: NDArray[np.signedinteger[Any]]) -> None:
        if not len(samples):
            return
        low = high = samples
        if self._missing is not None:
            gone = samples == self._missing
            limits = np.iinfo(samples.dtype)
            low = np.where(gone, samples.dtype.type(limits.max), samples)
            high = np.where(gone, samples.dtype.type(limits.min), samples)
        edges = np.arange(0, len(samples), self._bucket)
        self._minima.append(np.minimum.reduceat(low, edges))
        self._maxima.append(np.maximum.reduceat(high, edges))
