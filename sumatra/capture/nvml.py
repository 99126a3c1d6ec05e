"""NVIDIA's graphics processors, asked through the library that comes with their driver (NVML)."""

import ctypes
from collections.abc import Callable

__all__ = ["LIBRARY", "usage"]

LIBRARY = "libnvidia-ml.so.1"


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))  # per cent


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def usage(library: str = LIBRARY) -> Callable[[], tuple[float, int] | None]:
    """Return what tells how many processors are in use (1.0: one in full), and how many bytes of their memory.

    Raises `OSError` if there is no such library or it doesn't find the driver.
    """
    nvml = ctypes.CDLL(library)
    if nvml.nvmlInit_v2():
        raise OSError("the library doesn't find the driver")
    count = ctypes.c_uint()
    if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)):
        raise OSError("the library doesn't tell how many there are")
    devices = []
    for index in range(count.value):
        device = ctypes.c_void_p()
        if not nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(device)):
            devices.append(device)

    def ask() -> tuple[float, int] | None:
        used, memory = 0.0, 0
        for device in devices:
            rates, room = _Utilization(), _Memory()
            if not nvml.nvmlDeviceGetUtilizationRates(device, ctypes.byref(rates)):
                used += rates.gpu / 100
            if not nvml.nvmlDeviceGetMemoryInfo(device, ctypes.byref(room)):
                memory += room.used
        return (round(used, 2), memory) if devices else None

    return ask
