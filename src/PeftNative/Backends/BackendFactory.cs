using System.Collections.Immutable;
using PeftNative.Backends.NativeCpu;
using PeftNative.Backends.Reference;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends;

/// <summary>A backend, and whether it works here.</summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="IsAvailable">Whether it can be created.</param>
/// <param name="IsChosen">Whether "auto" stands for it.</param>
/// <param name="Detail">What was found, or why it cannot be used.</param>
/// <param name="WhyNotChosen">Why "auto" does not stand for it, although it works; null when it does, or does not
/// work.</param>
public sealed record BackendStatus(string Name, bool IsAvailable, bool IsChosen, string Detail, string? WhyNotChosen);

/// <summary>
/// The one place where a backend is chosen. It knows the backends of this assembly; a program that uses others
/// registers them at its start (<c>IlgpuBackends.Register()</c>). Thread-safe.
/// </summary>
public static class BackendFactory
{
    private static ImmutableList<BackendProvider> providers =
    [
        new("cpu", BackendOrder.NativeCpu, [DType.Float32, DType.BFloat16],
            () => NativeCpuBackend.IsAvailable(out var reason) ? null : reason,
            options => NativeCpuBackend.Create(options.Threads ?? 0, type: options.Type)),
        new("reference", BackendOrder.Managed, [DType.Float32, DType.Float64, DType.BFloat16, DType.Float16],
            () => null, options => ReferenceBackend.Create(options.Type)),
        Absent("cuda", "CUDA"), Absent("cuda-emulated", "CUDA"),
    ];

    /// <summary>All names, whether available here or not, in the order in which "auto" tries them.</summary>
    public static IReadOnlyList<string> Names => [.. Ordered().Select(p => p.Name)];

    /// <summary>The name that "auto" stands for here, computing in fp32.</summary>
    public static string Preferred => Choose(DType.Float32)!.Name;

    /// <summary>Makes a backend known; one that has the same name is replaced.</summary>
    public static void Register(BackendProvider provider) =>
        ImmutableInterlocked.Update(ref providers,
            static (all, one) => all.RemoveAll(p => p.Name == one.Name).Add(one), provider);

    /// <summary>
    /// Every backend and whether it works here, in the order of <see cref="Names"/>. Opens each that does.
    /// </summary>
    public static IReadOnlyList<BackendStatus> Survey()
    {
        var chosen = Preferred;
        return [.. Ordered().Select(p => Examine(p, chosen))];
    }

    /// <summary>Creates a backend.</summary>
    /// <param name="name">A name, or "auto" for the first in order that works here and computes in the type.</param>
    /// <param name="type">The element type of activations and frozen weights.</param>
    /// <param name="threads">Threads of a backend that runs on the processor; null for all cores.</param>
    /// <param name="device">Number of the device, from 0.</param>
    /// <exception cref="UsageException">There is no such backend, it does not work here, or it does not compute in that
    /// type.</exception>
    public static IBackend Create(string name = "auto", DType type = DType.Float32, int? threads = null, int device = 0)
    {
        var provider = name == "auto"
            ? Choose(type) ?? throw new UsageException($"No backend that works here computes in {type.Name()}.",
                "--dtype", "Use fp32.")
            : Find(name, type);
        return provider.Create(new BackendOptions { Type = type, Threads = threads, Device = device });
    }

    private static BackendProvider Find(string name, DType type)
    {
        var provider = Ordered().FirstOrDefault(p => p.Name == name)
            ?? throw new UsageException($"There is no backend '{name}'.", "--backend",
                $"Known: auto, {string.Join(", ", Names)}. Others come with packages, and the program registers them.");
        if (provider.WhyNot() is { } reason)
            throw new UsageException($"The backend '{name}' cannot be used here: {reason}", "--backend",
                $"Available: {string.Join(", ", Ordered().Where(e => e.WhyNot() is null).Select(e => e.Name))}.");
        if (!provider.Types.Contains(type))
            throw new UsageException($"The backend '{name}' does not compute in {type.Name()}.", "--dtype",
                $"Use {string.Join(" or ", provider.Types.Select(t => t.Name()))}, or another backend.");
        return provider;
    }

    private static IEnumerable<BackendProvider> Ordered() => Volatile.Read(ref providers).OrderBy(p => p.Order);

    private static BackendProvider? Choose(DType type) => Ordered()
        .FirstOrDefault(p => p.Order != BackendOrder.OnlyByName && p.Types.Contains(type) && p.WhyNot() is null);

    private static BackendStatus Examine(BackendProvider provider, string chosen)
    {
        if (provider.WhyNot() is { } reason) return new(provider.Name, false, false, reason, null);
        using var backend = provider.Create(new BackendOptions { Type = provider.Types[0] });
        return new(provider.Name, true, provider.Name == chosen, backend.Description, provider.Name == chosen ? null
            : provider.Order == BackendOrder.OnlyByName ? "used only when it is named" : $"{chosen} comes first");
    }

    private static BackendProvider Absent(string name, string kind) =>
        new(name, BackendOrder.OnlyByName, [DType.Float32], () => $"This version has no {kind} backend.",
            _ => throw new InvalidOperationException("a backend that says why it is not available is never created"));
}
