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

/// <summary>
/// Every kernel becomes code for devices, whether one is here or not; that it runs is for the operation cases to say.
/// </summary>
public sealed class CompilationTests : IDisposable
{
    private readonly Context context = Context.Create(builder => builder.EnableAlgorithms());

    // A subnormal constant, which no kernel writes: the bits of a small integer where its value was meant (ilgpu.md).
    private const string SubnormalInPtx = "0f00(?!0{6})[0-7][0-9A-F]{5}|0d000(?!0{13})[0-9A-F]{13}";
    private const string SubnormalInOpenCl = "[0-9]E-(39|4[0-9])f|[0-9]E-(3[12][0-9]|30[89])";

    public static TheoryData<string> Kernels => [.. Methods().Select(Name)];

    public void Dispose() => context.Dispose();

    [Theory]
    [MemberData(nameof(Kernels))]
    public void It_becomes_PTX(string kernel)
    {
        using var backend = new PTXBackend(context, CudaArchitecture.SM_80, CudaInstructionSet.ISA_70, null!);
        var compiled = Assert.IsType<PTXCompiledKernel>(Compile(backend, kernel));
        Assert.Contains(".visible .entry", compiled.PTXAssembly, StringComparison.Ordinal);
        Assert.DoesNotMatch(SubnormalInPtx, compiled.PTXAssembly);
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void It_becomes_OpenCL(string kernel)
    {
        using var backend = new CLBackend(context, AllCapabilities(), CLDeviceVendor.Nvidia, new CLCVersion(2, 0));
        var compiled = Assert.IsType<CLCompiledKernel>(Compile(backend, kernel));
        Assert.Contains("kernel void", compiled.Source, StringComparison.Ordinal);
        Assert.DoesNotMatch(SubnormalInOpenCl, compiled.Source);
    }

    [Fact]
    public void A_comparison_taken_for_bits_would_be_seen()
    {
        using var ptx = new PTXBackend(context, CudaArchitecture.SM_80, CudaInstructionSet.ISA_70, null!);
        using var openCl = new CLBackend(context, AllCapabilities(), CLDeviceVendor.Nvidia, new CLCVersion(2, 0));
        foreach (var name in (string[])[nameof(ForbiddenForms.ToFloat), nameof(ForbiddenForms.ToDouble)])
        {
            var entry = EntryPointDescription.FromImplicitlyGroupedKernel(typeof(ForbiddenForms).GetMethod(name)!);
            Assert.Matches(SubnormalInPtx, ((PTXCompiledKernel)ptx.Compile(entry, default)).PTXAssembly);
            Assert.Matches(SubnormalInOpenCl, ((CLCompiledKernel)openCl.Compile(entry, default)).Source);
        }
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
        .SelectMany(t => t.GetMethods(BindingFlags.Public | BindingFlags.Static))
        .Where(m => m.ReturnType == typeof(void));

    private static string Name(MethodInfo method) => $"{method.DeclaringType!.Name}.{method.Name}";

    private static CLCapabilityContext AllCapabilities()
    {
        var constructor = typeof(CLCapabilityContext).GetConstructors().Single(c => c.GetParameters().Length > 1);
        return (CLCapabilityContext)constructor.Invoke([.. constructor.GetParameters().Select(_ => (object)true)]);
    }
}
