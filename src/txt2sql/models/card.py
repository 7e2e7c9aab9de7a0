"""The model card of a fine-tuned model (Mitchell et al. 2019), and its upload to the Hugging Face hub.

README.md is rendered from facts that lie beside the weights in training.json, so that exporting writes
a card of its own kind. What was not measured or is not known is left out, never made up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from txt2sql.errors import ModelError
from txt2sql.models.catalog import MODELS, SHARE_ALIKE, base_of, is_adapter, read_json, resolve
from txt2sql.runs import write_atomically

FILE = "training.json"

_METHODS = {
    "lora": "LoRA",
    "dora": "DoRA",
    "qlora": "QLoRA (LoRA over 4-bit weights)",
    "rslora": "rank-stabilised LoRA",
    "full": "training of every weight",
    "grpo": "GRPO (reinforcement learning on executed SQL)",
}
_DATASETS = {
    "spider": ("xlangai/spider", SHARE_ALIKE),
    "wikisql": ("Salesforce/wikisql", "BSD-3-Clause"),
}
"""Hub id and licence of the data sets that have them."""
_LICENCES = {
    "MIT": "mit",
    "Apache-2.0": "apache-2.0",
    SHARE_ALIKE: "cc-by-sa-4.0",
    "Llama 2 Community License": "llama2",
    "Llama 3.2 Community License": "llama3.2",
}
"""The hub's names of licences."""
_PRIVATE = {"output", "data", "push_to_hub", "use_wandb", "threads", "model", "datasets", "start"}
"""Settings that say where things lie on one machine, or stand elsewhere in the card."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a training run. `trained` has counts such as steps, examples, tokens;
    `measured` are shares: `data`, `metric`, `n` questions, `mean` and the 95% interval `low` to
    `high`."""

    base: str
    method: str
    datasets: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    measured: tuple[Mapping[str, Any], ...] = ()
    trained: Mapping[str, float] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None


def write_card(folder: Path, facts: Facts) -> None:
    """Write README.md, and the facts it is made of, into a folder with an adapter or a model. Paths
    of this machine are left out; a base model that is a folder keeps its name, as ./name."""
    local = facts.base not in MODELS and Path(facts.base).expanduser().is_dir()
    facts = replace(
        facts,
        base=f"./{Path(facts.base).name}" if local else facts.base,
        datasets=tuple(Path(name).name for name in facts.datasets),
        config={key: value for key, value in facts.config.items() if key not in _PRIVATE},
    )
    write_atomically(folder / FILE, json.dumps(asdict(facts), indent=2) + "\n")
    write_atomically(folder / "README.md", _render(facts, is_adapter(folder)))


def read_facts(folder: Path) -> Facts | None:
    """The facts beside some weights, or those of an adapter made elsewhere; None without either."""
    if tree := read_json(folder / FILE):
        try:
            lists = {name: tuple(tree[name]) for name in ("datasets", "held_out", "measured")}
            return Facts(**{**tree, **lists})
        except (TypeError, KeyError) as error:
            raise ModelError(f"'{folder / FILE}' is damaged; remove it to go on without") from error
    if not is_adapter(folder):
        return None
    config = read_json(folder / "adapter_config.json")
    method = "dora" if config.get("use_dora") else "rslora" if config.get("use_rslora") else "lora"
    return Facts(str(config.get("base_model_name_or_path") or ""), method)


def _render(facts: Facts, adapter: bool) -> str:
    bundled, title = MODELS["bundled"], Path(facts.base).name
    try:
        base = resolve(facts.base)
    except ModelError:
        base = None
    if base and base.folder and base is not bundled:
        base = None  # nobody else could get it
    hub_id = base.hub_id if base else ""
    licence = base.licence if base else ""
    licensed = [name for name in facts.datasets if name in _DATASETS]
    licences = [f"the base model: {licence}"] if licence and hub_id else []
    licences += [f"{name}: {_DATASETS[name][1]}" for name in licensed]
    if licence in ("MIT", "Apache-2.0") and "spider" in licensed:
        licence = SHARE_ALIKE  # Spider's share-alike over a permissive base
    matter = {
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "base_model": hub_id,
        "base_model_relation": ("adapter" if adapter else "finetune") if hub_id else "",
        "license": _LICENCES.get(licence),
        "language": "en",
        "datasets": [_DATASETS[name][0] for name in licensed],
        "metrics": sorted({row["metric"] for row in facts.measured}),
        "tags": ["text-to-sql", "txt2sql", *([] if facts.method == "full" else [facts.method])],
    }
    front = yaml.safe_dump({key: value for key, value in matter.items() if value}, sort_keys=False)
    name = "the model that ships with txt2sql" if base is bundled else title
    if hub_id:
        name = f"[{hub_id}](https://huggingface.co/{hub_id})"
    how = _METHODS.get(facts.method, facts.method)
    kind = f"An adapter ({how}) for {name}" if adapter else f"{name}, fine-tuned by {how}"
    measured = [
        f"| {row['data']} | {row['metric'].replace('_', ' ')} | {row['n']:,} | {row['mean']:.1%} | "
        f"{row['low']:.1%} to {row['high']:.1%} |"
        for row in facts.measured
    ]
    table = ["| data | metric | n | mean | 95% interval |", "|---|---|---|---|---|", *measured]
    about = {key: getattr(facts, key) for key in ("trained", "config", "versions", "commit")}
    about = {key: value for key, value in about.items() if value}
    parts = [
        f"---\n{front}---\n\n# {title} for text-to-SQL",
        f"{kind[0].upper()}{kind[1:]}: it answers questions about a SQL database with a query.",
        "## Measured\n\n" + ("\n".join(table) if measured else "Nothing was measured."),
    ]
    if facts.datasets:
        parts.append(f"## Training data\n\n{', '.join(facts.datasets)}.")
    if facts.datasets and facts.held_out:
        parts.append(f"Not trained on: {', '.join(facts.held_out)}.")
    if about:
        parts.append(f"## Training\n\n```yaml\n{yaml.safe_dump(about, sort_keys=False)}```")
    parts.append("## Use\n\nIn txt2sql, which renders the prompts it was trained on:")
    parts.append('    txt2sql ask --model FOLDER --db shop.sqlite "How many shops are there?"')
    if adapter:
        parts.append("To have one model without peft, merge it into its base:")
        parts.append("    txt2sql export FOLDER --output merged")
    if licences:
        parts.append(f"## Licences of its parts\n\n{'; '.join(licences)}.")
    return "\n\n".join(parts) + "\n"


def push(source: Path, repository: str, *, private: bool = True) -> str:
    """Upload a model folder to the hub; returns the address. Raises ModelError, also for an adapter
    whose base model is a folder of this machine."""
    from huggingface_hub import HfApi

    base = base_of(source) if is_adapter(source) else None
    if base is not None and base.folder and base.name != "bundled":
        raise ModelError(
            f"the adapter in '{source}' needs a model that lies on this machine only; push the "
            "merged model instead: txt2sql export --format hf --push_to_hub"
        )
    try:
        url = HfApi().create_repo(repository, private=private, exist_ok=True)
        HfApi().upload_folder(
            repo_id=url.repo_id,
            folder_path=source,
            ignore_patterns=[".*"],
            commit_message="Upload a text-to-SQL model",
        )
    except Exception as error:  # the client lets through what its HTTP library raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError(
            f"the hub did not take '{repository}' ({reason}); a name is owner/name, and HF_TOKEN must "
            f"be one that may write; '{source}' is whole: hf upload {repository} {source}"
        ) from error
    return str(url)
