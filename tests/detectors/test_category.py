from detectors.category import CategoryMap, fit_category


def test_the_most_frequent_labels_are_known_and_the_rest_are_other() -> None:
    fitted = fit_category(["b", "b", "a", "c", None, "b", "a"], limit=2)
    assert fitted == CategoryMap(("a", "b"))
    features = fitted.apply(["a", "b", "c", "never seen", None])
    assert features.argmax(axis=1).tolist() == [0, 1, 2, 2, 3]
    assert features.sum(axis=1).tolist() == [1.0] * 5


def test_a_tie_at_the_limit_goes_to_the_first_name() -> None:
    assert fit_category(["z", "y", "x"], limit=2).categories == ("x", "y")


def test_a_column_of_missing_labels_has_no_categories() -> None:
    fitted = fit_category([None, None])
    assert fitted.size == 2
    assert fitted.apply([None, "new"]).tolist() == [[0.0, 1.0], [1.0, 0.0]]
