"""Rolling bearings: geometry by designation, and the frequencies at which a damaged one strikes."""

import math
import re
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Orders:
    """Defect frequencies as multiples of the shaft speed, outer race fixed, no slip.

    `ball_pass_outer` (BPFO) and `ball_pass_inner` (BPFI): one element passes a place on that race. `ball_spin` (BSF):
    an element turns once; its defect strikes both races, so its line stands at twice that. `cage` (FTF): the cage turns
    once.
    """

    ball_pass_outer: float
    ball_pass_inner: float
    ball_spin: float
    cage: float


@dataclass(frozen=True)
class Geometry:
    """What the defect frequencies follow from. Diameters in mm, contact angle in degrees."""

    elements: int
    ball_mm: float
    pitch_mm: float
    contact_deg: float = 0.0

    @property
    def orders(self) -> Orders:
        """Defect frequencies as multiples of the shaft speed.

        Source:
            Randall and Antoni (2011), Mech. Syst. Signal Process. 25, pp. 485-520, equations 1 to 4.
        Example:
            >>> found = GEOMETRIES["6205-2RS"].orders
            >>> round(found.ball_pass_inner, 3), round(found.ball_pass_outer, 3), round(2 * found.ball_spin, 3)
            (5.415, 3.585, 4.713)
        """
        ratio = self.ball_mm / self.pitch_mm * math.cos(math.radians(self.contact_deg))
        return Orders(
            ball_pass_outer=self.elements / 2 * (1 - ratio),
            ball_pass_inner=self.elements / 2 * (1 + ratio),
            ball_spin=self.pitch_mm / (2 * self.ball_mm) * (1 - ratio**2),
            cage=(1 - ratio) / 2,
        )


INCH = 25.4

GEOMETRIES = MappingProxyType(
    {
        # Case Western Reserve University Bearing Data Center, "Bearing Information": SKF, drive and fan end, in inches
        "6205-2RS": Geometry(9, 0.3126 * INCH, 1.537 * INCH),
        "6203-2RS": Geometry(8, 0.2656 * INCH, 1.122 * INCH),
        # Qiu, Lee, Lin and Yu (2006), J. Sound and Vibration 289, pp. 1066-1090: Rexnord, double row, in inches
        "ZA-2115": Geometry(16, 0.331 * INCH, 2.815 * INCH, 15.17),
        # Wang, Lei, Li and Li (2020), IEEE Trans. Reliability 69, pp. 401-412 (XJTU-SY): LDK
        "UER204": Geometry(8, 7.92, 34.55),
        # Nectoux et al. (2012), "PRONOSTIA", IEEE PHM: races of 29.1 and 22.1 mm, so the pitch is their mean
        "PRONOSTIA": Geometry(13, 3.5, 25.6),
    }
)
"""By designation, as machines and snapshots name them."""

WRITTEN_OUT = re.compile(r"(\d{1,3})x(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)")


def geometry_of(bearing: str) -> Geometry | None:
    """Geometry by designation, or written out as elements x ball x pitch x contact angle; None where it is neither.

    Example:
        >>> geometry_of("9x7.94x39.04x0"), geometry_of("unheard-of")
        (Geometry(elements=9, ball_mm=7.94, pitch_mm=39.04, contact_deg=0.0), None)
    """
    told = WRITTEN_OUT.fullmatch(bearing)
    if told is None:
        return GEOMETRIES.get(bearing)
    elements, ball_mm, pitch_mm, contact_deg = (float(number) for number in told.groups())
    return Geometry(int(elements), ball_mm, pitch_mm, contact_deg) if elements and 0 < ball_mm < pitch_mm else None
