"""How the scripts of this folder draw: the functions of the sample's script, which lies elsewhere."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "data" / "scripts"))

from build_sample import between, day, pick

__all__ = ["between", "day", "pick"]
