"""Every option: its name, type, bounds, default and meaning, in one place.

The command line, the TOML file, the documentation and the error messages are made
from the fields below.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from translator.disk import write_json
from translator.errors import UserError


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(_Options):
    """Where the sentence pairs come from and how they become subwords."""

    corpus: tuple[str, ...] = Field(
        (),
        description="Name of a corpus (see `translator data list`), one file of pairs "
        "(.tsv, .txt, .jsonl; also .gz or .zip), or two line-aligned files (give the "
        "option twice).",
    )
    dev_corpus: tuple[str, ...] = Field(
        (),
        description="File or files of the development pairs. Default: the corpus' own "
        "development set, or a share of the corpus chosen by hash.",
    )
    extra_corpus: tuple[str, ...] = Field(
        (),
        description="File or files of further training pairs, of another domain or "
        "translated by other models. None of them is held out, and those that share a "
        "sentence with a held-out pair are dropped.",
    )
    extra_copies: int = Field(
        1,
        ge=1,
        le=1_000,
        description="How many times each extra pair is among the training pairs, so "
        "that few of them count beside many others.",
    )
    source_language: str = Field(
        "",
        max_length=16,
        description="Language code of the source side, such as en. Default: the "
        "corpus' own first language, or the file's ending.",
    )
    target_language: str = Field(
        "",
        max_length=16,
        description="Language code of the target side, such as es.",
    )
    num_generated_pairs: int = Field(
        30_000,
        ge=100,
        description="Distinct pairs to make when the corpus is a generated one.",
    )
    max_characters: int = Field(
        400, ge=1, description="Drop pairs with a longer side, in characters."
    )
    max_length_ratio: float = Field(
        4.0,
        ge=1,
        description="Drop pairs whose longer side has more than this many times the "
        "characters of the shorter (sides under 20 characters are spared).",
    )
    max_translations: int = Field(
        0,
        ge=0,
        description="Train on at most this many translations of a sentence, those that "
        "come first. 1 keeps a model from wavering between them, as between forms of "
        "address. 0 keeps all. Extra pairs are not counted.",
    )
    vocabulary_size: int = Field(
        5_000, ge=300, description="Subwords in the vocabulary both languages share."
    )
    subword_sampling: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of training sentences cut into a sampled, not the best, "
        "subword segmentation in each epoch (Kudo 2018). 0 turns it off.",
    )
    augmentation: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of training pairs altered in each epoch as people type: "
        "small letters, no final mark, a typo. 0 turns it off.",
    )
    placeholders: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Teach the model to copy what cannot be translated: URLs, emoji, "
        "unknown names. Of the training pairs with a name or a number alike on both "
        "sides, the share where a placeholder stands for it in each epoch; a tenth of "
        "it of the others get some at an end. With 0 a model has no placeholders.",
    )

    @field_validator("source_language", "target_language")
    @classmethod
    def _is_code(cls, code: str) -> str:
        """Takes a code, which names files and stands on pages, with the hyphens of
        BCP 47."""
        code = code.replace("_", "-")
        if code.replace("-", "") and not code.replace("-", "").isalnum():
            raise ValueError(f"{code!r} is no code of a language, such as en or pt-BR")
        return code

    @field_validator("corpus", "dev_corpus", "extra_corpus", mode="before")
    @classmethod
    def _is_one(cls, value: Any) -> Any:
        """Takes a single name, as a file of options may have it, for a list of one;
        and paths for names."""
        names = (value,) if isinstance(value, str | Path) else value
        if not isinstance(names, list | tuple):
            return value
        return tuple(str(n) if isinstance(n, Path) else n for n in names)


class ModelConfig(_Options):
    """The network: what `model.build_model` builds."""

    embedding_dim: int = Field(256, ge=1, description="Width of the embeddings.")
    encoder_units: int = Field(
        192, ge=1, description="Units of each encoder direction."
    )
    num_encoder_layers: int = Field(
        2, ge=1, le=16, description="Bidirectional encoder layers."
    )
    decoder_units: int = Field(320, ge=1, description="Units of each decoder layer.")
    num_decoder_layers: int = Field(
        2, ge=1, le=16, description="Decoder GRU layers (at least 2 when parallel)."
    )
    wiring: Literal["parallel", "classic"] = Field(
        "parallel",
        description="classic: each step's context vector feeds the next step (Luong "
        "2015). parallel: attention after the first GRU layer, for all positions at "
        "once; trains several times faster.",
    )
    attention: Literal["additive", "dot", "general", "multi_head"] = Field(
        "multi_head", description="How a query scores the source positions."
    )
    num_heads: int = Field(
        4, ge=1, description="Heads of multi_head attention; divides decoder_units."
    )
    reset_after: bool = Field(
        True,
        description="Apply the GRU's reset gate after the recurrent product (cuDNN, "
        "PyTorch) rather than before it (Cho et al. 2014).",
    )
    layer_normalization: bool = Field(
        False, description="Normalise the products inside the GRU cells."
    )
    tie_embeddings: bool = Field(
        True,
        description="One matrix for source embedding, target embedding and output.",
    )
    dropout: float = Field(
        0.15, ge=0, lt=1, description="Fraction dropped between layers."
    )
    recurrent_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of the state dropped inside the recurrent product, one "
        "mask a sequence (Gal and Ghahramani 2016).",
    )

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.wiring == "parallel" and self.num_decoder_layers < 2:
            raise ValueError(
                "the parallel wiring needs num_decoder_layers of at least 2. "
                f"Received: {self.num_decoder_layers}. Use wiring classic for one"
            )
        if self.attention == "multi_head" and self.decoder_units % self.num_heads:
            raise ValueError(
                "num_heads must divide decoder_units. "
                f"Received: {self.num_heads} and {self.decoder_units}"
            )
        if self.attention == "dot" and self.decoder_units != 2 * self.encoder_units:
            raise ValueError(
                "attention dot needs decoder_units of twice encoder_units. "
                f"Received: {self.decoder_units} and {self.encoder_units}. Use general "
                "for other sizes"
            )
        return self


Optimizer = Literal["muon", "adam", "adamw"]


class TrainingConfig(_Options):
    """How the weights are found."""

    start_from: str = Field(
        "",
        description="Folder of a trained model to begin with, to teach it texts of "
        "another kind, or other languages: with its form and its weights, and with its "
        "subwords if it has the same two languages. What is not given of [model], "
        "[search] and how texts are cut and altered is as it was there. Default: "
        "random weights.",
    )
    seed: int = Field(
        1, ge=0, lt=2**32, description="Seed of weights, order and dropout."
    )
    epochs: int = Field(
        0,
        ge=0,
        description="Passes over the training pairs. 0: as many as --max-minutes "
        "allows; without it, 2,000,000 divided by the number of pairs, at least 5 and "
        "at most 100.",
    )
    max_minutes: float = Field(
        0,
        ge=0,
        description="Stop after this many minutes of training. The learning rate "
        "then decays over this time, if it is over before the epochs are. 0: no limit.",
    )
    batch_tokens: int = Field(
        4_000,
        ge=16,
        description="Padded target tokens in a batch, at most (source tokens too).",
    )
    optimizer: Optimizer = Field(
        "muon",
        description="Update rule. muon moves each matrix equally far in all directions "
        "(Jordan et al. 2024), and embeddings and biases as adamw does.",
    )
    learning_rate: float = Field(3e-3, gt=0, description="Peak of the learning rate.")
    warmup_steps: int = Field(
        200,
        ge=0,
        description="Steps over which the rate rises from zero; of a short run a "
        "tenth, but 20 at least.",
    )
    decay: Literal["cosine", "inverse_sqrt", "constant"] = Field(
        "cosine", description="How the learning rate falls after the warm-up."
    )
    weight_decay: float = Field(0.0, ge=0, description="Used by adamw and muon.")
    clip_norm: float = Field(
        1.0, gt=0, description="Largest global norm of the gradients."
    )
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="Probability spread over all subwords."
    )
    r_drop: float = Field(
        0.0,
        ge=0,
        description="Weight of the divergence between two passes over each batch with "
        "other dropout masks (R-Drop, Liang et al. 2021). Any but 0 doubles the work.",
    )
    averaging: float = Field(
        0.999,
        ge=0,
        lt=1,
        description="Decay of the moving average of the weights, a step. The average "
        "is what is validated and saved. 0 turns it off.",
    )
    validate_every: int = Field(
        0, ge=0, description="Steps between validations. 0: once an epoch."
    )
    validation_pairs: int = Field(
        1_000, ge=1, description="Development pairs to translate at a validation."
    )
    select_by: Literal["bleu", "chrf", "loss"] = Field(
        "bleu", description="Development score that chooses the best checkpoint."
    )
    patience: int = Field(
        5,
        ge=0,
        description="Validations in a row that improve neither the --select-by score "
        "nor the development loss, before stopping. 0: never.",
    )
    mixed_precision: Literal["auto", "none", "bfloat16", "float16"] = Field(
        "auto",
        description="Compute products in 16 bits, keep weights in 32. float16 scales "
        "the loss; bfloat16 needs no scale, but hardware that has it. auto: bfloat16 "
        "on a CPU that has instructions for it, else none, as on a GPU.",
    )

    @field_validator("mixed_precision", mode="before")
    @classmethod
    def _was_a_switch(cls, value: Any) -> Any:
        """Reads older run folders, where the option was bfloat16 or not."""
        if isinstance(value, bool):
            return "bfloat16" if value else "none"
        return value

    @field_validator("start_from", mode="before")
    @classmethod
    def _is_name(cls, value: Any) -> Any:
        """Takes a path for its name."""
        return str(value) if isinstance(value, Path) else value


class SearchConfig(_Options):
    """How a translation is searched for."""

    beam_size: int = Field(
        5, ge=1, le=64, description="Hypotheses kept at each position; 1 is greedy."
    )
    length_penalty: float = Field(
        1.2,
        ge=0,
        le=5,
        description="Exponent a of score = log_prob / length**a; more than 1 makes "
        "translations longer.",
    )
    max_length_factor: float = Field(
        2.0,
        gt=0,
        le=100,
        description="A translation has at most factor x source + extra tokens.",
    )
    max_length_extra: int = Field(
        10, ge=1, le=10_000, description="The extra of that bound."
    )


class Config(_Options):
    """All options of a run."""

    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    search: SearchConfig = Field(default_factory=SearchConfig)


DEFAULT_PRESET = "base"
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # Seconds: the tests, and the generated corpora.
    "tiny": {
        "data": {"vocabulary_size": 500, "augmentation": 0.0, "placeholders": 0.0},
        "model": {
            "embedding_dim": 64,
            "encoder_units": 64,
            "num_encoder_layers": 1,
            "decoder_units": 128,
            "dropout": 0.1,
        },
        "training": {
            "epochs": 6,
            "batch_tokens": 2_000,
            "learning_rate": 5e-3,
            "warmup_steps": 100,
            "averaging": 0.99,
            "label_smoothing": 0.0,
            "mixed_precision": "none",
            "validation_pairs": 300,
        },
    },
    # Half the work of base, in batches of half the memory.
    "small": {
        "model": {
            "embedding_dim": 192,
            "encoder_units": 128,
            "decoder_units": 256,
        },
        "training": {"batch_tokens": 2_000, "learning_rate": 2e-3},
    },
    # 5 million parameters, 93 minutes of one busy core for 115,000 short pairs.
    "base": {},
    # The same network, for as long as the clock says.
    "best": {"training": {"patience": 0, "max_minutes": 120.0}},
}


def with_options(config: Config, section: str, **options: Any) -> Config:
    """Returns the configuration with some options of one section changed, unchecked."""
    changed = getattr(config, section).model_copy(update=options)
    return config.model_copy(update={section: changed})


def make_config(
    preset: str = DEFAULT_PRESET,
    path: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Config:
    """Returns the preset, overridden by a TOML file, overridden by single options.

    Args:
        preset: Name of one of `PRESETS`.
        path: TOML file with tables `data`, `model`, `training`, `search`.
        options: Field name to value, without the section: names are unique.

    Raises:
        UserError: Unknown preset, section or option, or a value out of bounds.
    """
    if preset not in PRESETS:
        raise UserError(
            f"there is no preset {preset!r}. Choose one of: {', '.join(PRESETS)}."
        )
    sections = {name: dict(values) for name, values in PRESETS[preset].items()}
    if not isinstance(path, str | Path | None):
        raise TypeError(
            f"path should be that of a TOML file. Received: {type(path).__name__}. "
            "Options have a name of their own: make_config(options={...})."
        )
    for layer in (_read_toml(Path(path)) if path else {}, _by_section(options or {})):
        for section, values in layer.items():
            sections.setdefault(section, {}).update(values)
    return parse_config(sections)


def parse_config(values: Mapping[str, Any], origin: str = "") -> Config:
    """Checks a nested mapping; `origin` (a file) is named in the error."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error, origin)) from None


def save_config(config: Config, path: Path, **extra: Any) -> None:
    """Writes the resolved options, and `extra` facts of the run, as JSON."""
    write_json(path, config.model_dump(mode="json") | extra)


def option_fields() -> dict[str, tuple[str, Any]]:
    """Returns field name -> (section, field) of every option of the program."""
    return {
        name: (section, field)
        for section, model in Config.model_fields.items()
        for name, field in model.annotation.model_fields.items()
    }


def _by_section(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    fields = option_fields()
    sections: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        if name not in fields:
            raise UserError(
                f"there is no option {name!r}. The options are: {', '.join(fields)}."
            )
        sections.setdefault(fields[name][0], {})[name] = value
    return sections


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"cannot read the options in {path}: {error.strerror}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a TOML file: {error}.") from None
    for name, value in content.items():
        if name not in Config.model_fields or not isinstance(value, dict):
            raise UserError(
                f"{path}: options belong in the tables "
                f"{', '.join(f'[{table}]' for table in Config.model_fields)}. "
                f"Received: {name}."
            )
    return content


def _explain(error: ValidationError, origin: str) -> str:
    """Turns the first of pydantic's complaints into one line for the user."""
    complaint = error.errors()[0]
    place = [str(part) for part in complaint["loc"]]
    names = [part for part in place if not part.isdigit()]  # others are places in them
    name = names[-1] if names else "the options"
    message = complaint["msg"].removeprefix("Value error, ")
    prefix = f"{origin}: " if origin else ""
    if complaint["type"] == "extra_forbidden":
        section = Config.model_fields.get(place[0])
        known = (
            section.annotation.model_fields
            if section and len(place) > 1
            else Config.model_fields
        )
        return f"{prefix}there is no option {name!r}. Known: {', '.join(known)}."
    if complaint["type"] == "value_error":
        return f"{prefix}{message}."
    return f"{prefix}{name}: {message}. Received: {complaint['input']!r}."
