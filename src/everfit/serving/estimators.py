"""What is known of scikit-learn's own estimators that makes asking them cheaper and changes no answer.

An array may be added up in another order than a frame, which can show in the last place of a number. Only what their
classes are known to do is used, and only for exactly these classes: an estimator that was derived from one of them may
do anything.
"""

import sys
from typing import Any, Final

FIRST_STEPS: Final = frozenset(
    {
        "ARDRegression", "BayesianRidge", "DecisionTreeClassifier", "DecisionTreeRegressor", "ElasticNet",
        "ElasticNetCV", "ExtraTreesClassifier", "ExtraTreesRegressor", "GaussianNB", "GradientBoostingClassifier",
        "GradientBoostingRegressor", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor",
        "HuberRegressor", "KNeighborsClassifier", "KNeighborsRegressor", "Lasso", "LassoCV", "LinearRegression",
        "LinearSVC", "LinearSVR", "LogisticRegression", "LogisticRegressionCV", "MaxAbsScaler", "MinMaxScaler",
        "MLPClassifier", "MLPRegressor", "PoissonRegressor", "RandomForestClassifier", "RandomForestRegressor",
        "Ridge", "RidgeCV", "RobustScaler", "SGDClassifier", "SGDRegressor", "SimpleImputer", "StandardScaler",
        "SVC", "SVR", "TweedieRegressor",
    }
)  # fmt: skip
"""They turn a data frame of numbers into an array first of all, and use its columns' names for nothing but a check."""
VOTING: Final = frozenset({"ExtraTreesClassifier", "RandomForestClassifier"})
"""Their ``predict`` is the first class of the highest probability, by their documentation."""


def columns_by_place(model: Any) -> tuple[str, ...] | None:
    """Return the names of the model's columns if it gives an array in their order the answer that it gives a frame.

    A frame costs the estimator more time for its checks than most of them need for a prediction.
    """
    names = getattr(model, "feature_names_in_", None)
    first = first_step(model)
    if names is None or first is None or class_of(first) not in FIRST_STEPS:
        return None
    # Categories in the columns of a frame are looked at.
    if getattr(first, "is_categorical_", None) is not None or not all(type(name) is str for name in names):
        return None
    return tuple(names)


def first_step(model: Any) -> Any:
    """Return the estimator that the rows reach first; None when another one may see what that one makes of names."""
    if class_of(model) != "Pipeline":
        return model
    sklearn: Any = sys.modules["sklearn"]
    steps = [step for _, step in model.steps]
    # A step that was told to make frames names their columns after its input's.
    makes_frames = any(hasattr(step, "_sklearn_output_config") for step in steps)
    return None if makes_frames or sklearn.get_config()["transform_output"] != "default" else steps[0]


def at_last_step(rows: Any, model: Any) -> tuple[Any, Any]:
    """Return the rows as they reach the estimator that predicts, and that estimator.

    What a pipeline does with rows is documented as nothing but this; it checks itself each time, and it transforms
    them twice when both predictions and probabilities are asked for.
    """
    sklearn: Any = sys.modules.get("sklearn")
    # With metadata routing the steps are called with more than the rows.
    if class_of(model) != "Pipeline" or sklearn.get_config().get("enable_metadata_routing", False):
        return rows, model
    for _, step in model.steps[:-1]:
        if step is not None and step != "passthrough":
            rows = step.transform(rows)
    return at_last_step(rows, model.steps[-1][1])


def class_of(estimator: object) -> str | None:
    """Return the name of one of scikit-learn's own classes; None for any other."""
    kind = type(estimator)
    return kind.__name__ if kind.__module__.startswith("sklearn.") else None


def votes(estimator: Any) -> bool:
    """Whether the estimator's prediction is the first class of the highest of its probabilities."""
    return class_of(estimator) in VOTING and getattr(estimator, "n_outputs_", 0) == 1
