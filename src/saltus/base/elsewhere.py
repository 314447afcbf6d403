"""What other systems call the things of saltus: whoever asks for a name of theirs is told the one here. The lowest layer.

Only an access that fails comes here.
"""

from __future__ import annotations

from collections.abc import Iterable

_SHAPE = "a layer finds the width of its input by itself"
_RECORD = "not there: an optimizer holds no state; params, state = optimizer.update(gradients, state, params, step)"
NAMES: dict[str, dict[str, str]] = {
    "saltus.nn": {
        "Linear": f"nn.Dense(units); {_SHAPE}",
        "Module": "nn.Layer: a record with a method call(self, scope, x)",
        "Parameter": "scope.param(name, shape, initializer), in the call of an nn.Layer",
        "ModuleList": "a field of an nn.Layer that holds a tuple of layers; scope.run(layer, x) runs one",
        "functional": "sl, such as sl.relu and sl.softmax, and nn.activations",
        "Conv1d": "nn.Conv1D", "Conv2d": "nn.Conv2D", "Conv3d": "nn.Conv3D", "Embed": "nn.Embedding",
        "MaxPool1D": "nn.MaxPooling1D", "MaxPool2D": "nn.MaxPooling2D", "MaxPool3D": "nn.MaxPooling3D",
        "AvgPool1D": "nn.AveragePooling1D", "AvgPool2D": "nn.AveragePooling2D", "AvgPool3D": "nn.AveragePooling3D",
        "GlobalAvgPool2D": "nn.GlobalAveragePooling2D", "GlobalMaxPool2D": "nn.GlobalMaxPooling2D",
        "StringLookup": "not a layer, since networks hold numbers: sl.fit_texts and sl.fit_table number words and categories",
        "TextVectorization": "not a layer, since networks hold numbers: sl.fit_texts, or a tokenizer of sl.data, numbers words",
        "MaxPool1d": "nn.MaxPooling1D", "MaxPool2d": "nn.MaxPooling2D", "MaxPool3d": "nn.MaxPooling3D",
        "AvgPool1d": "nn.AveragePooling1D", "AvgPool2d": "nn.AveragePooling2D", "AvgPool3d": "nn.AveragePooling3D",
        "AdaptiveAvgPool2d": "nn.AdaptiveAveragePooling2D, or nn.GlobalAveragePooling2D",
        "ConvTranspose1d": "nn.Conv1DTranspose", "ConvTranspose2d": "nn.Conv2DTranspose", "ConvTranspose3d": "nn.Conv3DTranspose",
        "BatchNorm1d": "nn.BatchNormalization", "BatchNorm2d": "nn.BatchNormalization", "BatchNorm3d": "nn.BatchNormalization",
        "LayerNorm": "nn.LayerNormalization", "GroupNorm": "nn.GroupNormalization", "RMSNorm": "nn.RMSNormalization",
        "InstanceNorm2d": "nn.InstanceNormalization",
        "Dropout1d": "nn.SpatialDropout1D", "Dropout2d": "nn.SpatialDropout2D", "Dropout3d": "nn.SpatialDropout3D",
        "Upsample": "nn.UpSampling2D, or nn.Resizing", "ZeroPad2d": "nn.ZeroPadding2D",
        "MultiheadAttention": "nn.MultiHeadAttention; its masks are True where attention goes",
        "TransformerEncoderLayer": "nn.TransformerEncoder", "TransformerDecoderLayer": "nn.TransformerDecoder",
        "GELU": 'nn.Activation("gelu")', "SiLU": 'nn.Activation("silu")', "Sigmoid": 'nn.Activation("sigmoid")',
        "Tanh": 'nn.Activation("tanh")', "LogSoftmax": 'nn.Activation("log_softmax")', "Hardswish": 'nn.Activation("hard_swish")',
        "CrossEntropyLoss": "nn.losses.SparseCategoricalCrossentropy, for class numbers",
        "BCELoss": "nn.losses.BinaryCrossentropy", "BCEWithLogitsLoss": "nn.losses.BinaryCrossentropy(from_logits=True)",
        "MSELoss": "nn.losses.MeanSquaredError", "L1Loss": "nn.losses.MeanAbsoluteError", "HuberLoss": "nn.losses.Huber",
        "SmoothL1Loss": "nn.losses.SmoothL1", "NLLLoss": "nn.losses.NLL", "KLDivLoss": "nn.losses.KLDivergence", "CTCLoss": "nn.losses.CTC",
        "TripletMarginLoss": "nn.losses.TripletMargin", "CosineEmbeddingLoss": "nn.losses.CosineEmbedding",
        "MarginRankingLoss": "nn.losses.MarginRanking", "GaussianNLLLoss": "nn.losses.GaussianNLL",
        "PoissonNLLLoss": "nn.losses.PoissonNLL",
    },
    "saltus.optim": {
        "lr_scheduler": "not needed: a schedule stands in the place of the rate, optim.Adam(optim.CosineDecay(1e-2, 500))",
        "swa_utils": "sl.train.stochastic_weight_averaging",
        "ReduceLROnPlateau": "sl.train.ReduceLROnPlateau, a callback", "SparseAdam": "optim.Adam",
        "LossScaleOptimizer": "not needed: optim.Adam(loss_scale_factor=1024)",
        **{name.lower(): f"optim.{name}" for name in (
            "SGD", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "RAdam", "Adagrad", "Adadelta", "Adafactor", "Ftrl", "Lamb", "Lion",
            "Muon", "LBFGS", "Rprop", "ASGD")},
    },
    "saltus.random": {
        "rand": "sl.random.uniform(key, shape)", "randn": "sl.random.normal(key, shape)", "random": "sl.random.uniform(key, shape)",
        "seed": "sl.random.key(seed), handed to whatever draws", "shuffle": "sl.random.permutation(key, x)", "PRNGKey": "sl.random.key",
        "default_rng": "sl.random.key(seed); the functions take the key first", "standard_normal": "sl.random.normal(key, shape)",
        "integers": "sl.random.randint", "beta": "not there", "poisson": "not there",
    },
    "Optimizer": {
        "step": _RECORD, "zero_grad": "not needed: sl.grad returns new gradients each time", "param_groups": _RECORD,
        "apply_gradients": _RECORD, "apply": _RECORD, "minimize": _RECORD, "state_dict": "not needed: state is what init and update return",
        "build": "optimizer.init(params)", "variables": "what init and update return",
    },
    "saltus": {
        "load_model": "sl.load(path)", "Input": "nn.Input", "Dense": "nn.Dense", "Module": "nn.Layer",
        "utils": "sl itself: sl.one_hot for to_categorical, sl.random.key(seed) and sl.Model(..., seed=1) for set_random_seed",
        "to_categorical": "sl.one_hot(x, classes)", "set_random_seed": "sl.random.key(seed); sl.Model(..., seed=1)",
        "array": "sl.asarray(values)", "from_numpy": "sl.asarray(values), without a copy",
        "no_grad": "not needed: only what goes through sl.grad is differentiated", "autograd": "sl.grad, sl.value_and_grad, sl.vjp, sl.jvp",
        "inference_mode": "not needed: only what goes through sl.grad is differentiated",
        "manual_seed": "sl.random.key(seed), handed to whatever draws; sl.Model(..., seed=1)",
        "compile": "sl.jit(function)", "device": "not needed: there is one device, the CPU", "cuda": "not there; the CPU is used",
        "Sequential": "nn.Sequential", "layers": "nn", "keras": "nn, optim and sl.Model", "losses": "nn.losses", "metrics": "nn.metrics",
        "callbacks": "sl.train: sl.train.EarlyStopping", "optimizers": "sl.optim", "EarlyStopping": "sl.train.EarlyStopping",
        "cat": "sl.concat", "permute": "sl.permute_dims", "mm": "sl.matmul", "bmm": "sl.matmul", "clamp": "sl.clip", 
        "vmap": "not there; write the function for a batch", "pmap": "not there", "numpy": "sl itself",
    },
    "Tensor": {
        "backward": "not there: derivatives are of functions, sl.grad(loss)(params)",
        "grad": "not there: derivatives are of functions, sl.grad(loss)(params)",
        "requires_grad": "not needed: sl.grad(loss)(params) says what is differentiated",
        "detach": "sl.stop_gradient(x)", "clone": "not needed: no function changes a Tensor",
        "cpu": "not needed: Tensors are on the CPU", "cuda": "not there: Tensors are on the CPU", "to": "x.astype(dtype)",
        "view": "x.reshape(shape)", "unsqueeze": "sl.expand_dims(x, axis=0), or x[None]", "permute": "sl.permute_dims(x, axes)",
        "float": 'x.astype("float32")', "long": 'x.astype("int64")', "add_": "x = x + y: no function changes a Tensor",
    },
    "Model": {
        "get_layer": "model.network.layers, and model.params[name] for the numbers", "to_json": "nn.to_config(model.network)",
        "predict_classes": "model.predict(x).argmax(axis=-1)", "predict_generator": "model.predict", "fit_generator": "model.fit",
        "train": "not needed: fit trains, predict and evaluate do not", "eval": "not needed: predict and evaluate do not train",
        "parameters": "model.params, a tree of Tensors", "state_dict": "model.snapshot(), or save_weights(path)",
        "load_state_dict": "model.restore(snapshot), or load_weights(path)", "layers": "model.network, and model.summary()",
        "get_weights": "model.params, or model.snapshot()", "set_weights": "model.restore(snapshot)",
        "weights": "model.params, a tree of Tensors", "trainable": "a field of each layer: nn.Dense(8, trainable=False)",
        "zero_grad": "not needed: fit, or sl.grad in a step of your own", "to": "not needed: there is one device, the CPU",
    },
}  # fmt: skip

# Arguments of layers in other systems: the name here, and those that are not needed.
RENAMED = {
    "p": "rate", "out_features": "units", "hidden_size": "units", "out_channels": "filters", "num_embeddings": "input_dim",
    "embedding_dim": "output_dim", "bias": "use_bias", "eps": "epsilon", "dilation": "dilation_rate", "stride": "strides",
    "nb_filter": "filters", "elementwise_affine": "scale", "affine": "scale", "alpha": "negative_slope",
    "init": "kernel_initializer", "num_units": "units", "output_dim": "units",
}  # fmt: skip
NOT_NEEDED = {
    "input_shape": f"{_SHAPE}; or begin the network with nn.Input(shape)",
    "batch_input_shape": f"{_SHAPE}; or begin the network with nn.Input(shape)",
    "input_dim": _SHAPE, "in_features": _SHAPE, "in_channels": _SHAPE, "input_size": _SHAPE, "num_channels": _SHAPE,
    "normalized_shape": _SHAPE, "num_features": _SHAPE,
    "batch_first": "the batch always comes first", "inplace": "no function changes its input", "device": "there is one device, the CPU",
    "dtype": "sl.Model(..., dtype=...) is for the whole network", "num_layers": "put several layers one after the other",
    "bidirectional": "nn.Bidirectional(layer)", "weights": "model.restore(snapshot) gives a network its numbers",
    "track_running_stats": "trainable=False keeps the averages as they are", "padding_mode": "nn.ZeroPadding2D and kin, or sl.pad",
}  # fmt: skip


def argument(name: str, known: Iterable[str]) -> str | None:
    """What to write in place of an argument of another system, or None where that is not known.

    Args:
        name: the argument that a layer does not have.
        known: those it has.

    Example:
        >>> argument("p", ("rate", "seed"))
        'here it is rate'
    """
    if RENAMED.get(name) in set(known):
        return f"here it is {RENAMED[name]}"
    return f"leave it out: {NOT_NEEDED[name]}" if name in NOT_NEEDED else None


def missing(owner: str, name: str) -> AttributeError:
    """The error for a name that is not there, with what to write instead where that is known.

    Args:
        owner: a key of NAMES; it stands in the message.
        name: what was asked for.

    Example:
        >>> print(missing("saltus.nn", "Linear"))
        saltus.nn has no 'Linear'; here it is: nn.Dense(units); a layer finds the width of its input by itself
    """
    here, what = NAMES[owner].get(name), f"{owner} has no {name!r}"
    if here is None:  # Python itself adds the nearest name to it
        return AttributeError(what)
    return AttributeError(f"{what}; {here}" if here.startswith("not ") else f"{what}; here it is: {here}")
