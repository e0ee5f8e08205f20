using PeftNative.Tensors;

namespace PeftNative.Cuda.Driver.Kernels;

/// <summary>
/// The kernels of this assembly on one device. A module is one file of <c>kernels/</c>, by its stem, and is loaded when
/// its first kernel is asked for: from the fatbin beside it in the assembly, or compiled by NVRTC from its source where
/// nvcc was not there at build time. The emulator has the kernels in its library and gets an image that only names the
/// module.
/// </summary>
internal sealed class KernelLibrary(CudaDevice device) : IDisposable
{
    private readonly Dictionary<string, nint> modules = [];
    private readonly Dictionary<(string Module, string Function, DType First, DType? Second), Kernel> kernels = [];

    /// <summary>
    /// The kernel <c>function_first_second</c> of a module, such as <c>norm_forward_bf16</c>; the types are those of
    /// the operands the kernel is compiled for.
    /// </summary>
    public Kernel Get(string module, string function, DType first, DType? second = null)
    {
        var key = (module, function, first, second);
        if (kernels.TryGetValue(key, out var kernel)) return kernel;
        var name = $"{function}_{first.Name()}" + (second is { } type ? $"_{type.Name()}" : "");
        device.MakeCurrent();
        device.Check(device.Driver.GetFunction(ModuleOf(module), name, out var handle), "cuModuleGetFunction",
            $"{name} in {module}");
        return kernels[key] = new Kernel(name, handle);
    }

    public void Dispose()
    {
        foreach (var module in modules.Values) _ = device.Driver.UnloadModule(module);
        modules.Clear();
        kernels.Clear();
    }

    private nint ModuleOf(string name)
    {
        if (modules.TryGetValue(name, out var module)) return module;
        device.RefuseRecording("loading kernels");
        device.Check(device.Driver.LoadModule(KernelImage.Of(name, device), out module), "cuModuleLoadData",
            $"the kernels of {name}");
        return modules[name] = module;
    }
}
