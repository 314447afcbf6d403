"""Networks as scikit-learn estimators, reached as `sl.sklearn`; needs the extra `sklearn`.

They work in pipelines, searches and `clone`; a pickle of one (joblib's too) holds the bytes of its model file.
"""

from saltus.base.errors import ArgumentError

try:
    from sklearn.utils.validation import validate_data  # noqa: F401
except ImportError as error:
    raise ArgumentError("sl.sklearn needs scikit-learn 1.6 or later, but it is missing", fix='pip install "saltus[sklearn]"') from error

from saltus.train.estimators.autoencoder import NetworkAutoencoder
from saltus.train.estimators.supervised import NetworkClassifier, NetworkRegressor

__all__ = ["NetworkAutoencoder", "NetworkClassifier", "NetworkRegressor"]
