"""What other tools take, measured in November 2026 on a machine of two cores with the same workloads, in this way.

Wall time added to the bare command in ms; peak memory in MiB.
"""

#: tool: W1, W2, W3, W4, memory
ADDED = {
    "git rev-parse, status, diff (a floor)": ("9", "~0", "114", "54", "13"),
    "Sumatra 0.8.1": ("776", "3187", "1888", "5063", "69; W4 1092"),
    "recipy 0.3 (Python only)": ("160", "305", "269", "235, no digest", "28–49"),
    "signac 2 (script)": ("242", "211", "492", "1419", "34"),
    "ReproZip 1.3 trace": ("367", "716", "3381", "509, no digest", "39"),
    "DataLad 1.7 run": ("313", "530", "896", "5263", "30–59"),
    "Sacred 0.8.7": ("394", "379", "572", "3131", "50"),
    "Guild AI 0.9": ("589", "613", "347", "3444", "40"),
    "noWorkflow 2.1": ("860", "1169", "872", "52970", "75–115; W4 7015"),
    "DVC 3.67 exp run": ("1045", "1114", "1408", "8709", "93"),
    "Aim 3.29 (script)": ("1060", "1034", "1119", "463", "104"),
    "W&B offline (script)": ("1121", "962", "1065", "3650", "65; W4 1088"),
    "MLflow 3.18 (script)": ("3563", "2369", "2377", "7273", "216"),
    "aiida-shell": ("2463", "2522", "15897", "10235", "118"),
    "ClearML offline": ("7453", "12397", "12702", "47518", "74"),
}

#: question: wall time in ms with 10,000 runs
LISTED = {
    "Sumatra 0.8.1, list": "1159",
    "Sumatra 0.8.1, list -p x=3": "52424",
    "MLflow, runs list": "17312",
    "MLflow, search params.x=3 (script)": "3191",
    "DVC, exp show (warm)": "129975",
    "Guild AI, runs (the last 20)": "1079",
    "Guild AI, runs -F x=3": "9090",
}
