"""The handlers: the user's own as SageMaker's toolkit calls them, the default ones for what a folder holds."""

import io
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from everfit.serving.handlers import LoadedModel, UnreadableRequestError, UnusableModelError, load

numpy = pytest.importorskip("numpy", reason="the default handlers are tested with numpy")
pandas = pytest.importorskip("pandas", reason="the default handlers are tested with pandas")
linear = pytest.importorskip("sklearn.linear_model", reason="the default handlers are tested with scikit-learn")
joblib = pytest.importorskip("joblib", reason="the default handlers are tested with joblib")


@pytest.fixture(autouse=True)
def untouched_interpreter() -> Iterator[None]:
    path, modules, bytecode = list(sys.path), set(sys.modules), sys.dont_write_bytecode
    yield
    sys.path[:], sys.dont_write_bytecode = path, bytecode
    for name in {"inference", "neighbour", "shapes_of_users"} & (set(sys.modules) - modules):
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    return tmp_path


def write(folder: Path, script: str, name: str = "inference.py") -> None:
    (folder / "code" / name).write_text(script)


def ask(
    model: LoadedModel, body: object, content_type: str = "application/json", accept: str = "application/json"
) -> Any:
    """Return the answer; JSON is read."""
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    content, kind = model.invoke(data, content_type, accept)
    return json.loads(content) if kind == "application/json" else content.decode()


# The user's own handlers

WHOLE = """
import json
def model_fn(model_dir): return {"dir": model_dir}
def input_fn(data, content_type): return [type(data).__name__, content_type, data if isinstance(data, str) else ""]
def predict_fn(data, model): return data + [model["dir"]]
def output_fn(prediction, accept): return json.dumps(prediction + [accept])
"""


@pytest.mark.parametrize(
    ("content_type", "seen"),
    [
        ("text/csv", ["str", "text/csv", "1,2"]),
        ("application/json", ["str", "application/json", "1,2"]),
        ("text/csv; charset=utf-8", ["str", "text/csv", "1,2"]),
        ("image/png", ["bytes", "image/png", ""]),
        ("", ["str", "application/json", "1,2"]),
    ],
)
def test_text_reaches_input_fn_as_text_and_the_rest_as_bytes(folder: Path, content_type: str, seen: list[str]) -> None:
    write(folder, WHOLE)
    assert ask(load(str(folder), None), b"1,2", content_type)[:3] == seen


@pytest.mark.parametrize(
    ("accept", "seen"),
    [("", "application/json"), ("*/*", "application/json"), ("text/csv", "text/csv"), ("image/png;q=0.8", "image/png")],
)
def test_whatever_is_acceptable_means_json(folder: Path, accept: str, seen: str) -> None:
    write(folder, WHOLE)
    content, kind = load(str(folder), None).invoke(b"1", "text/csv", accept)
    assert json.loads(content)[-2:] == [str(folder.resolve()), seen]
    assert kind == seen


def test_transform_fn_answers_alone(folder: Path) -> None:
    write(
        folder, "def model_fn(d): return 3\ndef transform_fn(m, data, ct, accept): return f'{m} {data} {ct} {accept}'"
    )
    assert load(str(folder), None).invoke(b"x", "text/csv", "text/plain") == (b"3 x text/csv text/plain", "text/plain")


def test_a_pair_is_a_body_and_its_content_type(folder: Path) -> None:
    write(folder, "def model_fn(d): return 3\ndef transform_fn(*a): return b'\\x00', 'image/png'")
    assert load(str(folder), None).invoke(b"x", "text/csv", "*/*") == (b"\x00", "image/png")


def test_handlers_may_ask_for_a_context(folder: Path) -> None:
    write(
        folder,
        "def model_fn(d, context): return context.system_properties['model_dir'] == d\n"
        "def transform_fn(m, data, ct, accept, context): return str(m and context.system_properties['gpu_id'])",
    )
    assert load(str(folder), None).invoke(b"", "text/csv", "text/plain")[0] == b"None"


def test_missing_handlers_have_defaults(folder: Path) -> None:
    joblib.dump(linear.LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), folder / "model.joblib")
    write(folder, "def predict_fn(data, model): return model.predict(data) + 100")
    assert ask(load(str(folder), None), "2\n3\n", "text/csv") == pytest.approx([104, 106])


def test_a_model_of_the_users_own_works_with_the_default_handlers(folder: Path) -> None:
    write(
        folder,
        "class M:\n    def predict(self, rows): return [float(sum(r)) for r in rows]\ndef model_fn(d): return M()",
    )
    assert ask(load(str(folder), None), {"instances": [[1, 2], [3, 4]]}) == {"predictions": [3.0, 7.0]}


def test_the_modules_beside_the_script_can_be_imported(folder: Path) -> None:
    (folder / "code" / "deep").mkdir()
    write(folder, "WORD = 'found'", "neighbour.py")
    write(
        folder,
        "import neighbour\ndef model_fn(d): return 1\ndef transform_fn(*a): return neighbour.WORD",
        "deep/serve.py",
    )
    assert load(str(folder), "deep/serve.py").invoke(b"", "text/csv", "text/plain")[0] == b"found"


def test_loading_leaves_the_folder_as_it_is(folder: Path) -> None:
    write(folder, "WORD = 'found'", "neighbour.py")
    write(folder, "import neighbour\ndef model_fn(d): return 1\n")
    before = sorted(folder.rglob("*"))
    load(str(folder), None)
    assert sorted(folder.rglob("*")) == before


def test_what_the_users_code_raises_passes_through(folder: Path) -> None:
    write(folder, "def model_fn(d): return 1\ndef transform_fn(*a): raise LookupError('no such house')")
    with pytest.raises(LookupError, match="no such house"):
        load(str(folder), None).invoke(b"", "text/csv", "*/*")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("def transform_fn(*a): pass\ndef input_fn(*a): pass", "transform_fn and input_fn"),
        ("x = 1", "none of the handlers"),
        ("def model_fn(:", "inference.py, line 1"),
        ("import nowhere_to_be_found", "Add nowhere_to_be_found to the file that train.requirements names"),
        ("def model_fn(d):\n    return open(d + '/gone')", "FileNotFoundError.*inference.py, line 2, in model_fn"),
        ("def model_fn(d):\n    raise SystemExit(3)", "SystemExit: 3"),
        ("import sys\nsys.exit('enough')", "SystemExit: enough"),
    ],
)
def test_a_script_that_cannot_be_used_says_what_is_wrong(folder: Path, script: str, words: str) -> None:
    write(folder, script)
    with pytest.raises(UnusableModelError, match=words):
        load(str(folder), None)


@pytest.mark.parametrize("script", ["gone.py", "../secret.py"])
def test_a_script_must_be_in_the_code_folder(folder: Path, script: str) -> None:
    (folder / "secret.py").write_text("def model_fn(d): return 1")
    with pytest.raises(UnusableModelError, match="no script"):
        load(str(folder), script)


# The default handlers


@pytest.fixture
def classifier(folder: Path) -> LoadedModel:
    frame = pandas.DataFrame({"age": [1.0, 2, 3, 4], "size": [0.0, 1, 0, 1]})
    joblib.dump(linear.LogisticRegression().fit(frame, ["no", "no", "yes", "yes"]), folder / "model.joblib")
    return load(str(folder), None)


RECORD = {"size": 1, "age": 4, "id": 17}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [RECORD]},
        {"inputs": [RECORD]},
        {"records": [RECORD]},
        {"inputs": RECORD},
        [RECORD],
        RECORD,
        {"columns": ["size", "age"], "data": [[1, 4]]},
        {"instances": [[4, 1]]},
        [[4, 1]],
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_rows_of_every_json_shape_are_understood(classifier: LoadedModel, body: object) -> None:
    assert ask(classifier, body)["predictions"] == ["yes"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("size,age,id\n1,4,17\n0,1,18\n", "text/csv"),
        ("\ufeffsize,age\n1,4\n0,1\n", "text/csv"),
        ('{"size": 1, "age": 4}\n\n{"size": 0, "age": 1}\n', "application/jsonlines"),
    ],
)
def test_columns_are_found_by_name_in_any_order(classifier: LoadedModel, body: str, content_type: str) -> None:
    answer = ask(classifier, body, content_type)
    assert answer["predictions"] == ["yes", "no"]
    assert answer["labels"] == ["no", "yes"]
    assert [sum(row) for row in answer["probabilities"]] == pytest.approx([1, 1])


def test_csv_answers_have_one_prediction_a_line(classifier: LoadedModel) -> None:
    assert ask(classifier, "size,age\n1,4\n0,1\n", "text/csv", "text/csv") == "yes\nno\n"


def test_json_lines_answers_have_one_prediction_a_line(classifier: LoadedModel) -> None:
    assert ask(classifier, [RECORD, RECORD], accept="application/jsonlines") == '"yes"\n"yes"\n'


def test_numpy_goes_in_and_out(folder: Path) -> None:
    joblib.dump(linear.LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), folder / "model.joblib")
    body = io.BytesIO()
    numpy.save(body, numpy.array([[2.0], [3.0]]))
    content, kind = load(str(folder), None).invoke(body.getvalue(), "application/x-npy", "application/x-npy")
    assert kind == "application/x-npy"
    assert numpy.load(io.BytesIO(content)).tolist() == pytest.approx([4, 6])


def test_a_missing_column_is_named(classifier: LoadedModel) -> None:
    with pytest.raises(UnreadableRequestError, match="lacks the column size"):
        ask(classifier, [{"age": 1}])


@pytest.mark.parametrize(
    ("body", "content_type", "words", "status"),
    [
        (b"{", "application/json", "not JSON", 400),
        (b"7", "application/json", "no rows", 400),
        (b"[]", "application/json", "no rows", 400),
        (b'[{"a": 1}, 2]', "application/json", "objects and some are not", 400),
        (b"\xff\xfe", "application/json", "not UTF-8", 400),
        (b"a,b\n1\n", "text/csv", "Line 2 of the CSV has 1 values for 2 columns", 400),
        (b"", "text/csv", "no rows", 400),
        (b"a,b\n", "text/csv", "a header and no rows", 400),
        (b"[[1, 2], [3]]", "application/json", "not all of one length", 400),
        (b"no array", "application/x-npy", "no .npy array", 400),
        (b"", "application/x-npy", "no .npy array", 400),
        (b"x", "image/png", "do not read image/png", 415),
    ],
)
def test_a_request_that_cannot_be_read_is_the_callers_mistake(
    classifier: LoadedModel, body: bytes, content_type: str, words: str, status: int
) -> None:
    with pytest.raises(UnreadableRequestError, match=words) as caught:
        classifier.invoke(body, content_type, "*/*")
    assert caught.value.status == status


def test_a_pickled_array_is_not_unpickled(classifier: LoadedModel) -> None:
    body = io.BytesIO()
    numpy.save(body, numpy.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(UnreadableRequestError, match="plain values"):
        classifier.invoke(body.getvalue(), "application/x-npy", "*/*")


def test_an_answer_that_nobody_can_give_is_refused(classifier: LoadedModel) -> None:
    with pytest.raises(UnreadableRequestError, match="do not answer with image/png") as caught:
        classifier.invoke(json.dumps([RECORD]).encode(), "application/json", "image/png")
    assert caught.value.status == 406


def test_an_undefined_number_becomes_null(folder: Path) -> None:
    write(
        folder,
        "class M:\n    def predict(self, rows): return [float('nan'), float('inf'), 1.5]\ndef model_fn(d): return M()",
    )
    model = load(str(folder), None)
    assert ask(model, [[1], [2], [3]]) == {"predictions": [None, None, 1.5]}
    assert ask(model, [[1], [2], [3]], accept="text/csv").splitlines()[2] == "1.5"


def test_a_model_that_was_fitted_without_names_gets_none(folder: Path) -> None:
    joblib.dump(linear.LinearRegression().fit([[0.0, 1], [1.0, 1]], [0.0, 2.0]), folder / "model.joblib")
    assert ask(load(str(folder), None), [{"a": 2, "b": 1}])["predictions"] == pytest.approx([4])


def test_text_reaches_a_text_model_as_text(folder: Path) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text", reason="scikit-learn is not there")
    pipeline = pytest.importorskip("sklearn.pipeline", reason="scikit-learn is not there")
    model = pipeline.make_pipeline(text.CountVectorizer(), linear.LogisticRegression())
    joblib.dump(model.fit(["good", "bad"], ["+", "-"]), folder / "model.joblib")
    assert ask(load(str(folder), None), {"instances": ["bad", "good"]})["predictions"] == ["-", "+"]


# Which file is the model


def test_no_model_file_is_an_error_that_says_what_would_be_one(folder: Path) -> None:
    (folder / "notes.md").write_text("")
    with pytest.raises(UnusableModelError, match=r"holds notes.md\).*\.joblib.*model_fn"):
        load(str(folder), None)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnusableModelError, match="no model folder"):
        load(str(tmp_path / "gone"), None)


def test_several_model_files_are_an_error_that_names_them(folder: Path) -> None:
    for name in ("model.joblib", "scaler.joblib"):
        joblib.dump(1, folder / name)
    with pytest.raises(UnusableModelError, match=r"model\.joblib, scaler\.joblib"):
        load(str(folder), None)


def test_files_that_are_no_models_do_not_count(folder: Path) -> None:
    (folder / "labels.json").write_text('{"a": 1}')
    (folder / "readme.txt").write_text("read me")
    joblib.dump(linear.LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), folder / "model.joblib")
    joblib.dump(1, folder / "code" / "cache.joblib")
    assert ask(load(str(folder), None), [[2]])["predictions"] == pytest.approx([4])


def test_a_model_that_lies_deeper_is_found(folder: Path) -> None:
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "model.pkl").write_bytes(
        pickle.dumps(linear.LinearRegression().fit([[0.0], [1.0]], [0, 2]))
    )
    assert ask(load(str(folder), None), [[2]])["predictions"] == pytest.approx([4])


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x80\x04\x95"])
def test_a_damaged_model_file_is_an_error_that_names_it(folder: Path, content: bytes) -> None:
    (folder / "model.pkl").write_bytes(content)
    with pytest.raises(UnusableModelError, match=r"model\.pkl cannot be loaded"):
        load(str(folder), None)


def test_a_class_that_the_model_needs_is_found_beside_the_script(folder: Path) -> None:
    write(folder, "class Twice:\n    def predict(self, rows): return rows[:, 0] * 2", "shapes_of_users.py")
    (folder / "model.pkl").write_bytes(b"cshapes_of_users\nTwice\n)\x81.")
    assert ask(load(str(folder), None), [[4]]) == {"predictions": [8]}


def test_a_class_that_is_not_there_is_explained(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(b"c__main__\nNowhere\n)\x81.")
    with pytest.raises(UnusableModelError, match="module beside the training script"):
        load(str(folder), None)


def test_a_module_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(b"cnowhere.at_all\nModel\n)\x81.")
    with pytest.raises(UnusableModelError, match=r"'nowhere'.*train\.requirements"):
        load(str(folder), None)


@pytest.mark.parametrize(
    ("name", "package"), [("m.onnx", "onnxruntime"), ("m.pt", "torch"), ("m.keras", "tensorflow"), ("m.ubj", "xgboost")]
)
def test_a_missing_package_is_named_with_what_to_do(folder: Path, name: str, package: str) -> None:
    for module in ("keras", package) if package == "tensorflow" else (package,):
        if module in sys.modules or is_installed(module):
            pytest.skip(f"{module} is installed")
    (folder / name).write_bytes(b"x")
    with pytest.raises(UnusableModelError, match=f"needs the package {package}.*train.requirements"):
        load(str(folder), None)


def is_installed(module: str) -> bool:
    """Tell whether the module can be imported."""
    try:
        __import__(module)
    except ImportError:
        return False
    return True


# Packages that are not always there

X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0], [5.0, 0.0]] * 10
NUMBERS = [row[0] * 2 + row[1] for row in X]
CLASSES = [int(row[0] > 2) for row in X]


def frame() -> Any:
    return pandas.DataFrame(X, columns=["a", "b"])


def make_xgboost_regressor(folder: Path, xgboost: Any) -> None:
    xgboost.XGBRegressor(n_estimators=50).fit(frame(), NUMBERS).save_model(folder / "model.json")


def make_xgboost_classifier(folder: Path, xgboost: Any) -> None:
    xgboost.XGBClassifier(n_estimators=20).fit(frame(), CLASSES).save_model(folder / "model.ubj")


def make_lightgbm_regressor(folder: Path, lightgbm: Any) -> None:
    options = {"objective": "regression", "min_data_in_leaf": 1, "verbose": -1}
    lightgbm.train(options, lightgbm.Dataset(frame(), NUMBERS), 200).save_model(folder / "model.txt")


def make_lightgbm_classifier(folder: Path, lightgbm: Any) -> None:
    options = {"objective": "binary", "min_data_in_leaf": 1, "verbose": -1}
    lightgbm.train(options, lightgbm.Dataset(frame(), CLASSES), 50).save_model(folder / "model.lgb")


def make_onnx_classifier(folder: Path, skl2onnx: Any) -> None:
    model = linear.LogisticRegression().fit(numpy.array(X), CLASSES)
    converted = skl2onnx.to_onnx(model, numpy.array(X[:1], dtype="float32"))
    (folder / "model.onnx").write_bytes(converted.SerializeToString())


def make_onnx_regressor(folder: Path, skl2onnx: Any) -> None:
    model = linear.LinearRegression().fit(numpy.array(X), NUMBERS)
    converted = skl2onnx.to_onnx(model, numpy.array(X[:1], dtype="float32"))
    (folder / "model.onnx").write_bytes(converted.SerializeToString())


def make_statsmodels(folder: Path, statsmodels: Any) -> None:
    statsmodels.OLS(numpy.array(NUMBERS), frame()).fit().save(folder / "model.pkl")


def make_statsmodels_formula(folder: Path, formula: Any) -> None:
    data = frame().assign(y=NUMBERS)
    formula.ols("y ~ a + b", data).fit().save(folder / "model.pickle")


def make_torchscript(folder: Path, torch: Any) -> None:
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight[:], layer.bias[:] = torch.tensor([[2.0, 1.0]]), 0.0
    torch.jit.save(torch.jit.script(layer), folder / "model.pt")


def make_torch(folder: Path, torch: Any) -> None:
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight[:], layer.bias[:] = torch.tensor([[2.0, 1.0]]), 0.0
    torch.save(layer, folder / "model.pth")


def make_keras(folder: Path, keras: Any) -> None:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.set_weights([numpy.array([[2.0], [1.0]]), numpy.array([0.0])])
    model.save(folder / "model.keras")


def make_saved_model(folder: Path, tensorflow: Any) -> None:
    class Doubled(tensorflow.Module):  # type: ignore[misc]  # it is there only at run time
        @tensorflow.function(  # type: ignore[untyped-decorator]
            input_signature=[tensorflow.TensorSpec([None, 2], tensorflow.float32)]
        )
        def __call__(self, rows: Any) -> Any:
            return {"outputs": tensorflow.linalg.matmul(rows, [[2.0], [1.0]])}

    module = Doubled()
    tensorflow.saved_model.save(module, str(folder / "1"), signatures={"serving_default": module.__call__})


MAKERS: dict[str, tuple[str, Callable[[Path, Any], None], bool]] = {
    "xgboost regressor": ("xgboost", make_xgboost_regressor, False),
    "xgboost classifier": ("xgboost", make_xgboost_classifier, True),
    "lightgbm regressor": ("lightgbm", make_lightgbm_regressor, False),
    "lightgbm classifier": ("lightgbm", make_lightgbm_classifier, True),
    "onnx regressor": ("skl2onnx", make_onnx_regressor, False),
    "onnx classifier": ("skl2onnx", make_onnx_classifier, True),
    "statsmodels": ("statsmodels.api", make_statsmodels, False),
    "statsmodels formula": ("statsmodels.formula.api", make_statsmodels_formula, False),
    "torchscript": ("torch", make_torchscript, False),
    "torch": ("torch", make_torch, False),
    "keras": ("keras", make_keras, False),
    "saved model": ("tensorflow", make_saved_model, False),
}


@pytest.mark.parametrize("kind", list(MAKERS))
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_models_of_other_packages_answer(folder: Path, kind: str, named: bool) -> None:
    package, make, is_classifier = MAKERS[kind]
    if "formula" in kind and not named:
        pytest.skip("A formula needs names.")
    make(folder, pytest.importorskip(package, reason=f"{package} is not installed"))
    rows: list[Any] = [{"a": 5.0, "b": 0.0}, {"a": 0.0, "b": 1.0}] if named else [[5.0, 0.0], [0.0, 1.0]]
    answer = ask(load(str(folder), None), {"instances": rows})
    if is_classifier:
        assert answer["predictions"] == [1, 0]
        assert answer["labels"] == [0, 1]
        assert [row[1] > 0.5 for row in answer["probabilities"]] == [True, False]
    else:
        assert answer["predictions"] == pytest.approx([10, 1], abs=0.2)


@pytest.mark.filterwarnings("ignore")
def test_prophet_forecasts_the_times_it_is_asked_for(folder: Path) -> None:
    prophet = pytest.importorskip("prophet", reason="prophet is not installed")
    times = pandas.date_range("2026-01-01", periods=60)
    model = prophet.Prophet().fit(pandas.DataFrame({"ds": times, "y": range(60)}))
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    answer = ask(load(str(folder), None), [{"ds": "2026-03-02"}, {"ds": "2026-03-03"}])
    assert answer["predictions"] == pytest.approx([60, 61], abs=1)


@pytest.mark.filterwarnings("ignore")
def test_weights_without_a_network_are_explained(folder: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.save(torch.nn.Linear(2, 1).state_dict(), folder / "model.pt")
    with pytest.raises(UnusableModelError, match="write a model_fn"):
        load(str(folder), None)
