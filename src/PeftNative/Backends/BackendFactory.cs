using PeftNative.Backends.NativeCpu;
using PeftNative.Backends.Reference;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends;

/// <summary>A kind of hardware or implementation, and whether it works here.</summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="IsAvailable">Whether it can be created.</param>
/// <param name="Detail">What was found, or why it cannot be used.</param>
public sealed record BackendStatus(string Name, bool IsAvailable, string Detail);

/// <summary>The one place where a backend is chosen. Thread-safe.</summary>
public static class BackendFactory
{
    private sealed record Entry(string Name, Func<string?> WhyNot, Func<DType, int?, IBackend> Create);

    // The fastest first: "auto" takes the first that is available.
    private static readonly Entry[] Entries =
    [
        new("cuda", () => "This version has no CUDA backend.", Absent),
        new("cpu", () => NativeCpuBackend.IsAvailable(out var reason) ? null : reason,
            (type, threads) => NativeCpuBackend.Create(CheckSingle(type) ? threads ?? 0 : 0)),
        new("reference", () => null, (type, _) => ReferenceBackend.Create(type)),
        new("ilgpu", () => "This version has no ILGPU backend.", Absent),
        new("ilgpu-cpu", () => "This version has no ILGPU backend.", Absent),
        new("cuda-emulated", () => "This version has no CUDA backend.", Absent),
    ];

    /// <summary>All names, whether available here or not.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Entries.Select(e => e.Name)];

    /// <summary>Every backend and whether it works here, in the order in which "auto" prefers them.</summary>
    public static IReadOnlyList<BackendStatus> Survey() => [.. Entries.Select(e => e.WhyNot() is { } reason
        ? new BackendStatus(e.Name, false, reason) : new BackendStatus(e.Name, true, Describe(e)))];

    /// <summary>The name that "auto" stands for here.</summary>
    public static string Preferred => Entries.First(e => e.WhyNot() is null).Name;

    /// <summary>Creates a backend.</summary>
    /// <param name="name">A name, or "auto".</param>
    /// <param name="type">The element type of activations and frozen weights; see <see cref="IBackend.ComputeType"/>.</param>
    /// <param name="threads">Threads of a CPU backend; null for all cores.</param>
    /// <exception cref="UsageException">There is no such backend, it does not work here, or it does not compute in that type.</exception>
    public static IBackend Create(string name = "auto", DType type = DType.Float32, int? threads = null)
    {
        var entry = Array.Find(Entries, e => e.Name == (name == "auto" ? Preferred : name))
            ?? throw new UsageException($"There is no backend '{name}'.", "--backend", $"Known: auto, {string.Join(", ", Names)}.");
        if (entry.WhyNot() is { } reason)
            throw new UsageException($"The backend '{name}' cannot be used here: {reason}", "--backend",
                $"Available: {string.Join(", ", Entries.Where(e => e.WhyNot() is null).Select(e => e.Name))}.");
        return entry.Create(type, threads);
    }

    private static string Describe(Entry entry)
    {
        using var backend = entry.Create(DType.Float32, null);
        return backend.Description;
    }

    private static bool CheckSingle(DType type) => type == DType.Float32 ? true
        : throw new UsageException($"The backend 'cpu' computes in fp32, not {type.Name()}.", "--dtype");

    private static IBackend Absent(DType type, int? threads) =>
        throw new InvalidOperationException("a backend that says why it is not available is never created");
}
