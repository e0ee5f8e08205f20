using System.Reflection;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using Xunit;

namespace PeftNative.Ilgpu.Tests;

/// <summary>Every kernel becomes code for devices, whether one is here or not; that it runs is for the operation cases to say.</summary>
public sealed class CompilationTests : IDisposable
{
    private readonly Context context = Context.Create(builder => builder.EnableAlgorithms());

    public static TheoryData<string> Kernels => [.. Methods().Select(Name)];

    public void Dispose() => context.Dispose();

    [Theory]
    [MemberData(nameof(Kernels))]
    public void It_becomes_PTX(string kernel)
    {
        using var backend = new PTXBackend(context, CudaArchitecture.SM_80, CudaInstructionSet.ISA_70, null!);
        var compiled = Assert.IsType<PTXCompiledKernel>(Compile(backend, kernel));
        Assert.Contains(".visible .entry", compiled.PTXAssembly, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void It_becomes_OpenCL(string kernel)
    {
        using var backend = new CLBackend(context, AllCapabilities(), CLDeviceVendor.Nvidia, new CLCVersion(2, 0));
        var compiled = Assert.IsType<CLCompiledKernel>(Compile(backend, kernel));
        Assert.Contains("kernel void", compiled.Source, StringComparison.Ordinal);
    }

    private static CompiledKernel Compile(Backend backend, string kernel)
    {
        var method = Methods().Single(m => Name(m) == kernel);
        var entry = method.GetParameters()[0].ParameterType == typeof(Index1D)
            ? EntryPointDescription.FromImplicitlyGroupedKernel(method)
            : EntryPointDescription.FromExplicitlyGroupedKernel(method);
        return backend.Compile(entry, KernelSpecialization.Empty);
    }

    /// <summary>What gives nothing back in a class of kernels is a kernel; the rest are their parts.</summary>
    private static IEnumerable<MethodInfo> Methods() => typeof(IlgpuBackend).Assembly.GetTypes()
        .Where(t => t.Namespace == "PeftNative.Ilgpu.Kernels" && t.Name.EndsWith("Kernels", StringComparison.Ordinal))
        .SelectMany(t => t.GetMethods(BindingFlags.Public | BindingFlags.Static)).Where(m => m.ReturnType == typeof(void));

    private static string Name(MethodInfo method) => $"{method.DeclaringType!.Name}.{method.Name}";

    private static CLCapabilityContext AllCapabilities()
    {
        var constructor = typeof(CLCapabilityContext).GetConstructors().Single(c => c.GetParameters().Length > 1);
        return (CLCapabilityContext)constructor.Invoke([.. constructor.GetParameters().Select(_ => (object)true)]);
    }
}
