using PeftNative.Backends;
using PeftNative.Ops;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests;

/// <summary>Backends that a test asks for by name.</summary>
internal static class BackendOrSkip
{
    /// <summary>A backend, in single precision unless told; skips the test, saying why, where it is not here.</summary>
    public static IBackend Create(string name, DType type = DType.Float32)
    {
        var status = BackendFactory.Survey().First(b => b.Name == name);
        if (!status.IsAvailable) Assert.Skip($"not exercised: {name} ({status.Detail})");
        return BackendFactory.Create(name, type);
    }
}
