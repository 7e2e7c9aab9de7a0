"""Weights to the Hugging Face hub: what `--push_to_hub` does, and nothing without it.

>>> push(Path("merged"), "owner/name")  # doctest: +SKIP
'https://huggingface.co/owner/name'
"""

from __future__ import annotations

from pathlib import Path

from txt2sql.errors import ModelError
from txt2sql.models.catalog import base_of, is_adapter

_TOKENS = "https://huggingface.co/settings/tokens"


def push(source: Path, repository: str, *, private: bool = True) -> str:
    """Upload a model folder or one file; returns the address. A new repository is private.

    Raises ModelError for a name, a token or a connection that does not do, and for an adapter whose base
    model is a folder of this machine, which nobody else could load.
    """
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub

    if source.is_dir() and is_adapter(source) and base_of(source).folder and not _bundled(source):
        raise ModelError(
            f"the adapter in '{source}' needs a model that lies on this machine only; push the "
            "merged model instead: txt2sql export --format hf --push_to_hub"
        )
    folder = source if source.is_dir() else source.parent
    try:
        url = HfApi().create_repo(repository, private=private, exist_ok=True)
        HfApi().upload_folder(
            repo_id=url.repo_id,
            folder_path=folder,
            allow_patterns=None if source.is_dir() else [source.name],
            ignore_patterns=[".*"],
            commit_message="Upload a text-to-SQL model",
        )
    except hub.HFValidationError as error:
        raise ModelError(f"'{repository}' is no repository name; write owner/name") from error
    except hub.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            message = (
                f"the hub refused to write '{repository}'; set HF_TOKEN to one that may ({_TOKENS})"
            )
        else:
            message = f"the hub answered with status {status}; push again later"
        raise ModelError(message) from error
    except Exception as error:  # the client lets through what its HTTP library raises
        raise ModelError(
            f"the hub cannot be reached ({str(error) or type(error).__name__}); '{source}' is whole, "
            f"push it later: hf upload {repository} {source}"
        ) from error
    return str(url)


def _bundled(adapter: Path) -> bool:
    return base_of(adapter).name == "bundled"
