"""Optimizers and schedules give what those of Keras and PyTorch give: comparison with stored values.

OPTIMIZERS_*: parameters START after six updates with `gradient(step, place)`, computed in float64. SCHEDULES_*: rates at STEPS.
Made with Keras 3.15.1 (JAX backend, Adafactor and the matrix of Muon TensorFlow's, floatx float64; its
schedules compute in float32) and PyTorch 2.13.0 by running their optimizers
and schedules with these arguments. PyTorch adds epsilon in another place than Keras for some optimizers: those run with epsilon 0;
its Nadam runs with momentum_decay=1 and epsilon 1e-7, its LBFGS with max_iter=1.
"""

import numpy as np
import pytest

import saltus as sl
from saltus.optim import from_config

# ruff: noqa: E501
START = [np.array([0.5, -1.0, 2.0]), np.array([[0.3, -0.2], [1.5, 0.0]])]
STEPS = [0, 1, 5, 6, 8, 13, 20, 29, 40]


def gradient(step, place):
    """The gradient of parameter `place` at a step."""
    waves = np.sin(1.3 * np.arange(START[place].size) + 0.7 * step + 2.0 * place + 0.3) * (1.0 + 0.5 * step)
    return waves.reshape(START[place].shape)


OPTIMIZERS_KERAS = {
    "SGD": (
        {"learning_rate": 0.1},
        [0.178704637484, -0.498062347534, 2.58983083067, 0.988484391721, 0.0210292499247, 0.929765739173, -0.526103243551],
    ),
    "SGD momentum": (
        {"learning_rate": 0.1, "momentum": 0.9},
        [-1.10459890421, -0.798069855172, 3.71263105862, 1.56336486424, 1.28118096594, 1.02906348251, -1.73313089951],
    ),
    "SGD nesterov": (
        {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
        [-1.2654343763, -0.316325217188, 4.13119878343, 2.12551276953, 1.35409211927, 0.505922873428, -2.08592105311],
    ),
    "RMSprop": (
        {"learning_rate": 0.01},
        [0.410469096295, -0.990564535858, 2.06475710137, 0.350405283406, -0.123267827102, 1.48019812028, -0.0554958181634],
    ),
    "RMSprop momentum": (
        {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5},
        [0.366566213102, -1.01164473029, 2.08315781966, 0.350118274592, -0.0805325407957, 1.4969015033, -0.0748007583128],
    ),
    "RMSprop centered": (
        {"learning_rate": 0.01, "centered": True, "momentum": 0.3},
        [0.349171970901, -1.00494045497, 2.10005216352, 0.36607019683, -0.0662602721921, 1.48744883087, -0.0908547470915],
    ),
    "Adam": (
        {"learning_rate": 0.01},
        [0.451989367671, -1.02089949863, 2.02588855027, 0.303368169837, -0.153545470377, 1.51592106259, -0.0282158721883],
    ),
    "Adam amsgrad": (
        {"learning_rate": 0.01, "beta_2": 0.9, "amsgrad": True},
        [0.453294007104, -1.02141536699, 2.02432482826, 0.302089620293, -0.154540139603, 1.51652029066, -0.0269592492087],
    ),
    "Adam epsilon": (
        {"learning_rate": 0.01, "epsilon": 0.1},
        [0.482906628306, -1.00366771887, 2.01526252309, 0.30778720415, -0.183390494912, 1.50109113739, -0.0163510863348],
    ),
    "AdamW": (
        {"learning_rate": 0.01},
        [0.451874950228, -1.02065488274, 2.02540795722, 0.303298642221, -0.153503114102, 1.5155568219, -0.028214781349],
    ),
    "Adagrad": (
        {"learning_rate": 0.1},
        [0.251218588753, -0.9725602966, 2.22997231559, 0.457825406346, 0.0232652113501, 1.44027273965, -0.240384118749],
    ),
    "Adadelta": (
        {"learning_rate": 1.0},
        [0.494475120199, -0.996580225717, 2.00756232829, 0.306268198391, -0.195859913809, 1.49589328976, -0.00629022452883],
    ),
    "Adamax": (
        {"learning_rate": 0.01},
        [0.463298170349, -1.02213149869, 2.01328713611, 0.297203226972, -0.164121116847, 1.51882952129, -0.0154241978457],
    ),
    "Nadam": (
        {"learning_rate": 0.01},
        [0.465691655664, -0.996588044419, 2.02598912901, 0.319720524186, -0.170340520531, 1.49249406164, -0.0231419764819],
    ),
    "Lion": (
        {"learning_rate": 0.01},
        [0.46, -1.0, 2.04, 0.32, -0.16, 1.5, -0.02],
    ),
    "Adam weight_decay": (
        {"learning_rate": 0.01, "weight_decay": 0.1},
        [0.449135940121, -1.01479866169, 2.01390244436, 0.301634157831, -0.152489254926, 1.50683679014, -0.0281885755849],
    ),
    "SGD clipnorm": (
        {"learning_rate": 0.1, "clipnorm": 1.0},
        [0.328245961558, -0.9549503118, 2.19585551609, 0.431494434219, -0.0596848954989, 1.44357381797, -0.170502979697],
    ),
    "SGD clipvalue": (
        {"learning_rate": 0.1, "clipvalue": 0.5},
        [0.357973780604, -0.978224001612, 2.13528284538, 0.428831998791, -0.0907127171257, 1.4466372199, -0.141691059718],
    ),
    "SGD global_clipnorm": (
        {"learning_rate": 0.1, "global_clipnorm": 1.0},
        [0.385637003228, -0.974319454024, 2.12810202871, 0.400695444375, -0.0962813199552, 1.45479380646, -0.127903887681],
    ),
    "SGD ema": (
        {"learning_rate": 0.1, "momentum": 0.5, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
        [0.185258770741, -0.927994014388, 2.35326426287, 0.578381449387, 0.085229018712, 1.3742154074, -0.352523481069],
    ),
    "Adam accumulation": (
        {"learning_rate": 0.01, "gradient_accumulation_steps": 2},
        [0.476887479901, -1.00752681923, 2.02585709838, 0.302950579326, -0.178182957558, 1.50435802793, -0.0255650520131],
    ),
    "Ftrl": (
        {"learning_rate": 0.1, "initial_accumulator_value": 0.125},
        [-0.127397715338, -0.637868969702, 0.575707354743, 0.330685131573, 0.144172950902, 0.93116252997, -0.241237342504],
    ),
    "Ftrl l1": (
        {"learning_rate": 0.1, "initial_accumulator_value": 0.25, "l1_regularization_strength": 0.3, "l2_regularization_strength": 0.1, "l2_shrinkage_regularization_strength": 0.05, "beta": 0.2},
        [-0.131359077731, -0.37521229911, 0.289082087101, 0.241859215832, 0.109445920565, 0.558822064779, -0.1945986146],
    ),
    "Ftrl power": (
        {"learning_rate": 0.1, "initial_accumulator_value": 0.5, "learning_rate_power": -0.3},
        [-0.222170565837, -0.129341517515, 0.397454418311, 0.367653358516, 0.185523115975, 0.218915882863, -0.317565888723],
    ),
    "Adafactor": (
        {"learning_rate": 0.1},
        [0.112500213887, -0.719823343081, 2.43164587216, 0.579299468126, 0.039367996688, 1.38242929251, -0.266869958238],
    ),
    "Adafactor more": (
        {"learning_rate": 2.0, "beta_2_decay": -0.5, "clip_threshold": 0.7, "epsilon_2": 0.01},
        [-1.76170289659, 0.457431316428, 4.18471663581, 2.32587908012, 1.36001152517, 0.755897694415, -1.91654420541],
    ),
    "Lamb": (
        {"learning_rate": 0.05},
        [0.0890092973451, -1.11705612879, 2.28409847623, 0.358115989202, 0.0370351678451, 1.55103328199, -0.178886340077],
    ),
    "Muon": (
        {"learning_rate": 0.05},
        [0.259486371952, -1.10318212573, 2.12702791822, 0.333433132392, -0.169786536662, 1.52526105809, -0.0238887595135],
    ),
    "Muon plain": (
        {"learning_rate": 0.05, "nesterov": False, "rms_rate": None, "ns_steps": 3, "momentum": 0.8, "adam_lr_ratio": 0.5, "weight_decay": None, "adam_weight_decay": None},
        [0.379973419176, -1.05224874658, 2.06472137567, 0.418223212723, -0.0933731067175, 1.60982794966, -0.0757013380693],
    ),
    "ScheduleFreeAdamW": (
        {"learning_rate": 0.05},
        [0.325072034324, -1.01271103598, 2.12310610316, 0.374390673904, -0.0432894715265, 1.49228168843, -0.113276473518],
    ),
    "ScheduleFreeAdamW warmup": (
        {"learning_rate": 0.05, "warmup_steps": 4, "beta_1": 0.8},
        [0.404946742441, -0.934552892828, 2.12697038697, 0.423092699611, -0.124536733524, 1.41830685969, -0.113217471368],
    ),
}  # fmt: skip

OPTIMIZERS_TORCH = {
    "SGD": (
        {"learning_rate": 0.1},
        [0.178704637484, -0.498062347534, 2.58983083067, 0.988484391721, 0.0210292499247, 0.929765739173, -0.526103243551],
    ),
    "SGD momentum": (
        {"learning_rate": 0.1, "momentum": 0.9},
        [-1.10459890421, -0.798069855172, 3.71263105862, 1.56336486424, 1.28118096594, 1.02906348251, -1.73313089951],
    ),
    "SGD nesterov": (
        {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
        [-1.2654343763, -0.316325217188, 4.13119878343, 2.12551276953, 1.35409211927, 0.505922873428, -2.08592105311],
    ),
    "Adam": (
        {"learning_rate": 0.01, "epsilon": 0.0},
        [0.451989205782, -1.02089956494, 2.02588847348, 0.303368114144, -0.153545346446, 1.51592112633, -0.0282155507403],
    ),
    "Adam amsgrad": (
        {"learning_rate": 0.01, "epsilon": 0.0, "beta_2": 0.9, "amsgrad": True},
        [0.453293990962, -1.02141537375, 2.0243248205, 0.302089614516, -0.154540127197, 1.51652029712, -0.02695921703],
    ),
    "AdamW": (
        {"learning_rate": 0.01, "epsilon": 0.0, "weight_decay": 0.05},
        [0.450560668348, -1.01784535685, 2.01988794612, 0.30250002085, -0.153016538518, 1.51137333073, -0.0282019099737],
    ),
    "RMSprop": (
        {"learning_rate": 0.01, "epsilon": 0.0},
        [0.410468903141, -0.990564554023, 2.06475686134, 0.350405258073, -0.123267736798, 1.4801981381, -0.0554935536602],
    ),
    "RMSprop momentum": (
        {"learning_rate": 0.01, "rho": 0.8, "epsilon": 0.0, "momentum": 0.5},
        [0.366566078463, -1.01164474349, 2.08315765249, 0.350118256034, -0.0805324776565, 1.49690151621, -0.0747991817838],
    ),
    "Adagrad": (
        {"learning_rate": 0.1, "epsilon": 0.0},
        [0.251218567009, -0.97256030161, 2.22997230529, 0.4578254006, 0.0232652279114, 1.44027274452, -0.24038411371],
    ),
    "Adadelta": (
        {"learning_rate": 1.0},
        [0.494475120199, -0.996580225717, 2.00756232829, 0.306268198391, -0.195859913809, 1.49589328976, -0.00629022452883],
    ),
    "Adamax": (
        {"learning_rate": 0.01, "epsilon": 0.0},
        [0.463298165441, -1.02213150108, 2.01328713335, 0.297203225351, -0.164121113105, 1.51882952368, -0.0154241873163],
    ),
    "Nadam": (
        {"learning_rate": 0.01},
        [0.465691655664, -0.996588044419, 2.02598912901, 0.319720524186, -0.170340520531, 1.49249406164, -0.0231419764819],
    ),
    "RAdam": (
        {"learning_rate": 0.01, "epsilon": 0.0},
        [0.452181998037, -1.02411919998, 2.03494410879, 0.309221844373, -0.150935423134, 1.51704613362, -0.0399797303657],
    ),
    "RAdam early": (
        {"learning_rate": 0.01, "epsilon": 0.0, "beta_2": 0.8},
        [0.44843475821, -1.01284683397, 2.04469221571, 0.322352202556, -0.149235370364, 1.50480675537, -0.0481930267735],
    ),
    "Rprop": (
        {"learning_rate": 0.01},
        [0.425584, -1.02056, 2.0082, 0.29984, -0.15496, 1.50016, -0.0082],
    ),
    "Rprop etas": (
        {"learning_rate": 0.01, "etas": [0.7, 1.5], "step_sizes": [0.001, 0.02]},
        [0.415, -1.011, 2.02325, 0.32125, -0.149, 1.47875, -0.02325],
    ),
    "ASGD": (
        {"learning_rate": 0.1, "lambd": 0.01},
        [0.177315321105, -0.493842689289, 2.57534699759, 0.983968677475, 0.0210035576165, 0.922875556336, -0.523775007402],
    ),
    "LBFGS": (
        {"learning_rate": 0.1, "history_size": 3},
        [-0.170222870226, -0.815950364881, 2.76868899383, 0.921784232732, 0.402349606522, 1.2004713956, -0.762596708154],
    ),
}  # fmt: skip

SCHEDULES_KERAS = {
    "ExponentialDecay": (
        {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
        [0.1, 0.0933032992, 0.0707106781, 0.0659753955, 0.0574349177, 0.0406126198, 0.025, 0.0133971683, 0.00625],
    ),
    "ExponentialDecay staircase": (
        {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5, "staircase": True},
        [0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.025, 0.025, 0.00625],
    ),
    "CosineDecay": (
        {"initial_learning_rate": 0.1, "decay_steps": 30, "alpha": 0.1},
        [0.100000001, 0.0997534841, 0.0939711481, 0.0914057642, 0.085110873, 0.0643560216, 0.0324999951, 0.0102465143, 0.0100000007],
    ),
    "CosineDecay warmup": (
        {"initial_learning_rate": 0.01, "decay_steps": 30, "alpha": 0.1, "warmup_target": 0.2, "warmup_steps": 8},
        [0.01, 0.03375, 0.12875, 0.1525, 0.2, 0.18794229, 0.137811518, 0.0570993304, 0.0200000003],
    ),
    "CosineDecayRestarts": (
        {"initial_learning_rate": 0.1, "first_decay_steps": 7, "t_mul": 2.0, "m_mul": 0.8, "alpha": 0.05},
        [0.1, 0.0952960175, 0.0228842346, 0.00970397964, 0.0800472603, 0.051455796, 0.00595273972, 0.0543540916, 0.0192262268],
    ),
    "CosineDecayRestarts even": (
        {"initial_learning_rate": 0.1, "first_decay_steps": 7, "t_mul": 1.0, "m_mul": 0.8},
        [0.1, 0.0950484395, 0.0188255101, 0.00495155752, 0.0760387516, 0.00396124601, 0.00316899681, 0.0389318408, 0.00616874316],
    ),
    "PolynomialDecay": (
        {"initial_learning_rate": 0.1, "decay_steps": 25, "end_learning_rate": 0.01, "power": 2.0},
        [0.1, 0.092944, 0.0676, 0.061984, 0.051616, 0.030736, 0.0136, 0.01, 0.01],
    ),
    "PolynomialDecay cycle": (
        {"initial_learning_rate": 0.1, "decay_steps": 12, "end_learning_rate": 0.01, "power": 0.5, "cycle": True},
        [0.1, 0.0961684397, 0.0787386354, 0.0736396103, 0.0619615242, 0.070930288, 0.0467423461, 0.0496862697, 0.0467423461],
    ),
    "PiecewiseConstantDecay": (
        {"boundaries": [5, 20], "values": [0.1, 0.05, 0.01]},
        [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.01, 0.01],
    ),
    "InverseTimeDecay": (
        {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5},
        [0.1, 0.0909090909, 0.0666666667, 0.0625, 0.0555555556, 0.0434782609, 0.0333333333, 0.0256410256, 0.02],
    ),
    "InverseTimeDecay staircase": (
        {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5, "staircase": True},
        [0.1, 0.1, 0.0666666667, 0.0666666667, 0.0666666667, 0.05, 0.0333333333, 0.0285714286, 0.02],
    ),
}  # fmt: skip

SCHEDULES_TORCH = {
    "StepLR": (
        {"learning_rate": 0.2, "step_size": 7, "gamma": 0.5},
        [0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.05, 0.0125, 0.00625],
    ),
    "MultiStepLR": (
        {"learning_rate": 0.2, "milestones": [5, 20], "gamma": 0.3},
        [0.2, 0.2, 0.06, 0.06, 0.06, 0.06, 0.018, 0.018, 0.018],
    ),
    "ExponentialLR": (
        {"learning_rate": 0.2, "gamma": 0.9},
        [0.2, 0.18, 0.118098, 0.1062882, 0.086093442, 0.0508373165666, 0.0243153309181, 0.00942025739449, 0.00295617658829],
    ),
    "CosineAnnealingLR": (
        {"learning_rate": 0.2, "T_max": 25, "eta_min": 0.01},
        [0.2, 0.199250896625, 0.181856614466, 0.174252019605, 0.155903545523, 0.0990349006447, 0.0281433855344, 0.0217508653958, 0.134356614466],
    ),
    "CosineAnnealingWarmRestarts": (
        {"learning_rate": 0.2, "T_0": 6, "T_mult": 2, "eta_min": 0.01},
        [0.2, 0.18727241336, 0.0227275866405, 0.2, 0.18727241336, 0.0804121907153, 0.196762953497, 0.117399988261, 0.0132370465025],
    ),
    "LinearLR": (
        {"learning_rate": 0.2, "start_factor": 0.25, "end_factor": 0.75, "total_iters": 10},
        [0.05, 0.06, 0.1, 0.11, 0.13, 0.15, 0.15, 0.15, 0.15],
    ),
    "PolynomialLR": (
        {"learning_rate": 0.2, "total_iters": 25, "power": 2.0},
        [0.2, 0.18432, 0.128, 0.11552, 0.09248, 0.04608, 0.008, 0.0, 0.0],
    ),
    "OneCycleLR": (
        {"max_lr": 0.5, "total_steps": 42},
        [0.02, 0.0287480017954, 0.208407094349, 0.272993338061, 0.394684895687, 0.497207717725, 0.405872826975, 0.17886938787, 0.00142793613772],
    ),
    "OneCycleLR three": (
        {"max_lr": 0.5, "total_steps": 42, "anneal_strategy": "linear", "three_phase": True},
        [0.02, 0.0613793103448, 0.226896551724, 0.268275862069, 0.351034482759, 0.442068965517, 0.152413793103, 0.0134837977528, 0.00112548314607],
    ),
    "CyclicLR": (
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4},
        [0.1, 0.2, 0.4, 0.3, 0.1, 0.4, 0.5, 0.4, 0.1],
    ),
    "CyclicLR two": (
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "step_size_down": 9, "mode": "triangular2"},
        [0.1, 0.2, 0.455555555556, 0.411111111111, 0.322222222222, 0.1, 0.233333333333, 0.175, 0.1125],
    ),
    "CyclicLR exp": (
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "mode": "exp_range", "gamma": 0.9},
        [0.1, 0.19, 0.277147, 0.2062882, 0.1, 0.17625597485, 0.148630661836, 0.114130386092, 0.1],
    ),
}  # fmt: skip


def trained(optimizer, updates=6):
    """START after some updates, as one list of numbers."""
    params = {f"p{k}": sl.asarray(a) for k, a in enumerate(START)}
    state = optimizer.init(params)
    for step in range(updates):
        gradients = {f"p{k}": sl.asarray(gradient(step, k)) for k in range(len(START))}
        params, state = optimizer.update(gradients, state, params, step)
    return [v for p in params.values() for v in p.numpy().ravel().tolist()]


def made(case, arguments):
    return from_config({"class": case.split()[0], **arguments})


@pytest.mark.parametrize("case", OPTIMIZERS_KERAS)
def test_optimizers_move_parameters_as_in_keras(case):
    arguments, values = OPTIMIZERS_KERAS[case]
    assert trained(made(case, arguments)) == pytest.approx(values, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("case", OPTIMIZERS_TORCH)
def test_optimizers_move_parameters_as_in_pytorch(case):
    arguments, values = OPTIMIZERS_TORCH[case]
    assert trained(made(case, arguments)) == pytest.approx(values, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("case", SCHEDULES_KERAS)
def test_schedules_give_the_rates_of_keras(case):
    arguments, values = SCHEDULES_KERAS[case]
    assert [float(made(case, arguments)(t)) for t in STEPS] == pytest.approx(values, rel=2e-6, abs=2e-8)


@pytest.mark.parametrize("case", SCHEDULES_TORCH)
def test_schedules_give_the_rates_of_pytorch(case):
    arguments, values = SCHEDULES_TORCH[case]
    assert [float(made(case, arguments)(t)) for t in STEPS] == pytest.approx(values, rel=1e-9, abs=1e-12)


def test_the_mean_that_asgd_keeps_is_that_of_pytorch():
    optimizer = sl.optim.ASGD(0.1, lambd=0.01, alpha=0.9, t0=2)
    params = {f"p{k}": sl.asarray(a) for k, a in enumerate(START)}
    state = optimizer.init(params)
    for step in range(6):
        params, state = optimizer.update({f"p{k}": sl.asarray(gradient(step, k)) for k in range(2)}, state, params, step)
    values = [0.0393010236883, -0.805074774586, 2.54986787397, 0.784104442295, 0.202305605462, 1.22163040635, -0.546239806518]
    assert [v for p in optimizer.averaged(state).values() for v in p.numpy().ravel()] == pytest.approx(values, rel=1e-9)
