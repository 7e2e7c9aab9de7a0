"""A config says exactly what is wrong with it, or comes back as written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.config import as_mapping, load
from txt2sql.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Search:
    num_simulations: int = 100
    c_puct: float = 1.4

    def __post_init__(self) -> None:
        if self.num_simulations < 1:
            raise ValueError("num_simulations must be at least 1")


@dataclasses.dataclass(frozen=True)
class Config:
    model: str
    epochs: int = 3
    learning_rate: float = 1e-5
    resume: bool = False
    style: Literal["plain", "chat"] = "plain"
    targets: tuple[str, ...] = ("q_proj",)
    betas: tuple[float, float] = (0.9, 0.999)
    output: Path | None = None
    limit: int | None = None
    search: Search = Search()
    teacher: Search | None = None
    prices: Mapping[str, float] = dataclasses.field(default_factory=dict)


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


WRONG = [
    ("model: m\nepoch: 4", "epoch is not a known key; did you mean 'epochs'?"),
    ("model: m\nsearch: {num_simulation: 4}", "search.num_simulation is not a known key; did you"),
    ("model: m\nxyz: 4", "xyz is not a known key; choose from model, epochs"),
    ("model: m\n1: 4", "1 is not a known key"),
    ("epochs: 4", "model is missing"),
    ("model:", "model should be text, not None"),
    ("model: on", "model should be text, not True; put it in quotes"),
    ("model: m\nepochs: many", "epochs should be a whole number, not 'many'"),
    ("model: m\nepochs: 3.0", "epochs should be a whole number, not 3.0"),
    ("model: m\nepochs: true", "epochs should be a whole number, not True"),
    ("model: m\nepochs:", "epochs should be a whole number, not None"),
    ("model: m\nlearning_rate: fast", "learning_rate should be a number, not 'fast'"),
    ("model: m\nlearning_rate: true", "learning_rate should be a number, not True"),
    ("model: m\nresume: 1", "resume should be true or false, not 1"),
    ("model: m\nstyle: chad", "style should be one of plain, chat, not 'chad'; did you mean"),
    ("model: m\nstyle: 3", "style should be one of plain, chat, not 3"),
    ("model: m\ntargets: q_proj", "targets should be a list, not 'q_proj'"),
    ("model: m\ntargets: [q, 3]", "targets[1] should be text, not 3"),
    ("model: m\nbetas: [0.9]", "betas should be a list of 2 values, not 1"),
    ("model: m\nlimit: all", "limit should be a whole number, not 'all'"),
    ("model: m\nsearch: 5", "search should have 'key: value' lines, not 5"),
    ("model: m\nsearch: {num_simulations: 0}", "search does not fit: num_simulations must be at"),
    ("model: m\nteacher: {c_puct: x}", "teacher.c_puct should be a number, not 'x'"),
    ("model: m\nprices: [1]", "prices should have 'name: value' lines, not [1]"),
    ("model: m\nprices: {a: b}", "prices.a should be a number, not 'b'"),
    ("model: m\nepochs: 3\nepochs: 4", "the key 'epochs' on line 3 is there twice"),
    ("- model", "should hold 'key: value' lines"),
    ("model: [", "is not valid YAML"),
    ("model: {a: {1}: 2}", "is not valid YAML"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_file_is_explained(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(Config, path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "should be written key=value"),
        ("=3", "should be written key=value"),
        ("search..c_puct=3", "should be written key=value"),
        ("epochs=", "epochs should be a whole number, not None"),
        ("epochs=[", "epochs cannot be read as a YAML value: '['"),
        ("epoch=4", "epoch is not a known key; did you mean 'epochs'?"),
        ("search.c_put=4", "search.c_put is not a known key; did you mean 'c_puct'?"),
        ("style=null", "style should be one of plain, chat"),
        ("resume=1", "resume should be true or false, not 1"),
        ("targets=[q, yes]", "targets[1] should be text, not True"),
        ("model.name=x", "reaches into 'model', which has no keys"),
    ],
)
def test_a_wrong_override_is_explained(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Config, overrides=["model=m", override])
    assert message in str(caught.value)


def test_a_missing_or_unreadable_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the config file .*No such file"):
        load(Config, tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot read the config file .*directory"):
        load(Config, tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"model: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(Config, tmp_path / "x.yaml")


def test_defaults_file_and_overrides_are_laid_over_each_other(tmp_path: Path) -> None:
    path = written(tmp_path, "model: phi-2\nepochs: 5\nlearning_rate: 1e-4\nsearch:\nteacher: {}\n")
    overrides = ["epochs=7", "search.c_puct=2", "output=runs/a", "prices={in: 1, out: 2.5}"]
    config = load(Config, path, overrides)
    assert config == Config(
        model="phi-2",
        epochs=7,
        learning_rate=1e-4,
        search=Search(c_puct=2.0),
        teacher=Search(),
        output=Path("runs/a"),
        prices={"in": 1.0, "out": 2.5},
    )
    assert isinstance(config.search.c_puct, float)


@pytest.mark.parametrize("text", ["on", "3", "null", "1e5", "2024-01-01", "a=b", "[", "", "a: b"])
def test_an_override_of_text_is_taken_as_it_is_typed(text: str) -> None:
    assert load(Config, overrides=[f"model={text}"]).model == text


def test_null_means_none_where_none_is_allowed() -> None:
    config = load(Config, overrides=["model=m", "limit=3", "limit=null", "output=none"])
    assert (config.limit, config.output) == (None, None)


def test_an_override_replaces_a_whole_section() -> None:
    config = load(Config, overrides=["model=m", "search={num_simulations: 9}", "search.c_puct=3"])
    assert config.search == Search(9, 3.0)


def test_a_section_is_one_part_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "grpo: {model: a}\nsft: {model: b, epochs: 9}\nempty:\n")
    assert load(Config, path, ["epochs=2"], section="sft") == Config("b", 2)
    assert load(Search, path, section="empty") == Search()
    with pytest.raises(ConfigError, match="no section 'gpro'; did you mean 'grpo'"):
        load(Config, path, section="gpro")
    with pytest.raises(ConfigError, match="sft.epoch is not a known key"):
        load(Config, path, ["epoch=2"], section="sft")


numbers = st.floats(allow_nan=False)
searches = st.builds(Search, st.integers(1), numbers)
configs = st.builds(
    Config,
    model=st.text(),
    epochs=st.integers(),
    learning_rate=numbers,
    resume=st.booleans(),
    style=st.sampled_from(["plain", "chat"]),
    targets=st.lists(st.text()).map(tuple),
    betas=st.tuples(numbers, numbers),
    output=st.none() | st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True).map(Path),
    limit=st.none() | st.integers(),
    search=searches,
    teacher=st.none() | searches,
    prices=st.dictionaries(st.text(), numbers),
)


@given(configs)
def test_a_config_written_to_yaml_is_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, config: Config
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_text(yaml.safe_dump(as_mapping(config)), encoding="utf-8")
    assert load(Config, path) == config


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_yaml_is_a_config_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, tree: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    tree = {"model": "m", "search": tree} if isinstance(tree, dict) else tree
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    try:
        assert isinstance(load(Config, path), Config)
    except ConfigError as error:
        assert str(path) in str(error)


@given(st.text())
def test_any_override_is_a_config_or_a_config_error(override: str) -> None:
    for key in ("epochs", "search", "targets", "learning_rate", "teacher", "prices"):
        try:
            assert isinstance(load(Config, overrides=["model=m", f"{key}={override}"]), Config)
        except ConfigError as error:
            assert key in str(error)
