"""Paper speed and gain as a value: how long a second is on a screen or on paper, how high a mV."""

from __future__ import annotations

from dataclasses import dataclass, replace

PAPER_SPEEDS = (12.5, 25.0, 50.0, 100.0)
"""Standard speeds of ECG paper, mm/s."""

GAINS = (2.5, 5.0, 10.0, 20.0)
"""Standard gains of ECG paper, mm/mV."""

MM_PER_INCH = 25.4


@dataclass(frozen=True, slots=True)
class Scale:
    """How a tracing is laid on paper or on a screen.

    Parameters
    ----------
    speed : float, default 25
        Of the paper, mm/s; any value above 0, or a standard one of :data:`PAPER_SPEEDS`.
    gain : float, default 10
        mm/mV; one of :data:`GAINS` by the standard.
    dots_per_mm : float, default 96 / 25.4
        Pixels in a millimetre.
    calibrated : bool, default False
        Whether `dots_per_mm` is known to be true: measured on this screen, or by definition.

    Raises
    ------
    ValueError
        If a number is not above 0.
    """

    speed: float = 25.0
    gain: float = 10.0
    dots_per_mm: float = 96.0 / MM_PER_INCH
    calibrated: bool = False

    def __post_init__(self) -> None:
        if not (self.speed > 0 and self.gain > 0 and self.dots_per_mm > 0):
            raise ValueError(f"speed, gain and dots per mm are above 0, not {self}")

    @property
    def dots_per_second(self) -> float:
        """Pixels in a second."""
        return self.speed * self.dots_per_mm

    @property
    def dots_per_millivolt(self) -> float:
        """Pixels in a millivolt."""
        return self.gain * self.dots_per_mm

    @property
    def is_standard(self) -> bool:
        """Whether speed and gain are those of ECG paper."""
        return self.speed in PAPER_SPEEDS and self.gain in GAINS

    @property
    def to_scale(self) -> bool:
        """Whether a ruler laid on the tracing measures what the labels say."""
        return self.calibrated and self.is_standard

    def faster(self) -> Scale:
        """Return the next standard speed above; beyond the last one nothing changes."""
        return replace(self, speed=_above(self.speed, PAPER_SPEEDS))

    def slower(self) -> Scale:
        """Return the next standard speed below, and below the first one half of this."""
        return replace(self, speed=_below(self.speed, PAPER_SPEEDS) or self.speed / 2)

    def higher(self) -> Scale:
        """Return the next standard gain above; beyond the last one nothing changes."""
        return replace(self, gain=_above(self.gain, GAINS))

    def lower(self) -> Scale:
        """Return the next standard gain below; beyond the first one nothing changes."""
        return replace(self, gain=_below(self.gain, GAINS) or self.gain)


def _above(value: float, steps: tuple[float, ...]) -> float:
    if value < steps[0] / 2:
        return value * 2
    return min((step for step in steps if step > value), default=value)


def _below(value: float, steps: tuple[float, ...]) -> float | None:
    return max((step for step in steps if step < value), default=None)
