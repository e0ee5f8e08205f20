namespace PeftNative.Cuda.Driver;

/// <summary>
/// What a driver call answers; the numbers are those of <c>CUresult</c>. Only those that are told apart have a name.
/// </summary>
internal enum CudaResult
{
    Success = 0,
    InvalidValue = 1,
    OutOfMemory = 2,
    NotInitialized = 3,
    NoDevice = 100,
    InvalidDevice = 101,
    InvalidImage = 200,
    NoBinaryForDevice = 209,
    UnsupportedPtxVersion = 222,
    NotFound = 500,
    NotReady = 600,
    IllegalAddress = 700,
    LaunchOutOfResources = 701,
    LaunchFailed = 719,
    NotSupported = 801,
    Unknown = 999,
}

/// <summary>Numbers of <c>CUdevice_attribute</c>.</summary>
internal enum DeviceAttribute
{
    MultiprocessorCount = 16,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    MaxSharedMemoryPerBlockOptIn = 97,
}

/// <summary>Numbers of <c>CUfunction_attribute</c>.</summary>
internal enum FunctionAttribute
{
    MaxDynamicSharedSize = 8,
}
