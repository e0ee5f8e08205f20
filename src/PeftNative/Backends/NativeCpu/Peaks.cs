using System.Runtime.InteropServices;

namespace PeftNative.Backends.NativeCpu;

/// <summary>What can be measured; the numbers are those of <c>pn_peak</c>.</summary>
internal enum PeakKind
{
    Fp32 = 0,
    Bf16 = 1,
    Reading = 2,
    Int8 = 3,
}

public sealed partial class NativeCpuBackend
{
    /// <summary>The most the machine does with this backend's threads, in operations or bytes per second.</summary>
    internal double MeasurePeak(PeakKind kind)
    {
        CpuLibrary.Check(MeasurePeak(context, kind, out var rate));
        return rate;
    }

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_measure_peak")]
    private static partial NativeStatus MeasurePeak(CpuContext context, PeakKind kind, out double rate);
}
