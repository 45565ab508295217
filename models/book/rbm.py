"""The restricted Boltzmann machine (chapter 12)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from arignote.models.boltzmann import BoltzmannTask
from arignote.models.imagetask import blank_images, load
from arignote.models.model import ModelBase, SettingError


@dataclass(frozen=True)
class Rbm(ModelBase):
    """Restricted Boltzmann machine: 500 hidden units, contrastive divergence of 15 steps, persistent chains"""

    name: ClassVar[str] = "rbm"
    chapter: ClassVar[int] = 12
    quality: ClassVar[str] = "MNIST: pseudo-likelihood about -62 after 15 epochs; filters and samples"

    batch: int = 20
    rate: float = 0.1
    hidden: int = 500
    k: int = 15
    """Steps of Gibbs sampling for an update."""
    persistent: bool = True
    """Chains go on from update to update (T. Tieleman, 2008); otherwise they begin at the images (G. Hinton, 2002)."""

    def task(self, data: str | None, *, seed: int, mode: Any = None) -> BoltzmannTask:
        found = load(data)
        if self.batch > len(found.train.x):
            raise SettingError(f"{self.name}: batch={self.batch}, but {found.name} has {len(found.train.x)} images")
        return BoltzmannTask(self, found, seed=seed, mode=mode)

    def blank(self, *, seed: int = 0) -> BoltzmannTask:
        return BoltzmannTask(self, blank_images(self.batch), seed=seed)
