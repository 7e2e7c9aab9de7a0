"""Component scores against sums done by hand."""

from __future__ import annotations

from txt2sql.evaluation.components import ComponentScore, aggregate


def found(score: int, gold: int, predicted: int) -> dict[str, int]:
    return {
        "acc": score,
        "rec": score,
        "f1": score,
        "label_total": gold,
        "pred_total": predicted,
    }


def test_f1_is_of_the_sums_and_not_the_mean_of_the_examples() -> None:
    rows = [
        {"where": found(1, 1, 1)},
        {"where": found(0, 2, 1)},
        {"where": found(0, 1, 0)},  # gold has it, the prediction does not
        {"where": found(1, 0, 0)},  # neither has it: in no denominator, in no sum
    ]
    # Accuracy 1 of 2, recall 1 of 3, their harmonic mean 2 * 1/6 / (5/6) = 0.4.
    assert aggregate(rows) == {"where": ComponentScore(0.5, 1 / 3, 0.4, 2, 3)}


def test_nothing_found_where_nothing_was_asked_for_is_right() -> None:
    assert aggregate([{"IUEN": found(1, 0, 0)}])["IUEN"] == ComponentScore(0.0, 0.0, 1.0, 0, 0)


def test_nothing_right_has_the_f1_that_the_official_script_prints() -> None:
    assert aggregate([{"IUEN": found(0, 1, 1)}])["IUEN"] == ComponentScore(0.0, 0.0, 1.0, 1, 1)


def test_a_component_that_is_predicted_only_counts_against_accuracy() -> None:
    assert aggregate([{"order": found(0, 0, 1)}, {"order": found(1, 1, 1)}])[
        "order"
    ] == ComponentScore(0.5, 1.0, 2 / 3, 2, 1)


def test_without_examples_there_are_no_components() -> None:
    assert aggregate([]) == {}
