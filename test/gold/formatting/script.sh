#!/usr/bin/env bash

# --- haggling: 2026-09-30 17:49:49.393070+00:00, finished
# determine whether the gourd is worth 3 or 4 shekels
# apparently, it is worth NaN shekels.
# To bring back the code in a folder of its own:
#     git clone --no-checkout -- https://example.org/me/myproject.git code
#     git -C code checkout --detach f9ab74313efe0b700bc48317e69263b53314d89e
# There were changes to 2 files that were not committed; smt view haggling tells them.
# Parameters (romans.param; changed: tau_m):
#     seed = 1234 # seed for random number generator
#     distr = "uniform"
#     n = 100
#     tau_m = 20.0
(cd -- /home/user/myproject && /usr/bin/python main.py romans.param)

# --- 20260930-175111: 2026-09-30 17:51:11.393070+00:00, failed, exit status 3
# test effect of a smaller
# time constant
# To bring back the code in a folder of its own:
#     git clone --no-checkout -- https://example.org/me/myproject.git code
#     git -C code checkout --detach f9ab74313efe0b700bc48317e69263b53314d89e
# Parameters (p.yaml):
#     seed: 1234
#     neuron: {tau_m: -10.0}
(cd -- /home/user/myproject && /usr/bin/python main.py romans.param)

# --- 日本語: 2026-10-01 17:49:49.393070+00:00, running
./model 'a b'
