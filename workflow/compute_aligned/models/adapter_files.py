"""What an adapter's folder says of itself, and whether it is for a base."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from compute_aligned.config.models import PretrainedModel
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import read_text, validated

CONFIG = "adapter_config.json"  # of an adapter, in its folder


class Adapter(BaseModel):
    """What an adapter's folder says of it; the names are peft's."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    base_model_name_or_path: str
    revision: str | None = None
    r: int
    lora_alpha: int | float
    target_modules: list[str]

    @property
    def base(self) -> str:
        """The base as it is shown to people."""
        at = f" at revision {self.revision}" if self.revision else ""
        return f"{self.base_model_name_or_path}{at}"


def is_adapter(folder: Path) -> bool:
    """Whether a model's folder holds an adapter and not whole weights."""
    return (folder / CONFIG).is_file()


def describe(folder: Path) -> Adapter:
    """What an adapter's folder says of it.

    Raises:
        InputError: Its configuration is damaged, or is that of another kind of adapter.

    """
    path = folder / CONFIG
    remedy = "delete the folder and run again"
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(path, f"not valid JSON ({error.msg}); is it cut?", remedy) from None
    return validated(Adapter, content, path, remedy)


def check_base(folder: Path, settings: PretrainedModel) -> None:
    """Check that a folder holds an adapter for the checkpoint of the settings.

    Raises:
        InputError: It is for another one, or the folder holds whole weights.

    """
    if not is_adapter(folder):
        raise InputError(
            folder,
            "it holds whole weights, and the family trains adapters",
            "delete it and run again, or take lora out of the family's model",
        )
    adapter = describe(folder)
    wanted = adapter.model_copy(
        update={
            "base_model_name_or_path": settings.pretrained,
            "revision": settings.revision,
        }
    )
    if adapter != wanted:
        raise InputError(
            folder,
            f"this adapter is for {adapter.base}, and the family's model is {wanted.base}",
            "delete it and run again, or set the family's model back",
        )
