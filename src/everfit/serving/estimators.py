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


def last_step(model: Any) -> Any:
    """Return the estimator that predicts."""
    return model.steps[-1][1] if class_of(model) == "Pipeline" else model


def class_of(estimator: object) -> str | None:
    """Return the name of one of scikit-learn's own classes; None for any other."""
    kind = type(estimator)
    return kind.__name__ if kind.__module__.startswith("sklearn.") else None


def votes(model: Any) -> bool:
    """Whether the model's prediction is the first class of the highest of its probabilities."""
    last = last_step(model)
    return class_of(last) in VOTING and getattr(last, "n_outputs_", 0) == 1
