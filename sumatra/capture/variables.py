"""The environment variables that can change a result: by allow-list, never the whole environment."""

from collections.abc import Mapping

from sumatra.capture.secrets import hide, mask

__all__ = ["environment", "is_allowed", "is_secret"]

_NAMES = frozenset({
    # where programs and libraries are found
    "CLASSPATH", "CPATH", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "LIBRARY_PATH",
    "MATLABPATH", "PATH", "PERL5LIB", "PERL5OPT", "PKG_CONFIG_PATH", "RUBYLIB", "RUBYOPT", "NODE_OPTIONS", "NODE_PATH",
    # language, time, chance, places
    "LANG", "LANGUAGE", "SOURCE_DATE_EPOCH", "TMPDIR", "TZ", "TZDIR",
    # environments and modules
    "LMOD_FAMILY_COMPILER", "LMOD_FAMILY_MPI", "LOADEDMODULES", "MODULEPATH", "MODULESHOME", "PIPENV_ACTIVE",
    "GUIX_ENVIRONMENT", "IN_NIX_SHELL", "SINGULARITY_CONTAINER", "SINGULARITY_NAME", "VIRTUAL_ENV",
    # devices
    "GPU_DEVICE_ORDINAL", "NVIDIA_VISIBLE_DEVICES", "OCL_ICD_VENDORS", "ZE_AFFINITY_MASK",
    # simulators
    "HOC_LIBRARY_PATH", "NEURONHOME", "NRNHOME", "N_NRN", "SIMPATH", "SLI_PATH",
    # numbers and pictures
    "ATLAS_NUM_THREADS", "FLEXIBLAS", "GLIBC_TUNABLES", "GOGC", "GOMAXPROCS", "MPLBACKEND", "QT_QPA_PLATFORM",
})

_PREFIXES = (
    "APPTAINER_", "BLAS_", "BLIS_", "BRIAN_", "CONDA_", "CUBLAS_", "CUDA_", "CUDNN_", "FFTW_", "FI_", "FLUX_",
    "GENESIS_", "GOMP_", "GSL_", "HDF5_", "HIP_", "I_MPI_", "JAX_", "JULIA_", "KMP_", "LC_", "LSB_", "LSF_",
    "MALLOC_", "MKL_", "MPICH_", "MPIR_", "MV2_", "NCCL_", "NEST_", "NEURON_", "NRN_", "NUMBA_", "NUMEXPR_",
    "NUMPY_", "NUM_", "OCTAVE_", "OMPI_", "OMP_", "OPENBLAS_", "OPENCV_", "PBS_", "PIXI_", "PMIX_", "PMI_", "PYNN_",
    "PYOPENCL_", "PYTHON", "PYTORCH_", "ROCBLAS_", "ROCM_", "ROCR_", "R_", "SGE_", "SLURM_", "TBB_", "TF_CPP_",
    "TF_CUDNN_", "TF_DETERMINISTIC_", "TF_ENABLE_", "TF_GPU_", "TF_NUM_", "TF_XLA_", "TORCH_", "UCX_", "VECLIB_",
    "XLA_",
)

#: A name with one of these in it holds a secret, whatever else the name says.
_SECRET = (
    "AUTH", "COOKIE", "CREDENTIAL", "JWT", "KEY", "PASS", "PRIVATE", "PWD", "SECRET", "SESSION", "SIGNATURE", "TOKEN",
)


def environment(environ: Mapping[str, str], key: bytes) -> dict[str, str]:
    """Return those of the variables *environ* that a record keeps, by name in order.

    A variable whose name sounds like a secret is kept as a keyed hash (*key* is the project's), so that a change can
    be seen; so are secrets inside other values.
    """
    return {
        name: hide(value, key) if is_secret(name) else mask(value, key)[0]
        for name, value in sorted(environ.items())
        if is_allowed(name)
    }


def is_allowed(name: str) -> bool:
    """Tell whether a record keeps the variable *name*."""
    return name in _NAMES or name.startswith(_PREFIXES)


def is_secret(name: str) -> bool:
    """Tell whether *name* sounds like a secret."""
    name = name.upper()
    return any(word in name for word in _SECRET)
