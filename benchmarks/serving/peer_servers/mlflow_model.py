"""MLflow's scoring server wants the model in a folder of its own format."""

import sys

import mlflow.sklearn
import model

mlflow.sklearn.save_model(model.load(), sys.argv[1], serialization_format="cloudpickle")
