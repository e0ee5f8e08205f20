namespace PeftNative.Cuda.Driver;

/// <summary>
/// Operations do what no recording can hold: take memory, load kernels, upload, wait. It is thrown before the driver is
/// asked, so that the recording can be ended in order, and never leaves <see cref="CudaDevice.Record"/>.
/// </summary>
internal sealed class NotRecordableException(string what) : Exception($"{what} while operations are recorded");
