"""Episode by episode: fibrillation, by the rules of ``epicmp``.

Any overlap makes an episode found (EC57, 4.4 to 4.6, for atrial and ventricular fibrillation).
Episode figures give every episode the same weight, duration figures weigh it by its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from signals.ecg.ec57.share import Share
from signals.stretches import joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from signals.ecg.ec57.reading import Stretch


@dataclass(frozen=True, slots=True)
class EpisodeComparison:
    """What a comparison of episodes found; samples at `rate`.

    Parameters
    ----------
    found, missed : tuple of (int, int)
        The reference's episodes.
    right, extra : tuple of (int, int)
        The test's episodes: those that overlap one of the reference's, and the others.
    reference_samples, test_samples, common_samples : int
        How long the episodes of the reference and of the test last, and both at once.
    rate : float
        Hz.
    """

    found: tuple[Stretch, ...]
    missed: tuple[Stretch, ...]
    right: tuple[Stretch, ...]
    extra: tuple[Stretch, ...]
    reference_samples: int
    test_samples: int
    common_samples: int
    rate: float

    def shares(self) -> dict[str, Share]:
        """Return sensitivity and predictivity, by episode and by duration (seconds)."""
        common = self.common_samples / self.rate
        return {
            "episode_se": Share(len(self.found), len(self.found) + len(self.missed)),
            "episode_pp": Share(len(self.right), len(self.right) + len(self.extra)),
            "duration_se": Share(common, self.reference_samples / self.rate),
            "duration_pp": Share(common, self.test_samples / self.rate),
        }


def compare_episodes(
    reference: Iterable[Stretch],
    test: Iterable[Stretch],
    *,
    rate: float,
    start: int,
    end: int,
    excluded: Iterable[Stretch] = (),
) -> EpisodeComparison:
    """Compare the episodes of two readings.

    Parameters
    ----------
    reference, test : iterable of (int, int)
        First sample of each episode and the sample that it ends at.
    rate : float
        Hz.
    start, end : int
        The samples that are scored; what episodes have outside is cut off.
    excluded : iterable of (int, int)
        Where the test's episodes are neither rewarded nor punished: the reference's atrial flutter,
        for atrial fibrillation.
    """
    truth, ours = _cut(reference, start, end), _cut(test, start, end)
    barred = joined(excluded)
    counted = [(episode, _length(episode) - _overlap(episode, barred)) for episode in ours]
    counted = [(episode, length) for episode, length in counted if length > 0]
    found = [episode for episode in truth if _overlap(episode, ours)]
    right = [episode for episode, _ in counted if _overlap(episode, truth)]
    return EpisodeComparison(
        found=tuple(found),
        missed=tuple(episode for episode in truth if episode not in found),
        right=tuple(right),
        extra=tuple(episode for episode, _ in counted if episode not in right),
        reference_samples=sum(map(_length, truth)),
        test_samples=sum(length for _, length in counted),
        common_samples=sum(_overlap(episode, truth) for episode in ours),
        rate=rate,
    )


def _cut(stretches: Iterable[Stretch], start: int, end: int) -> list[Stretch]:
    inside = ((max(first, start), min(last, end)) for first, last in stretches)
    return [(first, last) for first, last in joined(inside) if last > first]


def _length(stretch: Stretch) -> int:
    return stretch[1] - stretch[0]


def _overlap(stretch: Stretch, others: Sequence[Stretch]) -> int:
    """Return how many samples of a stretch lie in others, which do not overlap one another."""
    shared = (min(stretch[1], last) - max(stretch[0], first) for first, last in others)
    return sum(length for length in shared if length > 0)
