"""What other systems call the things of saltus: whoever asks for a name of theirs is told the one here. The lowest layer.

Only an access that fails comes here.
"""

from __future__ import annotations

_SHAPE = "a layer finds the width of its input by itself"
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
    "saltus": {
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
        "train": "not needed: fit trains, predict and evaluate do not", "eval": "not needed: predict and evaluate do not train",
        "parameters": "model.params, a tree of Tensors", "state_dict": "model.snapshot(), or save_weights(path)",
        "load_state_dict": "model.restore(snapshot), or load_weights(path)", "layers": "model.network, and model.summary()",
        "get_weights": "model.params, or model.snapshot()", "set_weights": "model.restore(snapshot)",
        "weights": "model.params, a tree of Tensors", "trainable": "a field of each layer: nn.Dense(8, trainable=False)",
        "zero_grad": "not needed: fit, or sl.grad in a step of your own", "to": "not needed: there is one device, the CPU",
    },
}  # fmt: skip


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
