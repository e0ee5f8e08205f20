using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends;

/// <summary>In which order "auto" tries backends: the first that works here and computes in the wanted type.</summary>
public enum BackendOrder
{
    /// <summary>Kernels of our own on a GPU.</summary>
    Gpu,

    /// <summary>Kernels that a compiler makes for whatever device there is.</summary>
    GpuFallback,

    /// <summary>Native code on the processor.</summary>
    NativeCpu,

    /// <summary>Plain managed code, which works everywhere.</summary>
    Managed,

    /// <summary>Never chosen by "auto": emulators and debuggers.</summary>
    OnlyByName,
}

/// <summary>What a backend is created with.</summary>
public sealed record BackendOptions
{
    /// <summary>The element type of activations and frozen weights.</summary>
    public DType Type { get; init; } = DType.Float32;

    /// <summary>Threads of a backend that runs on the processor; null for one per core.</summary>
    public int? Threads { get; init; }

    /// <summary>Number of the device, from 0, where there are several.</summary>
    public int Device { get; init; }
}

/// <summary>
/// What <see cref="BackendFactory"/> needs to know of a backend. Both functions may be called from several threads.
/// </summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="Order">Where "auto" tries it.</param>
/// <param name="Types">The element types it computes in.</param>
/// <param name="WhyNot">Why it cannot be used here, as a sentence; null when it can. Called often: an answer that takes
/// long to find is remembered by the provider.</param>
/// <param name="Create">Makes one; <see cref="BackendOptions.Type"/> is one of <paramref name="Types"/>.</param>
public sealed record BackendProvider(
    string Name, BackendOrder Order, IReadOnlyList<DType> Types, Func<string?> WhyNot,
    Func<BackendOptions, IBackend> Create);
