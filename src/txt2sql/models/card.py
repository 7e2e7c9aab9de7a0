"""The model card of a fine-tuned model: README.md with the hub's front matter (Mitchell et al. 2019).

It is rendered from facts that lie beside the weights in training.json, so that merging and exporting
write a card of their own kind. What was not measured or is not known is left out, never made up.

>>> facts = Facts("phi-2", "lora", ("spider",), measured=(Measured("spider dev", "execution_accuracy",
...     0.5, 100, 0.404, 0.596),))
>>> write_card(Path("results/lora-phi-2/model"), facts)  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from txt2sql.errors import ModelError
from txt2sql.models.catalog import MODELS, ModelCard, is_adapter, read_json, resolve
from txt2sql.runs import write_atomically

FILE = "training.json"
SHARE_ALIKE = "CC BY-SA 4.0"

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
class Measured:
    """One measured share: mean and 95% interval, all between 0 and 1, of n questions."""

    data: str
    metric: str
    mean: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a training run.

    `base` is a name that catalog.resolve takes, `method` one of lora, dora, qlora, rslora, full.
    `datasets` are names or folders; `held_out` says in words or by name what was not trained on;
    `trained` has counts such as steps, examples, tokens, seconds, trainable parameters.
    """

    base: str
    method: str
    datasets: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()
    trained: Mapping[str, float] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None


def write_card(folder: Path, facts: Facts) -> None:
    """Write README.md, and the facts it is made of, into a folder with an adapter or a model."""
    facts = _shareable(facts)
    write_atomically(folder / FILE, json.dumps(asdict(facts), indent=2) + "\n")
    write_atomically(folder / "README.md", render_card(folder, facts))


def _shareable(facts: Facts) -> Facts:
    """Without the paths of this machine; a base model that is a folder keeps its name, as ./name."""
    local = facts.base not in MODELS and Path(facts.base).expanduser().is_dir()
    return replace(
        facts,
        base=f"./{_last(facts.base)}" if local else facts.base,
        datasets=tuple(_last(name) for name in facts.datasets),
        config={key: value for key, value in facts.config.items() if key not in _PRIVATE},
    )


def read_facts(folder: Path) -> Facts | None:
    """The facts beside some weights, or what an adapter made elsewhere tells; None without either."""
    tree = read_json(folder / FILE)
    if not tree:
        return _facts_of_adapter(folder) if is_adapter(folder) else None
    try:
        lists = {name: tuple(tree[name]) for name in ("datasets", "held_out")}
        measured = tuple(Measured(**each) for each in tree["measured"])
        return Facts(**{**tree, **lists, "measured": measured})
    except (TypeError, KeyError) as error:
        raise ModelError(f"'{folder / FILE}' is damaged; remove it to go on without") from error


def _facts_of_adapter(folder: Path) -> Facts:
    config = read_json(folder / "adapter_config.json")
    method = "dora" if config.get("use_dora") else "rslora" if config.get("use_rslora") else "lora"
    adapter = {
        "r": config.get("r"),
        "alpha": config.get("lora_alpha"),
        "dropout": config.get("lora_dropout"),
        "targets": config.get("target_modules"),
    }
    base = str(config.get("base_model_name_or_path") or "")
    return Facts(base, method, config={"adapter": adapter})


def render_card(folder: Path, facts: Facts) -> str:
    """The card's text, by what the folder holds: an adapter or a whole model."""
    adapter = is_adapter(folder)
    parts = [
        f"---\n{yaml.safe_dump(_front_matter(facts, adapter), sort_keys=False)}---",
        _summary(facts, adapter),
        _measured(facts),
        _data(facts),
        _training(facts),
        _use(adapter),
        _licence(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: Facts, adapter: bool) -> dict[str, Any]:
    base = _base(facts)
    ids = [_DATASETS[name][0] for name in facts.datasets if name in _DATASETS]
    method = [] if facts.method == "full" else [facts.method]
    matter = {
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "base_model": base.hub_id if base else None,
        "base_model_relation": "adapter" if adapter else "finetune",
        "license": _LICENCES.get(_binding_licence(facts)),
        "language": "en",
        "datasets": ids,
        "metrics": sorted({each.metric for each in facts.measured}),
        "tags": ["text-to-sql", "txt2sql", *method],
    }
    if not matter["base_model"]:
        del matter["base_model_relation"]
    return {key: value for key, value in matter.items() if value}


def _summary(facts: Facts, adapter: bool) -> str:
    base = _base(facts)
    name = f"[{base.hub_id}](https://huggingface.co/{base.hub_id})" if base and base.hub_id else ""
    if not name:
        name = "the model that ships with txt2sql" if facts.base == "bundled" else _last(facts.base)
    how = _METHODS.get(facts.method, facts.method)
    kind = f"An adapter ({how}) for {name}" if adapter else f"{name}, fine-tuned by {how}"
    return (
        f"# {_last(facts.base)} for text-to-SQL\n\n"
        f"{kind[0].upper()}{kind[1:]}: it answers questions about a SQL database with a query."
    )


def _measured(facts: Facts) -> str:
    if not facts.measured:
        return "## Measured\n\nNothing was measured."
    rows = [
        f"| {each.data} | {each.metric.replace('_', ' ')} | {each.n:,} | {each.mean:.1%} | "
        f"{each.low:.1%} to {each.high:.1%} |"
        for each in facts.measured
    ]
    head = "| data | metric | n | mean | 95% interval |\n|---|---|---|---|---|\n"
    return "## Measured\n\n" + head + "\n".join(rows)


def _data(facts: Facts) -> str:
    if not facts.datasets:
        return ""
    held = f"\n\nNot trained on: {', '.join(facts.held_out)}." if facts.held_out else ""
    return f"## Training data\n\n{', '.join(facts.datasets)}.{held}"


def _training(facts: Facts) -> str:
    rows = [f"| {name.replace('_', ' ')} | {value:,} |" for name, value in facts.trained.items()]
    settings = dict(facts.config)
    adapter = settings.pop("adapter", None)
    for key, value in [*(adapter or {}).items(), *settings.items()]:
        if value is not None:
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append(f"| `{key}` | {shown} |")
    rows += [f"| {name} | {version} |" for name, version in facts.versions.items()]
    rows += [f"| commit of txt2sql | {facts.commit} |"] if facts.commit else []
    return "## Training\n\n| | |\n|---|---|\n" + "\n".join(rows) if rows else ""


def _use(adapter: bool) -> str:
    lines = '    txt2sql ask --model FOLDER --db shop.sqlite "How many shops are there?"'
    text = f"## Use\n\nIn txt2sql, which renders the prompts it was trained on:\n\n{lines}"
    if adapter:
        text += (
            "\n\nTo have one model without peft, merge it into its base:\n\n"
            "    txt2sql merge FOLDER --output merged"
        )
    return text


def _licence(facts: Facts) -> str:
    base = _base(facts)
    known = [f"the base model: {base.licence}"] if base and base.licence and base.hub_id else []
    known += [f"{name}: {_DATASETS[name][1]}" for name in facts.datasets if name in _DATASETS]
    return f"## Licences of its parts\n\n{'; '.join(known)}." if known else ""


def _binding_licence(facts: Facts) -> str:
    """Of the whole, where it follows: Spider's share-alike over a permissive base, else the base's."""
    base = _base(facts)
    if base is None:
        return ""
    own = SHARE_ALIKE if base.name == "bundled" else base.licence
    alike = any(_DATASETS.get(name, ("", ""))[1] == SHARE_ALIKE for name in facts.datasets)
    return SHARE_ALIKE if alike and own in ("MIT", "Apache-2.0") else own


def _base(facts: Facts) -> ModelCard | None:
    """The card of a base that others can get, too: not a folder of this machine."""
    if facts.base in MODELS:
        return MODELS[facts.base]
    try:
        card = resolve(facts.base)
    except ModelError:
        return None
    return None if card.folder else card


def _last(name: str) -> str:
    """A name without the folders above it."""
    return Path(name).name or name
