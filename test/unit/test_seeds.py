"""Seeds of random numbers are known by what they are called."""

import pytest

from sumatra.capture.seeds import seeds


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("seed", 17, "17"), ("rng_seed", "42", "42"), ("network.seed", 1.0, "1"), ("random_state", 0, "0"),
        ("np_seed", -3, "-3"), ("SEED", "0xFF", "0xFF"), ("rngSeed", 5, "5"), ("RNGSeed", 5, "5"), ("seed2", 9, "9"),
        ("seed_value", 9, "9"), ("seeds", [1, 2, 3], "[1, 2, 3]"), ("seeds.numpy", 4, "4"), ("rngseed", 8, "8"),
        ("sim.noise-seed", 3, "3"), ("randomState", 7, "7"), ("seed", 2**128, str(2**128)),
    ],
)  # fmt: skip
def test_a_parameter_called_like_a_seed_is_one(name, value, text):
    assert seeds({name: value}, {}) == {name: text}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_seeds", 10), ("use_seed", 1), ("seed_mass", 3), ("linseed", 2), ("reseed", 1), ("seedling", 4), ("tau", 2),
        ("seed", None), ("seed", True), ("seed", 0.5), ("seed", "abandon ability able about"), ("seed_phrase", "12"),
        ("seeds", []), ("seeds", [1, "word"]), ("seed", {"a": 1}), ("number_of_seeds", 2), ("seed", "1" * 100), ("", 1),
        ("seed", 10**1000), ("seed", float("nan")), ("seed", float("inf")),
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_seed_is_none(name, value):
    assert seeds({name: value}, {}) == {}


def test_seeds_in_the_environment_are_told():
    environment = {"PYTHONHASHSEED": "random", "GSL_RNG_SEED": "123", "MODEL_SEED": "7", "WALLET_SEED": "legal winner",
                   "HOME": "/seed"}
    assert seeds({}, environment) == {"PYTHONHASHSEED": "random", "GSL_RNG_SEED": "123", "MODEL_SEED": "7"}
