"""What is known of scikit-learn's estimators changes no answer."""

import json
import math
import warnings
from typing import Any

import pytest

from everfit.serving.errors import UnreadableRequestError
from everfit.serving.estimators import FIRST_STEPS, columns_by_place, votes
from everfit.serving.handlers import LoadedModel, ready

numpy = pytest.importorskip("numpy", reason="the default handlers are tested with numpy")
pandas = pytest.importorskip("pandas", reason="the default handlers are tested with pandas")
discovery = pytest.importorskip("sklearn.utils.discovery", reason="the estimators are scikit-learn's")
pipeline = pytest.importorskip("sklearn.pipeline", reason="the estimators are scikit-learn's")

ESTIMATORS = dict(discovery.all_estimators())
TABLE = pandas.DataFrame(
    {
        "area": [math.sqrt(number) * 3 for number in range(40)],
        "rooms": [number * 7 % 5 for number in range(40)],
        "age": [1e6 / (1 + number) for number in range(40)],
    }
)
CLASSES = numpy.asarray(["flat", "house", "tower"])[TABLE["rooms"] % 3]
FEW = {"n_estimators": 5, "max_iter": 20, "cv": 2}
ASKED = TABLE.iloc[[3, 17, 31]] * [1.1, 1, 0.9]
SHUFFLED = ["age", "area", "rooms"]


def fitted(name: str, table: Any) -> Any:
    """Return the estimator, behind a regression if it only transforms."""
    estimator = ESTIMATORS[name]()
    known = estimator.get_params()
    estimator.set_params(**{key: value for key, value in FEW.items() if key in known})
    if not hasattr(estimator, "predict"):
        estimator = pipeline.make_pipeline(estimator, ESTIMATORS["LinearRegression"]())
    target = CLASSES if hasattr(estimator, "classes_") or name.endswith(("Classifier", "SVC", "NB")) else None
    target = CLASSES if name.startswith("LogisticRegression") else target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(table, table["area"] * 2 + table["rooms"] + 1 if target is None else target)


def answer(loaded: LoadedModel, frame: Any) -> Any:
    records = frame.astype({name: kind for name, kind in TABLE.dtypes.items() if name in frame}).to_dict("records")
    return json.loads(loaded.invoke(json.dumps(records).encode(), "application/json", "")[0])


def expected(model: Any, frame: Any) -> Any:
    answer = {"predictions": model.predict(frame).tolist()}
    if hasattr(model, "classes_") and hasattr(model, "predict_proba"):
        answer |= {"probabilities": model.predict_proba(frame).tolist(), "labels": model.classes_.tolist()}
    return answer


def assert_same(given: Any, wanted: Any) -> None:
    """Both are the same but for the order in which a sum was added up."""
    assert given.keys() == wanted.keys()
    for name, values in wanted.items():
        if isinstance(values[0], str):
            assert given[name] == values
        else:
            numpy.testing.assert_allclose(given[name], values, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(FIRST_STEPS & ESTIMATORS.keys()))
def test_an_array_in_the_models_order_gets_the_answer_of_a_frame(name: str) -> None:
    model = fitted(name, TABLE)
    loaded = ready(model, None)
    assert loaded.columns == ("area", "rooms", "age")

    assert_same(answer(loaded, ASKED), expected(model, ASKED.astype(TABLE.dtypes)))
    assert_same(
        answer(loaded, ASKED[SHUFFLED].assign(more="a")[["more", *SHUFFLED]]),
        expected(model, ASKED.astype(TABLE.dtypes)),
    )


def test_columns_of_whole_numbers_alone_are_asked_as_such() -> None:
    whole = (TABLE * 1000).astype("int64")
    model = fitted("LinearRegression", whole)

    asked = whole.iloc[:5]
    body = json.dumps(asked.to_dict("records")).encode()
    assert_same(json.loads(ready(model, None).invoke(body, "application/json", "")[0]), expected(model, asked))


def test_a_missing_column_is_named_as_ever() -> None:
    loaded = ready(fitted("StandardScaler", TABLE), None)

    with pytest.raises(UnreadableRequestError, match="lacks the column age; the model was trained with it"):
        answer(loaded, ASKED[["area", "rooms"]])


def test_estimators_that_look_at_names_are_given_them() -> None:
    # It may do anything with its columns.
    derived = type("Derived", (ESTIMATORS["LinearRegression"],), {})

    def column(names: list[str]) -> Any:
        return ESTIMATORS["ColumnTransformer"]([("one", "passthrough", names)])

    def chain(first: Any) -> Any:
        return pipeline.make_pipeline(first, ESTIMATORS["LinearRegression"]())

    target = TABLE["area"]
    framed = pipeline.make_pipeline(
        ESTIMATORS["StandardScaler"]().set_output(transform="pandas"), column(["age", "area"]), derived()
    )
    categories = TABLE.assign(rooms=TABLE["rooms"].astype("category"))
    models = [
        derived().fit(TABLE, target),
        chain(column(["age"])).fit(TABLE, target),
        chain(ESTIMATORS["StandardScaler"]().set_output(transform="pandas")).fit(TABLE, target),
        framed.fit(TABLE, target),
        ESTIMATORS["HistGradientBoostingRegressor"](max_iter=2).fit(categories, target),
        ESTIMATORS["LinearRegression"]().fit(TABLE.to_numpy(), target),
    ]

    assert [columns_by_place(model) for model in models] == [None] * len(models)
    for model in models[:4]:
        assert_same(answer(ready(model, None), ASKED[SHUFFLED]), expected(model, ASKED))


def test_one_pass_through_the_trees_gives_a_forests_prediction_and_its_probabilities() -> None:
    forests = [fitted(name, TABLE) for name in ("RandomForestClassifier", "ExtraTreesClassifier")]
    others = [fitted(name, TABLE) for name in ("LogisticRegression", "RandomForestRegressor")]

    assert [votes(model) for model in [*forests, *others]] == [True, True, False, False]
    for model in forests:
        assert_same(answer(ready(model, None), TABLE), expected(model, TABLE))


def test_a_pipeline_transforms_once_and_answers_as_it_does_itself() -> None:
    counted: list[int] = []

    def count(rows: Any) -> Any:
        counted.append(len(rows))
        return rows

    forest = ESTIMATORS["RandomForestClassifier"](n_estimators=5, random_state=0)
    counting = ESTIMATORS["FunctionTransformer"](count, feature_names_out="one-to-one")
    inner = pipeline.make_pipeline("passthrough", ESTIMATORS["StandardScaler"](), None, forest)
    model = pipeline.make_pipeline(counting, inner).fit(TABLE, CLASSES)
    wanted = expected(model, ASKED)
    counted.clear()

    assert_same(answer(ready(model, None), ASKED), wanted)

    assert counted == [3]


def test_a_pipeline_that_was_not_fitted_fails_as_its_steps_do() -> None:
    model = pipeline.make_pipeline(ESTIMATORS["StandardScaler"](), ESTIMATORS["LinearRegression"]())

    with pytest.raises(ValueError, match="is not fitted yet"):
        answer(ready(model, None), ASKED)
