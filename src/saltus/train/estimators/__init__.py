"""Networks as scikit-learn estimators, reached as `sl.sklearn`; needs the extra `sklearn`.

They work in pipelines, searches and `clone`; a pickle of one (joblib's too) holds the bytes of its model file.
"""

from saltus.train.estimators.autoencoder import NetworkAutoencoder
from saltus.train.estimators.supervised import NetworkClassifier, NetworkRegressor

__all__ = ["NetworkAutoencoder", "NetworkClassifier", "NetworkRegressor"]
